"""Plans: what is known of a route before its first request. (The mistakes: test_build_errors.)"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Generic, Literal, Never, Optional, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest

import trio_sse._http
from trio_sse import SSE, Get, Post, Request, Route, any_of
from trio_sse._ground.calls import Kind
from trio_sse._http.body_reader import DEFAULT_MAX_BODY
from trio_sse._plan.plan import Plan, RunGuard, RunReadBody, RunReadForm, RunReadQuery, RunUse
from trio_sse._plan.planner import make_plan
from trio_sse._runtime.built_in_names import BUILT_IN
from trio_sse.errors import BuildError

T = TypeVar("T")


@attrs.frozen
class User:
    name: str


@attrs.frozen
class Auth:
    user: User
    scopes: tuple[str, ...] = ()
    _token: str = ""


class Options(TypedDict):
    size: int


class Service:
    def __init__(self, user: User) -> None: ...


def plan(route: Route) -> Plan:
    return make_plan(route, BUILT_IN)


async def authenticate(request: Request) -> User:
    raise NotImplementedError


async def auth(request: Request) -> Auth:
    raise NotImplementedError


def answer() -> None: ...


async def stream() -> AsyncGenerator[dict[str, int]]:
    yield {"data": 1}


def is_admin(user: User) -> bool:
    raise NotImplementedError


def is_owner(user: User, room: UUID) -> bool:
    raise NotImplementedError


def test_a_plan_holds_all_that_a_request_needs() -> None:
    route = (
        SSE("/:site/rooms/:room")
        .use(user=authenticate)
        .guard(any_of(is_admin, is_owner))
        .handle(lambda site, user, last_event_id=None: stream())
    )
    made = plan(route)
    provide, check = made.operations
    assert isinstance(provide, RunUse)
    assert isinstance(check, RunGuard)
    assert (provide.name, provide.fields, provide.call.takes) == ("user", (), ("request",))
    assert [call.takes for call in check.calls] == [("user",), ("user", "room")]
    assert made.handler.takes == ("site", "user", "last_event_id")
    assert made.params == (("site", None), ("room", UUID))
    assert made.needs == {"request", "last_event_id"}
    assert (made.route, made.label, made.max_body) == (route, "SSE /:site/rooms/:room", 0)


def test_a_plan_names_the_arguments_of_a_call() -> None:
    made = plan(Get("/:a/:b").handle(lambda b, a=1: None))
    assert made.handler.sources == (("b", "b"), ("a", "a"))


def test_what_nobody_provides_is_left_to_the_default() -> None:
    made = plan(Get("/:a").handle(lambda a=1, b=2, body=b"": None))
    assert made.handler.takes == ("a",)
    assert made.max_body == 0


def test_what_a_partial_has_bound_is_not_filled() -> None:
    def handler(room: str, user: User) -> None: ...

    made = plan(Get("/:room").use(user=authenticate).handle(functools.partial(handler, room="lobby")))
    assert made.handler.takes == ("user",)


def test_the_public_fields_of_an_attrs_value_become_names() -> None:
    made = plan(Get("/").use(auth).guard(is_admin).handle(lambda scopes: None))
    provide = made.operations[0]
    assert isinstance(provide, RunUse)
    assert (provide.name, provide.fields) == (None, ("user", "scopes"))
    with pytest.raises(BuildError, match="'_token', which nothing provides"):
        plan(Get("/").use(auth).handle(lambda _token: None))


def returns_nothing() -> None: ...


def returns_never() -> Never:
    raise NotImplementedError


def says_nothing():  # type: ignore[no-untyped-def]
    raise NotImplementedError


@contextlib.asynccontextmanager
async def yields_nothing() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [returns_nothing, returns_never, says_nothing, yields_nothing])
def test_middleware_may_provide_nothing(function: Any) -> None:
    assert plan(Get("/").use(function).handle(answer)).operations[0].fields == ()  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[Auth]:
    raise NotImplementedError
    yield


@contextlib.asynccontextmanager
async def other_session() -> AsyncGenerator[User, None]:
    raise NotImplementedError
    yield


@contextlib.asynccontextmanager
async def bare_session() -> AsyncIterator:  # type: ignore[type-arg]
    raise NotImplementedError
    yield


def wants_text(user: str) -> None: ...


def test_a_context_manager_provides_what_it_yields() -> None:
    made = plan(Get("/").use(session).handle(is_admin))
    assert made.operations[0].fields == ("user", "scopes")  # type: ignore[union-attr]
    assert made.operations[0].call.kind is Kind.CONTEXT  # type: ignore[union-attr]
    with pytest.raises(BuildError, match="wants 'user' as str, but it is User"):
        plan(Get("/").use(user=other_session).handle(wants_text))
    plan(Get("/").use(user=bare_session).handle(wants_text))


@attrs.frozen
class Page(Generic[T]):
    items: list[T]
    total: int = 0


def page() -> Page[User]:
    raise NotImplementedError


def test_a_generic_attrs_class_gives_its_fields() -> None:
    made = plan(Get("/").use(page).handle(lambda items, total: None))
    assert made.operations[0].fields == ("items", "total")  # type: ignore[union-attr]


def test_a_name_that_only_others_get_later_is_left_to_the_default() -> None:
    made = plan(Get("/").guard(lambda a=1: True).guard(lambda: True).use(b=lambda: 1).handle(answer))
    assert made.operations[0].calls[0].takes == ()  # type: ignore[union-attr]


def wants_service(service: Service) -> None: ...


def wants_options(options: Options) -> None: ...


def options() -> Options:
    raise NotImplementedError


@pytest.mark.parametrize("make", [Service, functools.partial(Service), functools.partial(Service, user=User("ann"))])
def test_a_class_provides_its_instance(make: Any) -> None:
    made = plan(Get("/").use(user=authenticate).use(service=make).handle(wants_service))
    assert made.operations[1].call.kind is Kind.SYNC  # type: ignore[union-attr]
    with pytest.raises(BuildError, match="wants 'user' as str, but it is Service"):
        plan(Get("/").use(user=functools.partial(Service, user=User("ann"))).handle(wants_text))


def test_a_typed_dict_is_a_dict() -> None:
    plan(Get("/").use(options=options).handle(wants_options))


# -- path parameters


def unannotated(room): ...  # type: ignore[no-untyped-def]


def as_text(room: str) -> None: ...


def as_anything(room: Any) -> None: ...


def as_uuid(room: UUID) -> None: ...


def as_number(room: Annotated[int, "a number"] | None) -> None: ...


def as_literal(room: Literal[1, 2]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (unannotated, None),
        (as_text, None),
        (as_anything, None),
        (as_uuid, UUID),
        (as_number, Optional[Annotated[int, "a number"]]),  # noqa: UP045 - as older code writes it
        (as_literal, Literal[1, 2]),
    ],
)
def test_an_annotation_gives_a_path_parameter_its_type(handler: Any, kind: Any) -> None:
    assert plan(Get("/:room").handle(handler)).params == (("room", kind),)


def test_one_annotation_is_enough() -> None:
    for steps in ((unannotated, as_uuid), (as_uuid, unannotated), (as_anything, as_uuid), (as_uuid, as_uuid)):
        assert plan(Get("/:room").use(steps[0]).handle(steps[1])).params == (("room", UUID),)


# -- bodies


def raw(body: bytes) -> bool:
    raise NotImplementedError


def model(body: User) -> None: ...


def test_a_raw_body_is_read_once_where_it_is_asked_for_first() -> None:
    made = plan(Post("/").guard(raw).guard(raw).handle(raw))
    assert [type(operation) for operation in made.operations] == [RunReadBody, RunGuard, RunGuard]
    assert made.operations[0] == RunReadBody(None)
    assert made.max_body == DEFAULT_MAX_BODY


def test_a_guard_may_see_the_raw_body_before_it_is_read_into_a_model() -> None:
    made = plan(Post("/").guard(raw).body(User, max_size=10).handle(model))
    assert [type(operation) for operation in made.operations] == [RunReadBody, RunGuard, RunReadBody]
    assert made.max_body == 10


def test_readers_stand_where_they_were_declared() -> None:
    made = plan(Post("/").use(user=authenticate).query(User).guard(is_admin).body(User).handle(model))
    assert [type(operation) for operation in made.operations] == [RunUse, RunReadQuery, RunGuard, RunReadBody]


def test_a_form_is_read_where_it_was_declared() -> None:
    made = plan(Post("/").use(user=authenticate).form(User, max_size=5).guard(is_admin).handle(answer))
    assert [type(operation) for operation in made.operations] == [RunUse, RunReadForm, RunGuard]
    assert made.max_body == 5


@pytest.mark.parametrize("missing", ["python_multipart", "os"])
def test_a_form_needs_python_multipart(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "trio_sse._http.multipart":
                raise ModuleNotFoundError(name=missing)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "trio_sse._http.multipart", raising=False)
    monkeypatch.delattr(trio_sse._http, "multipart", raising=False)
    with pytest.raises(BuildError if missing == "python_multipart" else ModuleNotFoundError) as error:
        plan(Post("/").form(User).handle(answer))
    if missing == "python_multipart":
        assert str(error.value) == (
            "POST /: .form() needs python-multipart, which is not installed: pip install trio-sse[forms]"
        )


def test_a_body_that_nobody_asks_for_is_not_kept() -> None:
    assert plan(Post("/").handle(answer)).max_body == 0


def test_an_sse_route_that_answers_post_may_read_a_body() -> None:
    assert plan(SSE("/", method="POST").body(User, max_size=5).handle(stream)).max_body == 5
