"""Injection, before anything runs: which provider makes which service, of what. (The mistakes: test_build_errors.)"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Generic, NewType, Optional, Protocol, TypeVar

import attrs
import pytest
import trio

from trio_sse import App, Get, Headers, Post, Request
from trio_sse._ground.calls import Kind
from trio_sse._plan.services import ResolvedProvider, ServiceGraph, ServiceKey
from trio_sse._routes.providers import Scope
from trio_sse._runtime.built_in_names import BUILT_IN
from trio_sse.errors import BuildError
from trio_sse.models import MemoryRepository, Repository

T = TypeVar("T")

Dsn = NewType("Dsn", str)


class Pool:
    pass


class OtherPool(Pool):
    pass


Replica = Annotated[Pool, "replica"]


@attrs.frozen
class Store:
    _pool: Pool


@attrs.frozen
class Orders:
    store: Store
    pool: Pool
    page_size: int = 20


@attrs.frozen
class Ticket:
    id: int


class Tickets(Repository[Ticket]):
    """A class that is derived from a protocol and has no constructor of its own."""

    async def get(self, id: Any, /) -> Ticket | None:
        raise NotImplementedError

    async def get_many(self, ids: Any, /) -> Mapping[Any, Ticket]:
        raise NotImplementedError


class Box(Generic[T]):
    pass


def answer() -> None: ...


def order(app: App) -> list[Any]:
    """The tokens of what is made at start-up, in order."""
    return [recipe.key.token for recipe in app._compiled.services]


def graph(app: App) -> ServiceGraph:
    """All services of an app."""
    return ServiceGraph(app.providers, BUILT_IN)


def recipe(app: App, token: Any) -> ResolvedProvider:
    return graph(app).recipes[token]


def sources(app: App, token: Any) -> dict[str, Any]:
    return {name: getattr(key, "token", key) for name, key in recipe(app, token).call.sources}


# -- a value


def test_an_app_with_another_provider_is_another_app() -> None:
    app = App()
    more = app.provide(Pool)
    assert app.providers == ()
    assert more == App().provide(Pool)
    assert more != app
    pool = Pool()
    overridden = more.override(Pool, pool)
    assert overridden != more
    assert overridden == App().provide(Pool).override(Pool, pool)
    assert more == App().provide(Pool)


# -- what is made of what


def test_a_service_stands_after_those_that_it_is_made_of_wherever_they_were_provided() -> None:
    for app in (
        App().provide(Orders).provide(Store).provide(Pool),
        App().provide(Pool).provide(Store).provide(Orders),
        App().provide(Store).provide(Orders).provide(Pool),
    ):
        assert order(app) == [Pool, Store, Orders]
        assert sources(app, Orders) == {"store": Store, "pool": Pool}
        assert sources(app, Store) == {"pool": Pool}


def pool_of(dsn: Dsn) -> Pool:
    raise NotImplementedError


async def opened_pool() -> Pool:
    raise NotImplementedError


@contextlib.asynccontextmanager
async def open_pool() -> AsyncIterator[Pool]:
    raise NotImplementedError
    yield


@contextlib.asynccontextmanager
async def open_pool_too() -> AsyncGenerator[Pool]:
    raise NotImplementedError
    yield


class Opened:
    async def __aenter__(self) -> Opened:
        raise NotImplementedError

    async def __aexit__(self, *error: object) -> None:
        raise NotImplementedError


class Maker:
    """An object that can be called, and that cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> Pool:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("factory", "token", "kind"),
    [
        (pool_of, Pool, Kind.SYNC),
        (opened_pool, Pool, Kind.ASYNC),
        (open_pool, Pool, Kind.CONTEXT),
        (open_pool_too, Pool, Kind.CONTEXT),
        (functools.partial(pool_of, dsn=Dsn("x")), Pool, Kind.SYNC),
        (functools.partial(OtherPool), OtherPool, Kind.SYNC),
        (Maker(), Pool, Kind.SYNC),
        (Store, Store, Kind.SYNC),
        (Opened, Opened, Kind.CONTEXT),
        (Tickets, Tickets, Kind.SYNC),
    ],
)
def test_a_factory_says_what_it_makes_and_how_it_is_called(factory: Any, token: Any, kind: Kind) -> None:
    app = App().provide(Dsn, value="sqlite://").provide(factory)
    if token is Store:
        app = app.provide(Pool)
    assert recipe(app, token).call.kind is kind
    assert recipe(app, token).key == ServiceKey(token)


def test_what_a_partial_has_bound_is_no_service() -> None:
    app = App().provide(functools.partial(pool_of, dsn=Dsn("x")))
    assert sources(app, Pool) == {}


def test_a_class_derived_from_a_protocol_is_called_with_its_own_parameters() -> None:
    class Cached(Tickets):
        pass

    class Pooled(Repository[Ticket], Protocol):
        pass

    class Sql(Pooled):
        def __init__(self, pool: Pool) -> None: ...

        get = Tickets.get
        get_many = Tickets.get_many

    class Derived(Sql):
        pass

    app = App().provide(Pool).provide(Cached).provide(Sql).provide(Derived)
    assert sources(app, Cached) == {}
    assert sources(app, Sql) == {"pool": Pool}
    assert sources(app, Derived) == {"pool": Pool}


# -- tokens


def wants_generic(of_ints: Box[int], of_texts: Box[str]) -> Store:
    raise NotImplementedError


def make_box() -> Box[Any]:
    raise NotImplementedError


def test_an_alias_with_other_arguments_is_another_service() -> None:
    app = App().provide(Box[int], make_box).provide(Box[str], make_box).provide(wants_generic)
    assert sources(app, Store) == {"of_ints": Box[int], "of_texts": Box[str]}
    assert Box[bytes] not in graph(app)


def wants_replica(main: Pool, replica: Replica, other: Annotated[Pool, "unknown"]) -> Store:
    raise NotImplementedError


def test_an_annotated_service_is_one_of_its_own_and_where_there_is_none_it_is_the_plain_one() -> None:
    app = App().provide(Pool).provide(Replica, opened_pool).provide(wants_replica)
    assert sources(app, Store) == {"main": Pool, "replica": Replica, "other": Pool}


def wants_replica_perhaps(replica: Replica | None, pool: Pool | None = None) -> Store:
    raise NotImplementedError


def wants_either(pool: OtherPool | Pool) -> Store:
    raise NotImplementedError


def wants_optional(pool: Optional[Pool]) -> Store:  # noqa: UP045 - as older code writes it
    raise NotImplementedError


def test_a_union_takes_the_first_of_its_services_that_is_provided() -> None:
    assert sources(App().provide(Pool).provide(wants_either), Store) == {"pool": Pool}
    assert sources(App().provide(OtherPool).provide(wants_either), Store) == {"pool": OtherPool}
    assert sources(App().provide(Pool).provide(OtherPool).provide(wants_either), Store) == {"pool": OtherPool}
    assert sources(App().provide(Pool).provide(wants_optional), Store) == {"pool": Pool}
    both = App().provide(Pool).provide(Replica, opened_pool).provide(wants_replica_perhaps)
    assert sources(both, Store) == {"replica": Replica, "pool": Pool}
    assert sources(App().provide(Replica, opened_pool).provide(wants_replica_perhaps), Store) == {"replica": Replica}


def test_a_new_type_is_a_service_of_its_own() -> None:
    app = App().provide(Dsn, value="sqlite://").provide(pool_of)
    assert sources(app, Pool) == {"dsn": Dsn}


def test_a_parameter_with_a_default_takes_a_service_where_there_is_one() -> None:
    @attrs.frozen
    class Lenient:
        pool: Pool | None = None
        size: int = 3
        anything: Any = None

    assert sources(App().provide(Lenient), Lenient) == {}
    assert sources(App().provide(Pool).provide(Lenient), Lenient) == {"pool": Pool}


class Unreadable:
    def __init__(self, first: Pool, second: Missing = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]


def test_an_annotation_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert sources(App().provide(Pool).provide(Unreadable), Unreadable) == {"first": Pool}


# -- one class under two tokens


class Readable(Protocol):
    pass


class Reader:
    pass


class Writer:
    pass


class Files(Reader, Writer):
    pass


def make_files() -> Files:
    raise NotImplementedError


def makers(app: App) -> dict[Any, Any]:
    """What is called for each token; for one that is another's service, that one's key."""
    calls = {token: each.call for token, each in graph(app).recipes.items()}
    return {token: call.keys[0] if call.takes == ("service",) else call.function for token, call in calls.items()}


def test_a_class_under_two_tokens_is_one_service() -> None:
    expected = {Files: Files, Reader: ServiceKey(Files)}
    assert makers(App().provide(Files).provide(Reader, Files)) == expected
    assert makers(App().provide(Reader, Files).provide(Files)) == expected
    assert order(App().provide(Reader, Files).provide(Files)) == [Files, Reader]


def test_it_is_one_also_where_the_class_is_no_token_itself() -> None:
    app = App().provide(Reader, Files).provide(Writer, Files).provide(Readable, Files)
    assert makers(app) == {Reader: Files, Writer: ServiceKey(Reader), Readable: ServiceKey(Reader)}


def test_a_class_that_is_made_by_a_function_is_one_service_with_its_other_token() -> None:
    app = App().provide(Files, make_files).provide(Reader, Files)
    assert makers(app) == {Files: make_files, Reader: ServiceKey(Files)}


def test_a_function_under_two_tokens_makes_two_services() -> None:
    app = App().provide(Reader, make_files).provide(Writer, make_files)
    assert makers(app) == {Reader: make_files, Writer: make_files}


def test_tokens_that_are_there_to_tell_two_of_a_class_apart_are_two_services() -> None:
    second, third = Annotated[Pool, "second"], NewType("third", Pool)
    app = App().provide(Pool).provide(second, Pool).provide(third, Pool)
    assert makers(app) == {Pool: Pool, second: Pool, third: Pool}
    assert makers(App().provide(second, Pool).provide(Pool)) == {second: Pool, Pool: Pool}


def test_what_is_one_service_has_one_scope() -> None:
    app = App().provide(Files, scope="request").provide(Reader, Files, scope="request")
    assert recipe(app, Reader).scope == "request"
    pairs: tuple[tuple[Scope, Scope], ...] = (("app", "request"), ("request", "app"))
    for first, second in pairs:
        with pytest.raises(BuildError, match="give both the same scope"):
            App().provide(Files, scope=first).provide(Reader, Files, scope=second).check()
        with pytest.raises(BuildError, match="give both the same scope"):
            App().provide(Writer, Files, scope=first).provide(Reader, Files, scope=second).check()


# -- values


@attrs.define
class Settings:
    """A value that cannot be hashed."""

    size: int = 1


def test_a_value_may_be_of_any_kind() -> None:
    app = App().provide(Settings, value=Settings()).provide(list[int], value=[1]).provide(Dsn, value="x")
    app = app.provide(Repository[Ticket], value=MemoryRepository(Ticket))
    app.override(Settings, Settings(2)).override(Dsn, {}).check()
    assert order(app) == [Settings, list[int], Dsn, Repository[Ticket]]


def test_a_value_that_can_be_called_is_not_called() -> None:
    def value() -> None:
        pytest.fail("called")

    app = App().provide(Callable[[], None], value=value)
    made = recipe(app, Callable[[], None]).call
    assert made.function() is value


# -- built-in values


class Tenant:
    def __init__(
        self, request: Request, headers: Headers, last_event_id: str | None, app_nursery: trio.Nursery, aborted: Any
    ) -> None: ...


def test_a_service_of_the_request_takes_the_request_s_values_by_name() -> None:
    app = App().provide(Tenant, scope="request")
    assert recipe(app, Tenant).call.takes == ("request", "headers", "last_event_id", "app_nursery", "aborted")
    assert sources(app, Tenant)["headers"] == "headers"


class Watcher:
    def __init__(self, app_nursery: trio.Nursery) -> None: ...


def test_a_service_of_the_app_may_take_its_nursery() -> None:
    assert sources(App().provide(Watcher), Watcher) == {"app_nursery": "app_nursery"}


class Client:
    """As a class from elsewhere may look: its parameters mean something else, and have defaults."""

    def __init__(
        self,
        url: str = "http://localhost",
        headers: Mapping[str, str] | None = None,
        cookies: Any = None,
        query: str = "",
        nursery: Any = None,
    ) -> None: ...


@pytest.mark.parametrize("scope", ["app", "request"])
def test_a_parameter_with_a_default_keeps_it_though_its_name_is_built_in(scope: Any) -> None:
    assert sources(App().provide(Client, scope=scope), Client) == {}


def needs_url(url: str) -> Pool:
    raise NotImplementedError


def test_a_name_that_is_built_in_is_free_for_what_is_of_another_type() -> None:
    with pytest.raises(BuildError, match="nothing provides str: needs_url"):
        App().provide(needs_url, scope="request").check()


def request_of(request: Request) -> Pool:
    raise NotImplementedError


class Query(Protocol):
    pass


def wants_service_named_query(query: Query) -> Pool:
    raise NotImplementedError


def test_a_service_goes_before_a_built_in_value_of_the_same_name() -> None:
    app = App().provide(Query, value=object()).provide(wants_service_named_query)
    assert sources(app, Pool) == {"query": Query}


# -- overriding


def test_what_overrides_is_a_value_whatever_made_the_replaced_one() -> None:
    app = App().provide(request_of, scope="request").override(Pool, "a stand-in")
    assert recipe(app, Pool).scope == "app"
    made = recipe(app, Pool).call
    assert made.function() == "a stand-in"


def test_what_only_the_replaced_service_needs_is_not_made() -> None:
    app = App().provide(Pool).provide(Store).provide(Reader)
    assert order(app) == [Pool, Store, Reader]
    assert order(app.override(Store, None)) == [Store, Reader]
    assert order(app.override(Reader, None)) == [Pool, Store, Reader]


def test_nor_is_what_that_was_made_of() -> None:
    class Deep:
        def __init__(self, orders: Orders) -> None: ...

    app = App().provide(Pool).provide(Store).provide(Orders).provide(Deep)
    assert order(app.override(Deep, None)) == [Deep]
    assert order(app.override(Orders, None)) == [Orders, Deep]
    assert order(app.override(Store, None)) == [Pool, Store, Orders, Deep]


def test_what_somebody_else_needs_too_is_made() -> None:
    app = App().provide(Pool).provide(Store).provide(Orders)
    assert order(app.override(Store, None)) == [Pool, Store, Orders]
    injected = App().provide(Pool).provide(Store).add(Get("/").inject(pool=Pool).handle(lambda pool: None))
    assert order(injected.override(Store, None)) == [Pool, Store]
    named_only = App().provide(Pool).provide(Store).add(Get("/").inject(pool=Pool).handle(answer))
    assert order(named_only.override(Store, None)) == [Store]


def test_what_only_a_service_of_a_request_needs_is_made_unless_that_is_overridden() -> None:
    app = App().provide(Pool).provide(Store, scope="request").add(Get("/").inject(s=Store).handle(lambda s: None))
    assert order(app) == [Pool]
    assert order(app.override(Store, None)) == [Store]


def test_what_a_repository_of_a_route_needs_is_made() -> None:
    app = App().provide(Pool).provide(Repository[Ticket], Tickets).provide(Reader)
    app = app.add(Get("/:ticket").types(Ticket).handle(lambda ticket: None))
    assert order(app.override(Reader, None)) == [Pool, Repository[Ticket], Reader]


def test_overriding_twice_is_overriding_once() -> None:
    app = App().provide(Pool).provide(Store).override(Store, 1)
    assert app.override(Store, 2) == App().provide(Pool).provide(Store).override(Store, 2)
    assert order(app.override(Store, 2)) == [Store]


def test_overriding_the_one_token_of_a_class_that_is_in_use_leaves_out_the_other() -> None:
    app = App().provide(Pool).provide(Store).provide(Readable, Store)
    assert order(app.override(Readable, None)) == [Readable]
    used = app.add(Get("/").inject(store=Store).handle(lambda store: None))
    assert order(used.override(Readable, None)) == [Pool, Store, Readable]


def test_overriding_a_class_overrides_its_other_token_too() -> None:
    app = App().provide(Files).provide(Reader, Files).override(Files, None)
    assert makers(app)[Reader] == ServiceKey(Files)
    request = App().provide(Files, scope="request").provide(Reader, Files, scope="request").override(Files, None)
    assert recipe(request, Reader).scope == "app"


def both(reader: Replica | Pool) -> Store:
    raise NotImplementedError


def test_only_what_the_replaced_service_would_have_taken_counts_as_its_own() -> None:
    app = App().provide(Pool).provide(Replica, opened_pool).provide(both)
    assert order(app.override(Store, None)) == [Pool, Store]


def test_a_provider_that_is_not_used_is_made_all_the_same() -> None:
    app = App().provide(Pool).add(Post("/").handle(answer))
    assert order(app) == [Pool]
