"""Every mistake that is found when the app is built, with the whole message.

The table is to be read as a newcomer would: can the mistake be fixed from the message alone?
"""

# ruff: noqa: E501, ISC004 - whole messages, laid out to be read

from __future__ import annotations

import abc
import contextlib
import dataclasses
import enum
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, NewType, Protocol

import attrs
import msgspec
import pytest
import trio

from trio_sse import (
    SSE,
    App,
    Controller,
    Delete,
    Done,
    Get,
    PathParams,
    Post,
    Put,
    Reference,
    Request,
    Route,
    any_of,
    required,
)
from trio_sse.context import ExpireAt
from trio_sse.errors import BuildError
from trio_sse.forms import UploadedFile
from trio_sse.models import MemoryRepository, Repository
from trio_sse.statistics import Statistics
from trio_sse.wire import EncodedEvent

if TYPE_CHECKING:
    from uuid import UUID


@attrs.frozen
class User:
    name: str


@attrs.frozen
class Auth:
    user: User
    scopes: frozenset[str] = frozenset()


@attrs.frozen
class Shadow:
    request: int


@attrs.frozen
class Unreadable:
    id: UUID


@attrs.frozen
class Nested:
    user: User


class Point(NamedTuple):
    x: int


class Pair(msgspec.Struct, array_like=True):
    x: int


class Plain:
    pass


@attrs.frozen
class Upload:
    file: UploadedFile


class Mixed(enum.Enum):
    A = 1
    B = "b"


async def authenticate() -> User:
    raise NotImplementedError


async def auth() -> Auth:
    raise NotImplementedError


def wants_url(url: ExpireAt) -> None: ...


def wants_expiry(expire_at: str) -> None: ...


def wants_statistics(statistics: Statistics) -> None: ...


def shadow() -> Shadow:
    raise NotImplementedError


def is_admin(user: User) -> bool:
    raise NotImplementedError


def is_owner(user: User, room: str) -> bool:
    raise NotImplementedError


async def stream() -> AsyncGenerator[dict[str, Any]]:
    yield {}


def items() -> Any:
    yield 1


@contextlib.contextmanager
def transaction() -> Iterator[int]:
    yield 1


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[int]:
    yield 1


def answer() -> None: ...


def greet(name: str, /) -> None: ...


def anything(*args: int) -> None: ...


def everything(**kwargs: int) -> None: ...


def wants_usr(usr: User) -> None: ...


def wants_zebra(zebra: int) -> None: ...


def wants_text(user: str) -> None: ...


def maybe_user(user: User | None = None) -> bool:
    raise NotImplementedError


def wants_itself(user: User) -> User:
    raise NotImplementedError


def wants_body(body: bytes) -> None: ...


def wants_form(form: User) -> None: ...


def guards_form(form: User) -> bool:
    raise NotImplementedError


def wants_nested_body(body: Nested) -> None: ...


def wants_nested_query(query: Nested) -> None: ...


def int_room(room: int) -> bool:
    raise NotImplementedError


def text_room(room: str) -> None: ...


def unread_room(room: UUID) -> None: ...


def list_room(room: list[int]) -> None: ...


def mixed_room(room: Mixed) -> None: ...


def user_headers(headers: dict[str, str]) -> None: ...


@contextlib.asynccontextmanager
async def unread_session() -> AsyncIterator[UUID]:
    raise NotImplementedError
    yield


def number() -> int:
    raise NotImplementedError


def unread() -> UUID:
    raise NotImplementedError


BUILT_IN = (
    "app_nursery, cookies, count_as, draining, expire_at, headers, last_event_id, nursery, params, query, request, "
    "response, statistics, url"
)

WHEN_CHECKED: list[tuple[Route, str]] = [
    # names
    (
        Get("/x").use(user=authenticate).handle(wants_usr),
        "GET /x: handler wants_usr() asks for 'usr', which nothing provides. Did you mean 'user'? "
        f"Available here: aborted, {BUILT_IN}, user",
    ),
    (
        Post("/x/:room").handle(wants_zebra),
        "POST /x/:room: handler wants_zebra() asks for 'zebra', which nothing provides. "
        "Available here: aborted, app_nursery, body, cookies, count_as, draining, expire_at, headers, last_event_id, "
        "nursery, params, query, request, response, room, statistics, url",
    ),
    (
        Get("/x").use(user=wants_itself).handle(answer),
        "GET /x: middleware wants_itself() asks for 'user', which nothing provides. "
        f"User is not provided; add app.provide(User). Available here: aborted, {BUILT_IN}",
    ),
    (
        SSE("/x").guard(is_admin).use(user=authenticate).handle(stream),
        "SSE /x: guard is_admin() asks for 'user' before .use(user=authenticate) provides it; move that step up",
    ),
    (
        SSE("/x").guard(any_of(is_admin, is_admin)).use(auth).handle(stream),
        "SSE /x: guard is_admin() asks for 'user' before .use(auth) provides it; move that step up",
    ),
    (
        SSE("/x").guard(maybe_user).use(user=authenticate).handle(stream),
        "SSE /x: guard maybe_user() asks for 'user' before .use(user=authenticate) provides it; move that step up",
    ),
    (
        Get("/x").handle(wants_body),
        "GET /x: handler wants_body() asks for 'body', which a GET request does not have; use 'query', or answer POST",
    ),
    (
        SSE("/x").guard(wants_zebra).guard(is_admin).use(user=authenticate).handle(stream),
        f"SSE /x: guard wants_zebra() asks for 'zebra', which nothing provides. Available here: aborted, {BUILT_IN}",
    ),
    # collisions
    (
        Get("/x/:request").handle(answer),
        "GET /x/:request: the path /x/:request gives the name 'request', which is built in (the request itself); "
        "choose another",
    ),
    (
        Get("/x").use(query=authenticate).handle(answer),
        "GET /x: .use(query=authenticate) gives the name 'query', which is built in (the query string's values, or what "
        ".query() declared); choose another",
    ),
    (
        Get("/x").use(body=authenticate).handle(answer),
        "GET /x: .use(body=authenticate) gives the name 'body', which is built in (the request body: bytes, or what "
        ".body() declared); choose another",
    ),
    (
        Get("/x").use(shadow).handle(answer),
        "GET /x: .use(shadow) gives the name 'request', which is built in (the request itself); choose another",
    ),
    (
        Get("/x/:user").use(user=authenticate).handle(answer),
        "GET /x/:user: .use(user=authenticate) gives the name 'user', which the path /x/:user gives too; choose another",
    ),
    (
        Get("/x").use(user=authenticate).use(auth).handle(answer),
        "GET /x: .use(auth) gives the name 'user', which .use(user=authenticate) gives too; choose another",
    ),
    # annotations
    (
        Get("/x").use(user=authenticate).handle(wants_text),
        "GET /x: handler wants_text() wants 'user' as str, but it is User",
    ),
    (
        Get("/x").use(auth).handle(wants_text),
        "GET /x: handler wants_text() wants 'user' as str, but it is User",
    ),
    (
        Get("/x").handle(user_headers),
        "GET /x: handler user_headers() wants 'headers' as dict[str, str], but it is Headers",
    ),
    (
        Get("/x").handle(wants_url),
        "GET /x: handler wants_url() wants 'url' as ExpireAt, but it is URLFor",
    ),
    (
        Get("/x").use(wants_expiry).handle(answer),
        "GET /x: middleware wants_expiry() wants 'expire_at' as str, but it is ExpireAt",
    ),
    (
        Get("/x").guard(wants_statistics).handle(answer),
        "GET /x: guard wants_statistics() wants 'statistics' as Statistics, but it is ReadStatistics",
    ),
    (
        Get("/x").handle(wants_nested_query),
        "GET /x: handler wants_nested_query() wants 'query' as Nested, but it is QueryParams; "
        ".query(Nested) would read it into one",
    ),
    (
        Post("/x").handle(wants_nested_body),
        "POST /x: handler wants_nested_body() wants 'body' as Nested, but it is bytes; "
        ".body(Nested) would read it into one",
    ),
    (
        Post("/x").body(User).handle(wants_nested_body),
        "POST /x: handler wants_nested_body() wants 'body' as Nested, but it is User",
    ),
    (
        Get("/x/:room").guard(int_room).handle(text_room),
        "GET /x/:room: handler text_room() wants the path parameter 'room' as str, another step wants it as int; "
        "a path parameter has one type",
    ),
    (
        Get("/x/:room").handle(unread_room),
        "GET /x/:room: handler unread_room() wants the path parameter 'room' as 'UUID', which cannot be looked up at run "
        "time; the annotation converts it, so import it at module level and not under 'if TYPE_CHECKING'",
    ),
    (
        Get("/x/:room").handle(list_room),
        "GET /x/:room: the path parameter 'room' is annotated list[int], which a path segment cannot be read into "
        "(list[int] is not written as one piece of text); use str, int, float, bool, UUID, Decimal, date, datetime, a "
        "Literal, or an Enum of text or of integers",
    ),
    (
        Get("/x/:room").handle(mixed_room),
        "GET /x/:room: the path parameter 'room' is annotated Mixed, which a path segment cannot be read into (Enums must "
        "contain either all str or all int values - type `<enum 'Mixed'>` is not supported); use str, int, float, bool, "
        "UUID, Decimal, date, datetime, a Literal, or an Enum of text or of integers",
    ),
    (
        Get("/x/*room").handle(int_room),
        "GET /x/*room: the path parameter 'room' is annotated int, but '*room' takes the rest of the path, which is text; "
        "annotate it str",
    ),
    # kinds of parameters
    (
        Get("/x").handle(greet),
        "GET /x: greet() has the parameter 'name': values are given by name, one for each named parameter; "
        "*args, **kwargs and positional-only parameters cannot be filled",
    ),
    (
        Get("/x").handle(anything),
        "GET /x: anything() has the parameter '*args': values are given by name, one for each named parameter; "
        "*args, **kwargs and positional-only parameters cannot be filled",
    ),
    (
        Get("/x").use(everything).handle(answer),
        "GET /x: everything() has the parameter '**kwargs': values are given by name, one for each named parameter; "
        "*args, **kwargs and positional-only parameters cannot be filled",
    ),
    (Get("/x").use(type).handle(answer), "GET /x: type() has no signature to read; wrap it in a function"),
    # kinds of functions
    (
        SSE("/x").use(stream).handle(stream),
        "SSE /x: stream() yields; decorate it with @contextlib.asynccontextmanager to use it as middleware",
    ),
    (SSE("/x").guard(stream).handle(stream), "SSE /x: guard stream() yields; a guard returns True or False"),
    (SSE("/x").guard(session).handle(stream), "SSE /x: guard session() yields; a guard returns True or False"),
    (
        Get("/x/:y").handle(stream),
        "GET /x/:y: handler stream() yields, which only an SSE route takes; write SSE('/x/:y')",
    ),
    (
        Delete("/x").handle(stream),
        "DELETE /x: handler stream() yields, which only an SSE route takes; write SSE('/x')",
    ),
    (
        Post("/x").handle(stream),
        "POST /x: handler stream() yields, which only an SSE route takes; write SSE('/x', method='POST')",
    ),
    (
        Get("/x").handle(session),
        "GET /x: handler session() yields, which only an SSE route takes; write SSE('/x')",
    ),
    (Get("/x"), "GET /x: this route has no handler; finish it with .handle(function)"),
    (
        Get("/x").use(number).handle(answer),
        "GET /x: number() returns int, which is no attrs class, so its fields cannot become names; give the value a name, "
        "as in .use(value=number)",
    ),
    (
        Get("/x").use(unread).handle(answer),
        "GET /x: unread() returns UUID, which is no attrs class and cannot be looked up at run time, so its fields cannot "
        "become names; give the value a name, as in .use(value=unread)",
    ),
    (
        Get("/x").use(unread_session).handle(answer),
        "GET /x: unread_session() returns AsyncIterator[UUID], which is no attrs class and cannot be looked up at run "
        "time, so its fields cannot become names; give the value a name, as in .use(value=unread_session)",
    ),
    # models
    (
        Get("/x").query(User).query(User).handle(answer),
        "GET /x: .query() is there twice; one model reads the whole query",
    ),
    (
        Put("/x").body(User).body(User).handle(answer),
        "PUT /x: .body() is there twice; one model reads the whole body",
    ),
    (
        Get("/x").query(int).handle(answer),
        "GET /x: .query(int): this type cannot be read: the model must have fields: an attrs class or a dataclass",
    ),
    (
        Get("/x").query(Point).handle(answer),
        "GET /x: .query(Point): this type cannot be read: the model must have fields: an attrs class or a dataclass",
    ),
    (
        Get("/x").query(Pair).handle(answer),
        "GET /x: .query(Pair): this type cannot be read: the model must have fields: an attrs class or a dataclass",
    ),
    (
        Get("/x").query(Nested).handle(answer),
        "GET /x: .query(Nested): this type cannot be read: its field 'user' has a type that text cannot be read into",
    ),
    (
        Get("/x").query(Unreadable).handle(answer),
        "GET /x: .query(Unreadable): this type cannot be read: name 'UUID' is not defined; a name that an annotation uses "
        "must be imported at run time",
    ),
    (
        Post("/x").body(Unreadable).handle(answer),
        "POST /x: .body(Unreadable): this type cannot be read: name 'UUID' is not defined; a name that an annotation uses "
        "must be imported at run time",
    ),
    (
        Post("/x").body(Plain).handle(answer),
        "POST /x: .body(Plain): this type cannot be read: it is a plain class; make it an attrs class or a dataclass",
    ),
    (
        Post("/x").body(5).handle(answer),
        "POST /x: .body(5): this type cannot be read: Type '5' is not supported",
    ),
    # forms
    (
        Post("/x").form(User).form(User).handle(answer),
        "POST /x: .form() is there twice; one model reads the whole form",
    ),
    (
        Post("/x").form(User).body(User).handle(answer),
        "POST /x: .body(User) and .form() both read the body; use one of them",
    ),
    (
        Post("/x").body(User).form(User, max_files=2).handle(answer),
        "POST /x: .form(User, max_files=2) is to read the body, which another step reads before it; use one of them",
    ),
    (
        Post("/x").use(wants_body).form(User).handle(answer),
        "POST /x: .form(User) is to read the body, which another step reads before it; use one of them",
    ),
    (
        Post("/x").form(User).handle(wants_body),
        "POST /x: handler wants_body() asks for 'body', which .form() reads; take 'form'",
    ),
    (
        Post("/x").handle(wants_form),
        "POST /x: handler wants_form() asks for 'form', which nothing reads; add .form(Model) to the route",
    ),
    (
        Post("/x").guard(guards_form).form(User).handle(answer),
        "POST /x: guard guards_form() asks for 'form', which nothing reads before it; move .form() up",
    ),
    (
        Post("/x").form(Nested).handle(wants_form),
        "POST /x: .form(Nested): this type cannot be read: its field 'user' has a type that text cannot be read into",
    ),
    (
        Post("/x").query(Upload).handle(answer),
        "POST /x: .query(Upload): this type cannot be read: its field 'file' has a type that text cannot be read into",
    ),
    (
        Post("/x").form(Upload).handle(wants_form),
        "POST /x: handler wants_form() wants 'form' as User, but it is Upload",
    ),
    (
        Post("/x").use(form=answer).handle(answer),
        "POST /x: .use(form=answer) gives the name 'form', which is built in (the form in the request body, as "
        ".form() declared); choose another",
    ),
]


@pytest.mark.parametrize(
    ("route", "message"), WHEN_CHECKED, ids=lambda value: value[:60] if isinstance(value, str) else ""
)
def test_a_mistake_within_a_route_is_found_by_check(route: Route, message: str) -> None:
    app = App().add(route)
    with pytest.raises(BuildError) as caught:
        app.check()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            (Get("/x/:a").handle(answer), Get("/x/:b/").handle(answer)),
            "GET /x/:b clashes with GET /x/:a: they answer the same requests; change one's path or method",
        ),
        (
            (SSE("/x").handle(stream), SSE("/x").handle(stream)),
            "SSE /x clashes with SSE /x: they answer the same requests; change one's path or method",
        ),
        (
            (SSE("/x", method="POST").handle(stream), SSE("/x", method="POST").handle(stream)),
            "SSE POST /x clashes with SSE POST /x: they answer the same requests; change one's path or method",
        ),
    ],
)
def test_a_clash_of_two_routes_is_found_by_check(routes: tuple[Route, ...], message: str) -> None:
    for order in (routes, routes[:1] * 2):
        with pytest.raises(BuildError, match="clashes"):
            App().add(*order).check()
    with pytest.raises(BuildError) as caught:
        App().add(*routes).check()
    assert str(caught.value) == message


class Pool:
    def __repr__(self) -> str:
        return "Pool()"


class Store:
    def __init__(self, pool: Pool) -> None: ...


class Orders:
    def __init__(self, store: Store) -> None: ...


class Chicken:
    def __init__(self, egg: Egg) -> None: ...


class Egg:
    def __init__(self, chicken: Chicken) -> None: ...


class Selfish:
    def __init__(self, me: Selfish) -> None: ...


class Vague:
    def __init__(self, pool, size=1) -> None: ...  # type: ignore[no-untyped-def]


class Unread:
    def __init__(self, id: UUID) -> None: ...


class WantsRequest:
    def __init__(self, request: Request) -> None: ...


class WantsNursery:
    def __init__(self, nursery: trio.Nursery) -> None: ...


class WantsPath:
    def __init__(self, ticket: int) -> None: ...


class Greedy:
    def __init__(self, **settings: int) -> None: ...


class Clock(Protocol):
    def now(self) -> float: ...


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...


class Base:
    pass


class Impl(Base):
    pass


Dsn = NewType("Dsn", str)


def make_pool() -> Pool:
    raise NotImplementedError


def make_something():  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def yields_pool() -> AsyncIterator[Pool]:
    raise NotImplementedError
    yield


def pool_of_store(store: Store) -> Pool:
    raise NotImplementedError


def either_pool() -> Pool | Store:
    raise NotImplementedError


@attrs.frozen
class Ticket:
    id: int


@attrs.frozen
class ChatRoom:
    id: int


@attrs.frozen
class Keyless:
    key: int


@attrs.frozen
class UnreadId:
    id: UUID


@attrs.frozen
class ListId:
    id: list[int]


@attrs.frozen
class OddId:
    id_field: ClassVar[Any] = 5


class Tickets(Repository[Ticket]):
    async def get(self, id: Any, /) -> Ticket | None:
        raise NotImplementedError

    async def get_many(self, ids: Any, /) -> dict[Any, Ticket]:
        raise NotImplementedError


class MoreTickets(Tickets):
    pass


def wants_reference(ticket: Reference[Ticket]) -> None: ...


def wants_bare_reference(ticket: Reference) -> None: ...  # type: ignore[type-arg]


def wants_ticket(ticket: Ticket) -> None: ...


def wants_number(ticket: int) -> bool:
    raise NotImplementedError


@attrs.frozen
class TicketParams:
    ticket: int


@attrs.frozen
class OtherParams:
    tickets: int


@attrs.frozen
class ReferenceParams:
    ticket: Reference[ChatRoom]


@dataclasses.dataclass
class DataParams:
    ticket: int


def ticket_params(params: TicketParams) -> bool:
    raise NotImplementedError


def other_params(params: OtherParams) -> None: ...


def reference_params(params: ReferenceParams) -> None: ...


def data_params(params: DataParams) -> None: ...


def any_params(params: PathParams) -> bool:
    raise NotImplementedError


def orders_of(orders: str) -> None: ...


def with_tickets(*routes: Route) -> App:
    app = App().provide(Repository[Ticket], Tickets).provide(Repository[UnreadId], value=MemoryRepository(Ticket))
    return app.provide(Repository[ListId], value=MemoryRepository(Ticket)).add(*routes)


def pool_of_base(base: Base) -> Pool:
    raise NotImplementedError


def pool_of_rooms(rooms: Repository[ChatRoom]) -> Pool:
    raise NotImplementedError


def pool_of_dsn(dsn: Dsn) -> Pool:
    raise NotImplementedError


def impl_of_base(base: Base) -> Impl:
    raise NotImplementedError


def is_ours(ticket: Ticket) -> bool:
    raise NotImplementedError


def text_ticket(ticket: str) -> None: ...


IN_APPS: list[tuple[Callable[[], App], str]] = [
    # services that are missing
    (
        lambda: App().provide(Store),
        "nothing provides Pool: Store(pool: Pool); add .provide(Pool, …) to the app.",
    ),
    (
        lambda: App().provide(Orders).provide(Store),
        "nothing provides Pool: Orders(store: Store) → Store(pool: Pool); add .provide(Pool, …) to the app.",
    ),
    (
        lambda: App().provide(Pool).provide(Vague),
        "Vague takes 'pool' without saying what it is: Vague(pool); annotate it with the type of a service, or "
        "give it a default",
    ),
    (
        lambda: App().provide(Unread),
        "Unread takes 'id' as 'UUID', which cannot be looked up at run time: Unread(id); import it at module "
        "level and not under 'if TYPE_CHECKING'",
    ),
    (
        lambda: App().provide(Store).provide(Annotated[Pool, "replica"], make_pool),
        "nothing provides Pool: Store(pool: Pool); add .provide(Pool, …) to the app.",
    ),
    (
        lambda: App().provide(Impl).provide(pool_of_base),
        "nothing provides Base: pool_of_base(base: Base); add .provide(Base, …) to the app. Impl is one, but is "
        "provided as Impl only; add .provide(Base, Impl)",
    ),
    (
        lambda: App().provide(Tickets).provide(pool_of_rooms),
        "nothing provides Repository[ChatRoom]: pool_of_rooms(rooms: Repository[ChatRoom]); add "
        ".provide(Repository[ChatRoom], …) to the app.",
    ),
    (
        lambda: App().provide(WantsPath, scope="request"),
        "nothing provides int: WantsPath(ticket: int); give 'ticket' a default, or let a function make it: "
        ".provide(WantsPath, make_it)",
    ),
    (
        lambda: App().provide(pool_of_dsn),
        "nothing provides Dsn: pool_of_dsn(dsn: Dsn); add .provide(Dsn, …) to the app.",
    ),
    (
        lambda: App().provide(Greedy),
        "Greedy() has the parameter '**settings': values are given by name, one for each named parameter; *args, "
        "**kwargs and positional-only parameters cannot be filled",
    ),
    # circles
    (
        lambda: App().provide(Chicken).provide(Egg),
        "Chicken needs itself: Chicken(egg: Egg) → Egg(chicken: Chicken); break the circle, so that one of them "
        "is made first",
    ),
    (
        lambda: App().provide(Selfish),
        "Selfish needs itself: Selfish(me: Selfish); break the circle, so that one of them is made first",
    ),
    (
        lambda: App().provide(Store).provide(pool_of_store),
        "Store needs itself: Store(pool: Pool) → pool_of_store(store: Store); break the circle, so that one of "
        "them is made first",
    ),
    (
        lambda: App().provide(Base, Impl).provide(Impl, impl_of_base),
        "Base needs itself: Base (which is Impl) → impl_of_base(base: Base); break the circle, so that one of "
        "them is made first",
    ),
    # scopes
    (
        lambda: App().provide(Orders).provide(Store).provide(Pool, scope="request"),
        "Store lives as long as the app, but needs Pool, which lives for one request: Orders(store: Store) → "
        "Store(pool: Pool); provide Store with scope='request' too",
    ),
    (
        lambda: App().provide(WantsRequest),
        "WantsRequest lives as long as the app, but needs 'request', which lives for one request: "
        "WantsRequest(request); provide WantsRequest with scope='request' too",
    ),
    (
        lambda: App().provide(WantsNursery),
        "WantsNursery lives as long as the app, but needs 'nursery', which lives for one request: "
        "WantsNursery(nursery); provide WantsNursery with scope='request' too; the app's nursery is 'app_nursery'",
    ),
    (
        lambda: App().provide(Impl).provide(Base, Impl, scope="request"),
        "Base, provided by Impl, is one service with Impl, but has the scope 'request' where Impl has 'app'; give"
        " both the same scope, or provide Base by a function",
    ),
    # injection
    (
        lambda: App().add(Get("/x").inject(orders=Orders).handle(answer)).provide(Pool),
        "GET /x: .inject(orders=Orders) asks for Orders, which nothing provides; add .provide(Orders) to the app.",
    ),
    (
        lambda: App().add(Get("/x").inject(order=Orders).handle(answer)).provide(Store).provide(Pool),
        "GET /x: .inject(order=Orders) asks for Orders, which nothing provides; add .provide(Orders) to the app.",
    ),
    (
        lambda: App().provide(Pool).add(Get("/x").inject(orders=Pool).handle(orders_of)),
        "GET /x: handler orders_of() wants 'orders' as str, but it is Pool",
    ),
    (
        lambda: App().provide(Pool).add(Get("/x").inject(request=Pool).handle(answer)),
        "GET /x: .inject(request=Pool) gives the name 'request', which is built in (the request itself); choose "
        "another",
    ),
    (
        lambda: App().provide(Pool).add(Get("/x/:room").inject(room=Pool).handle(answer)),
        "GET /x/:room: .inject(room=Pool) gives the name 'room', which the path /x/:room gives too; choose another",
    ),
    (
        lambda: (
            App()
            .provide(Pool)
            .add(Controller("/x").inject(pool=Pool).routes(y=Get("/y").inject(pool=Pool).handle(answer)))
        ),
        "GET /x/y: .inject(pool=Pool) gives the name 'pool', which .inject(pool=Pool) gives too; choose another",
    ),
    (
        lambda: App().provide(Pool).add(Get("/x").inject(user=Pool).use(user=authenticate).handle(answer)),
        "GET /x: .use(user=authenticate) gives the name 'user', which .inject(user=Pool) gives too; choose another",
    ),
    # names
    (
        lambda: App().add(
            Controller("/a/x").routes(list=Get("/").handle(answer)),
            Controller("/b/x").routes(list=Get("/").handle(answer)),
        ),
        "GET /b/x and GET /a/x both have the name 'x.list'; name one of them otherwise, or the controller that "
        "holds it, as in .add(other=x)",
    ),
    (
        lambda: App().add(home=Get("/a").handle(answer)).add(home=Get("/b").handle(answer)),
        "GET /b and GET /a both have the name 'home'; name one of them otherwise, or the controller that holds "
        "it, as in .add(other=home)",
    ),
    # models
    (
        lambda: App().add(Get("/:ticket").types(Ticket).handle(answer)),
        "GET /:ticket: .types(Ticket) needs Repository[Ticket], which nothing provides; add "
        ".provide(Repository[Ticket], …) to the app.",
    ),
    (
        lambda: App().provide(Tickets).add(Get("/:ticket").types(Ticket).handle(answer)),
        "GET /:ticket: .types(Ticket) needs Repository[Ticket], which nothing provides; add "
        ".provide(Repository[Ticket], …) to the app. Tickets is one, but is provided as Tickets only; add "
        ".provide(Repository[Ticket], Tickets)",
    ),
    (
        lambda: App().provide(Tickets).add(Get("/:chat_room").types(ChatRoom).handle(answer)),
        "GET /:chat_room: .types(ChatRoom) needs Repository[ChatRoom], which nothing provides; add "
        ".provide(Repository[ChatRoom], …) to the app.",
    ),
    (
        lambda: with_tickets(Get("/:id").types(Ticket).handle(answer)),
        "GET /:id: .types(Ticket) matches no parameter; the path /:id has :id. It would match :ticket, :Ticket. "
        "Name one as in .types(id=Ticket).",
    ),
    (
        lambda: with_tickets(Get("/x").types(required(Ticket)).handle(answer)),
        "GET /x: .types(required(Ticket)) matches no parameter; the path /x has no parameters. It would match "
        ":ticket, :Ticket.",
    ),
    (
        lambda: with_tickets(Get("/x/*ticket").types(Ticket).handle(answer)),
        "GET /x/*ticket: .types(Ticket) is for '*ticket', the rest of the path, which is text; take it as str",
    ),
    (
        lambda: with_tickets(Get("/:ticket/:ticket_ref").types(Ticket).handle(answer)),
        "GET /:ticket/:ticket_ref: .types(Ticket) matches several parameters; name those that are meant, as in "
        ".types(ticket=Ticket, ticket_ref=Ticket)",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(tiket=Ticket).handle(answer)),
        "GET /:ticket: .types(tiket=Ticket) names a parameter that is not there; the path /:ticket has :ticket",
    ),
    (
        lambda: with_tickets(Get("/x").types(ticket=Ticket).handle(answer)),
        "GET /x: .types(ticket=Ticket) names a parameter that is not there; the path /x has no parameters",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(Ticket).types(ticket=required(Ticket)).handle(answer)),
        "GET /:ticket: .types(ticket=required(Ticket)) is for 'ticket', as .types(Ticket) is; a path parameter "
        "has one type",
    ),
    (
        lambda: with_tickets(Get("/:keyless").types(Keyless).handle(answer)),
        "GET /:keyless: .types(Keyless): Keyless has no annotated field 'id'; where another one holds its id, "
        'name that in the class: id_field: ClassVar[str] = "number"',
    ),
    (
        lambda: with_tickets(Get("/:unread_id").types(UnreadId).handle(answer)),
        "GET /:unread_id: .types(UnreadId): UnreadId.id is annotated 'UUID', which cannot be looked up at run "
        "time; import it at module level and not under 'if TYPE_CHECKING'",
    ),
    (
        lambda: with_tickets(Get("/:list_id").types(ListId).handle(answer)),
        "GET /:list_id: .types(ListId): the id field ListId.id is annotated list[int], which a path segment "
        "cannot be read into (list[int] is not written as one piece of text); use str, int, float, bool, UUID, "
        "Decimal, date, datetime, a Literal, or an Enum of text or of integers",
    ),
    (
        lambda: with_tickets(Get("/:odd_id").types(OddId).handle(answer)),
        "GET /:odd_id: .types(OddId): OddId.id_field is 5; it names the field that holds the id: id_field: "
        'ClassVar[str] = "number"',
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(Ticket).handle(wants_ticket)),
        "GET /:ticket: handler wants_ticket() wants 'ticket' as Ticket, but it is Reference[Ticket]; await it, or"
        " let .types(required(Ticket)) look it up",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(Ticket).handle(wants_number)),
        "GET /:ticket: handler wants_number() wants 'ticket' as int, but it is Reference[Ticket]; its id is ticket.id",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(required(Ticket)).handle(wants_reference)),
        "GET /:ticket: handler wants_reference() wants 'ticket' as Reference[Ticket], but it is Ticket itself, "
        "since it is required",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(required(Ticket)).handle(wants_number)),
        "GET /:ticket: handler wants_number() wants 'ticket' as int, but it is Ticket",
    ),
    (
        lambda: with_tickets(Get("/:ticket").handle(wants_reference)),
        "GET /:ticket: handler wants_reference() wants the path parameter 'ticket' as Reference[Ticket]; add "
        ".types(ticket=Ticket) to make it one",
    ),
    (
        lambda: with_tickets(Get("/:ticket").handle(wants_bare_reference)),
        "GET /:ticket: handler wants_bare_reference() wants the path parameter 'ticket' as Reference; add "
        ".types(ticket=Model) to make it one",
    ),
    (
        lambda: with_tickets(Get("/:ticket").guard(ticket_params).types(required(Ticket)).handle(answer)),
        "GET /:ticket: guard ticket_params() (TicketParams) wants 'ticket' as int, but it is Ticket",
    ),
    (
        lambda: with_tickets(Get("/:ticket").guard(is_ours).types(required(Ticket)).handle(answer)),
        "GET /:ticket: guard is_ours() asks for 'ticket' before .types(required(Ticket)) has looked it "
        "up; move that step up",
    ),
    (
        lambda: with_tickets(Get("/:ticket").guard(any_params).types(required(Ticket)).handle(answer)),
        "GET /:ticket: guard any_params() takes 'params', and so asks for 'ticket' before "
        ".types(required(Ticket)) has looked it up; move that step up",
    ),
    (
        lambda: with_tickets(Get("/:ticket").handle(other_params)),
        "GET /:ticket: handler other_params() wants 'params' as OtherParams, whose field 'tickets' is not a "
        "parameter of the path /:ticket. Did you mean 'ticket'?",
    ),
    (
        lambda: with_tickets(Get("/:ticket").types(Ticket).handle(reference_params)),
        "GET /:ticket: handler reference_params() (ReferenceParams) wants 'ticket' as Reference[ChatRoom], but it"
        " is Reference[Ticket]",
    ),
    (
        lambda: with_tickets(Get("/:ticket").handle(data_params)),
        "GET /:ticket: handler data_params() wants 'params' as DataParams, but it is PathParams; an attrs class would"
        " do, whose fields have the names of path parameters",
    ),
    (
        lambda: with_tickets(Get("/:ticket").guard(ticket_params).handle(text_ticket)),
        "GET /:ticket: handler text_ticket() wants the path parameter 'ticket' as str, another step wants it as "
        "int; a path parameter has one type",
    ),
]


@pytest.mark.parametrize(("make", "message"), IN_APPS, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_mistake_between_routes_services_and_models_is_found_by_check(make: Callable[[], App], message: str) -> None:
    app = make()
    with pytest.raises(BuildError) as caught:
        app.check()
    assert str(caught.value) == message


UNTIMELY: list[Any] = [0, -1, float("nan"), "15", True]

AT_ONCE: list[tuple[Callable[[], object], str]] = [
    # functions
    (
        lambda: Get("/x").use(items),
        "items() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)",
    ),
    (
        lambda: Get("/x").use(value=transaction),
        "transaction() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)",
    ),
    (
        lambda: SSE("/x").handle(items),
        "items() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)",
    ),
    (lambda: Get("/x").use(user=User("ann")), "User(name='ann') is not a function"),  # type: ignore[call-overload]
    (lambda: Get("/x").guard(True), "True is not a function"),  # type: ignore[call-overload]
    (lambda: Get("/x").guard(any_of(True, False)), "True is not a function"),  # type: ignore[call-overload]
    (lambda: Get("/x").handle(None), "None is not a function"),  # type: ignore[call-overload]
    (lambda: any_of(is_admin), "any_of() takes two guards or more, as in any_of(is_owner, is_admin)"),
    (
        lambda: Get("/x").handle(answer).handle(number),
        "GET /x has the handler answer() already; write a route for each handler",
    ),
    # bodies
    (
        lambda: Get("/x").body(User),
        "GET /x: a GET request has no body to read; use .query(), or answer POST",
    ),
    (
        lambda: SSE("/x").body(User),
        "SSE /x: a GET request has no body to read; use .query(), or answer POST",
    ),
    (lambda: Post("/x").body(User, max_size=0), "POST /x: max_size is a number of bytes above 0, not 0"),
    (
        lambda: Get("/x").form(User),
        "GET /x: a GET request has its form in the query string; use .query(), or answer POST",
    ),
    (lambda: Post("/x").form(User, max_files=0), "POST /x: max_files is a whole number above 0, not 0"),
    (lambda: Post("/x").form(User, max_file_size=0), "POST /x: max_file_size is a whole number above 0, not 0"),
    (lambda: Post("/x").form(User, max_size=1e6), "POST /x: max_size is a whole number above 0, not 1000000.0"),  # type: ignore[arg-type]
    # paths
    (lambda: Get("rooms"), "path 'rooms' must begin with '/'; write '/rooms'"),
    (lambda: Get(""), "path '' must begin with '/'; write '/'"),
    (lambda: Get("//"), "path '//' has an empty segment; write one '/' between segments"),
    (lambda: Get("/a//b"), "path '/a//b' has an empty segment; write one '/' between segments"),
    (
        lambda: Get("/a/../b"),
        "path '/a/../b' has the segment '..', which clients resolve before they send a request, so that no request "
        "would match; write the path without it",
    ),
    (
        lambda: Get("/."),
        "path '/.' has the segment '.', which clients resolve before they send a request, so that no request would "
        "match; write the path without it",
    ),
    (
        lambda: Get("/\ud800"),
        "path '/\\ud800': segment '\\ud800' is literal text and may not hold ':', '?', '#', '%' or white space; "
        "a parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded",
    ),
    (lambda: Get("/:"), "path '/:': ':' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:a-b"), "path '/:a-b': ':a-b' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:1"), "path '/:1': ':1' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:class"), "path '/:class': ':class' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:a:b"), "path '/:a:b': ':a:b' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/files/*"), "path '/files/*': '*' must be '*' and a Python name, as in '*path'"),
    (lambda: Get("/*a-b"), "path '/*a-b': '*a-b' must be '*' and a Python name, as in '*path'"),
    (lambda: Get("/**path"), "path '/**path': '**path' must be '*' and a Python name, as in '*path'"),
    (
        lambda: Get("/*path/raw"),
        "path '/*path/raw': '*path' takes the rest of the path, so that nothing can follow it",
    ),
    (
        lambda: Get("/*a/*b"),
        "path '/*a/*b': '*a' takes the rest of the path, so that nothing can follow it",
    ),
    (lambda: Get("/:a/*a"), "path '/:a/*a' names the parameter 'a' twice; give each its own name"),
    (
        lambda: App().add(Controller("/files/*path").routes(raw=Get("/raw").handle(answer))),
        "path '/files/*path/raw': '*path' takes the rest of the path, so that nothing can follow it",
    ),
    (
        lambda: Get("/items/{id}"),
        "path '/items/{id}': '{id}' would be literal text; write the parameter as ':id'",
    ),
    (
        lambda: Get("/items/<id>/x"),
        "path '/items/<id>/x': '<id>' would be literal text; write the parameter as ':id'",
    ),
    (
        lambda: Get("/{id:int}"),
        "path '/{id:int}': '{id:int}' would be literal text; write the parameter as ':id', and annotate it in the "
        "handler, as in 'id: int'",
    ),
    (
        lambda: Get("/<int:id>"),
        "path '/<int:id>': '<int:id>' would be literal text; write the parameter as ':id', and annotate it in the "
        "handler, as in 'id: int'",
    ),
    (
        lambda: Get("/<uuid:id>"),
        "path '/<uuid:id>': '<uuid:id>' would be literal text; write the parameter as ':id', and annotate it in the "
        "handler, as in 'id: UUID'",
    ),
    (
        lambda: Get("/<slug:name>"),
        "path '/<slug:name>': '<slug:name>' would be literal text; write the parameter as ':name'",
    ),
    (
        lambda: Get("/files/{name:path}"),
        "path '/files/{name:path}': '{name:path}' would be literal text; write the parameter as '*name'",
    ),
    (
        lambda: Get("/files/<path:name>"),
        "path '/files/<path:name>': '<path:name>' would be literal text; write the parameter as '*name'",
    ),
    *(
        (
            lambda text=text: Get(f"/{text}"),
            f"path '/{text}': segment '{text}' is literal text and may not hold ':', '?', '#', '%' or white space; a "
            "parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded",
        )
        for text in ("a:b", "a?b=1", "a#b", "a%20b", "a b")
    ),
    (
        lambda: Get("/a\0b"),
        "path '/a\\x00b': segment 'a\\x00b' is literal text and may not hold ':', '?', '#', '%' or white space; a "
        "parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded",
    ),
    (lambda: Get("/:a/:a"), "path '/:a/:a' names the parameter 'a' twice; give each its own name"),
    (
        lambda: Get(answer),  # type: ignore[arg-type]
        f"a route begins with its path, as in Get('/rooms/:room'), not with {answer!r}",
    ),
    # settings
    (
        lambda: SSE("/x", method="PUT"),
        "an SSE route answers GET or POST, not 'PUT'",
    ),
    *(
        (
            lambda value=value: SSE("/x").heartbeat(value),
            f"heartbeat is a number of seconds above 0, or None for none, not {value!r}",
        )
        for value in UNTIMELY
    ),
    (
        lambda: SSE("/x").heartbeat(5, event=""),
        "heartbeat(event=''): event is empty, which clients read as \"message\": leave it out",
    ),
    (
        lambda: SSE("/x").heartbeat(5, event="a\nb"),
        "heartbeat(event='a\\nb'): event may not hold CR, LF or NUL, found '\\n' at index 1: remove it",
    ),
    (
        lambda: SSE("/x").heartbeat(5, event="error"),
        "heartbeat(event='error'): EventSource dispatches its own event of that name; use 'ping'",
    ),
    (
        lambda: SSE("/x").heartbeat(5, data="x"),
        "heartbeat(data='x') is the data of an event; name it, as in event='ping'",
    ),
    (
        lambda: SSE("/x").heartbeat(5, event="ping", data={}),  # type: ignore[arg-type]
        "heartbeat(data=…) is text, such as '{}', not {}",
    ),
    (
        lambda: SSE("/x").heartbeat(5, event="ping", data="\ud800"),
        "heartbeat(event='ping'): data holds a lone surrogate, '\\ud800' at index 18, which UTF-8 cannot express",
    ),
    (lambda: SSE("/x").retry(-1), "retry(-1): must lie between 0 and 9007199254740991 milliseconds"),
    (lambda: SSE("/x").retry(1.5), "retry(1.5): must be an int, in milliseconds, not float"),  # type: ignore[arg-type]
    (lambda: SSE("/x").retry(True), "retry(True): must be an int, in milliseconds, not bool"),
    # what is no route
    (lambda: Route("/x"), "Route is only what all routes share; write Get, Post, Put, Patch, Delete or SSE"),
    (
        lambda: App().add(answer),  # type: ignore[arg-type]
        f"add() takes routes and controllers, such as SSE('/events').handle(stream), not {answer!r}",
    ),
    # services and models of a route
    (
        lambda: Get("/x").inject(orders="OrderService"),
        ".inject(orders='OrderService') takes a type, as in .inject(orders=OrderService)",
    ),
    (
        lambda: Get("/x").inject(orders=Ticket(1)),
        ".inject(orders=Ticket(id=1)) takes a type, as in .inject(orders=OrderService)",
    ),
    (
        lambda: Get("/x").types(),
        ".types() names no model; write .types(Ticket) or .types(room=ChatRoom)",
    ),
    (
        lambda: Get("/x").types(Ticket(1)),  # type: ignore[arg-type]
        ".types() takes model classes, as in .types(Ticket), .types(room=ChatRoom) or .types(required(Ticket)), "
        "not Ticket(id=1)",
    ),
    (
        lambda: Get("/x").types(required(Ticket(1))),  # type: ignore[arg-type]
        ".types() takes model classes, as in .types(Ticket), .types(room=ChatRoom) or .types(required(Ticket)), "
        "not Ticket(id=1)",
    ),
    (
        lambda: Get("/x").types(list[int]),
        ".types() takes model classes, as in .types(Ticket), .types(room=ChatRoom) or .types(required(Ticket)), "
        "not list[int]",
    ),
    # controllers
    (
        lambda: Controller("x"),
        "path 'x' must begin with '/'; write '/x'",
    ),
    (
        lambda: Controller("/x").routes(list=5),  # type: ignore[arg-type]
        "Controller /x: .routes(list=…) takes a route, such as Get('/').handle(list_orders), or a controller, not 5",
    ),
    (
        lambda: Controller("/x").routes(list=Get("/")).routes(list=Get("/")),
        "Controller /x has a route 'list' already; choose another name",
    ),
    (
        lambda: Controller("/x").use(items),
        "items() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)",
    ),
    (
        lambda: Controller("/x").guard(True),  # type: ignore[call-overload]
        "True is not a function",
    ),
    (
        lambda: App().add(Controller("/:a").routes(b=Get("/:a"))),
        "path '/:a/:a' names the parameter 'a' twice; give each its own name",
    ),
    # services
    (
        lambda: App().provide(Pool, scope="session"),  # type: ignore[arg-type]
        "the scope of a service is 'app' or 'request', not 'session'",
    ),
    (
        lambda: App().provide(Pool).provide(Pool),
        "Pool is provided already; for a test write .override(Pool, value)",
    ),
    (
        lambda: App().provide(Pool, make_pool, value=Pool()),
        ".provide(Pool, value=…) takes neither a factory nor a scope: a value is there already, and lives as long"
        " as the app",
    ),
    (
        lambda: App().provide(Pool, value=Pool(), scope="request"),
        ".provide(Pool, value=…) takes neither a factory nor a scope: a value is there already, and lives as long"
        " as the app",
    ),
    (
        lambda: App().provide(Pool, value=5),
        ".provide(Pool, value=5): this is not of type Pool",
    ),
    (
        lambda: App().provide(Pool, value=None),
        ".provide(Pool, value=None): this is not of type Pool",
    ),
    (
        lambda: App().provide(Pool, Pool()),  # type: ignore[arg-type]
        "Pool is provided by a class or a function that makes it, not by Pool(); for a value that is there "
        "already write .provide(Pool, value=…)",
    ),
    (
        lambda: App().provide(Pool()),
        "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order],"
        " not by Pool(); for a value that is there already write .provide(Pool, value=…)",
    ),
    (
        lambda: App().provide("Pool"),
        "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order],"
        " not by 'Pool'; for a value that is there already write .provide(str, value=…)",
    ),
    (
        lambda: App().provide("Pool", Pool),
        "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order],"
        " not by 'Pool'; for a value that is there already write .provide(str, value=…)",
    ),
    (
        lambda: App().provide(Pool | None, make_pool),
        "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order],"
        " not by Pool | None",
    ),
    (
        lambda: App().provide(Pool, Store),
        "Store() makes Store, which is not of type Pool; provide it as .provide(Store, …)",
    ),
    (
        lambda: App().provide(Store, make_pool),
        "make_pool() makes Pool, which is not of type Store; provide it as .provide(Pool, …)",
    ),
    (
        lambda: App().provide(yields_pool),
        "yields_pool() yields; decorate it with @contextlib.asynccontextmanager to provide what it yields",
    ),
    (
        lambda: App().provide(Pool, yields_pool),
        "yields_pool() yields; decorate it with @contextlib.asynccontextmanager to provide what it yields",
    ),
    (
        lambda: App().provide(items),
        "items() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)",
    ),
    (
        lambda: App().provide(make_something),
        "make_something() does not say what it provides; annotate what it returns, or name it: .provide(Service, "
        "make_something)",
    ),
    (
        lambda: App().provide(unread),
        "unread() is annotated to return 'UUID', which cannot be looked up at run time; import it at module level"
        " and not under 'if TYPE_CHECKING'",
    ),
    (
        lambda: App().provide(either_pool),
        "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order],"
        " not by Pool | Store",
    ),
    (
        lambda: App().provide(Repository[Ticket]),
        "Repository[Ticket] cannot be made by itself; name what makes it: .provide(Repository[Ticket], …)",
    ),
    (
        lambda: App().provide(Clock),
        "Clock cannot be made by itself; name what makes it: .provide(Clock, …)",
    ),
    (
        lambda: App().provide(Shape),
        "Shape cannot be made by itself; name what makes it: .provide(Shape, …)",
    ),
    (
        lambda: App().provide(Dsn),
        "Dsn cannot be made by itself; name what makes it: .provide(Dsn, …)",
    ),
    # overriding
    (
        lambda: App().override(Pool, None),
        "nothing provides Pool, so there is nothing to override. Provided are: none",
    ),
    (
        lambda: App().provide(Store).override(Orders, None),
        "nothing provides Orders, so there is nothing to override. Provided are: Store",
    ),
    # typed events
    (
        lambda: SSE("/x").events(tick=5),  # type: ignore[arg-type]
        ".events() takes classes, as in .events(tick=Tick), not tick=5",
    ),
    (
        lambda: SSE("/x").events(tick=list),
        ".events(tick=list): a handler that yields list means an event, a batch of them or the stream's end "
        "already; name an attrs class or another one of your own",
    ),
    (
        lambda: SSE("/x").events(tick=dict),
        ".events(tick=dict): a handler that yields dict means an event, a batch of them or the stream's end "
        "already; name an attrs class or another one of your own",
    ),
    (
        lambda: SSE("/x").events(tick=EncodedEvent),
        ".events(tick=EncodedEvent): a handler that yields EncodedEvent means an event, a batch of them or the stream's "
        "end already; name an attrs class or another one of your own",
    ),
    (
        lambda: SSE("/x").events(tick=Done),
        ".events(tick=Done): a handler that yields Done means an event, a batch of them or the stream's end "
        "already; name an attrs class or another one of your own",
    ),
    (
        lambda: SSE("/x").events(tick=Ticket).events(tick=Pool),
        ".events(tick=Ticket): each name has one class, and each class one name",
    ),
    (
        lambda: SSE("/x").events(tick=Ticket, tock=Ticket),
        ".events(tick=Ticket): each name has one class, and each class one name",
    ),
    (
        lambda: SSE("/x").events(**{"a\nb": Ticket}),
        ".events(): the name 'a\\nb' may not hold CR, LF or NUL, found '\\n' at index 1: remove it",
    ),
    (
        lambda: SSE("/x").events(**{"": Ticket}),
        ".events(): the name '' is empty, which clients read as \"message\": leave it out",
    ),
]


@pytest.mark.parametrize(("make", "message"), AT_ONCE, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_mistake_that_shows_at_once_is_found_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        make()
    assert str(caught.value) == message
