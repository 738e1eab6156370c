"""Every mistake that is found when the app is built, with the whole message.

The table is to be read as a newcomer would: can the mistake be fixed from the message alone?
"""

# ruff: noqa: E501, ISC004 - whole messages, laid out to be read

from __future__ import annotations

import contextlib
import enum
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import msgspec
import pytest

from trio_sse import SSE, App, BuildError, Delete, Get, Post, Put, Route, any_of

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


class Mixed(enum.Enum):
    A = 1
    B = "b"


async def authenticate() -> User:
    raise NotImplementedError


async def auth() -> Auth:
    raise NotImplementedError


def shadow() -> Shadow:
    raise NotImplementedError


def is_admin(user: User) -> bool:
    raise NotImplementedError


def is_owner(user: User, room: str) -> bool:
    raise NotImplementedError


async def stream() -> AsyncGenerator[dict[str, Any]]:
    yield {}


def items() -> Iterator[int]:
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


BUILT_IN = "app_nursery, cookies, expire_at, headers, last_event_id, nursery, params, query, request, url"

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
        "Available here: aborted, app_nursery, body, cookies, expire_at, headers, last_event_id, nursery, params, query, "
        "request, room, url",
    ),
    (
        Get("/x").use(user=wants_itself).handle(answer),
        "GET /x: middleware wants_itself() asks for 'user', which nothing provides. "
        f"Available here: aborted, {BUILT_IN}",
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
        "GET /x: handler user_headers() wants 'headers' as dict[str, str], but it is Values",
    ),
    (
        Get("/x").handle(wants_nested_query),
        "GET /x: handler wants_nested_query() wants 'query' as Nested, but it is Values; "
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
            (SSE("/x", method="POST").handle(stream), SSE("/x", method="POST").handle(session)),
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
    (lambda: Get("/x").use(user=User("ann")), "User(name='ann') is not a function"),  # type: ignore[arg-type]
    (lambda: Get("/x").guard(True), "True is not a function"),  # type: ignore[arg-type]
    (lambda: Get("/x").guard(any_of(True, False)), "True is not a function"),  # type: ignore[arg-type]
    (lambda: Get("/x").handle(None), "None is not a function"),  # type: ignore[arg-type]
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
    # paths
    (lambda: Get("rooms"), "path 'rooms' must begin with '/'; write '/rooms'"),
    (lambda: Get(""), "path '' must begin with '/'; write '/'"),
    (lambda: Get("//"), "path '//' has an empty segment; write one '/' between segments"),
    (lambda: Get("/a//b"), "path '/a//b' has an empty segment; write one '/' between segments"),
    (lambda: Get("/:"), "path '/:': ':' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:a-b"), "path '/:a-b': ':a-b' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:1"), "path '/:1': ':1' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:class"), "path '/:class': ':class' must be ':' and a Python name, as in ':room'"),
    (lambda: Get("/:a:b"), "path '/:a:b': ':a:b' must be ':' and a Python name, as in ':room'"),
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
    (lambda: SSE("/x").retry(-1), "retry(-1): must lie between 0 and 9007199254740991 milliseconds"),
    (lambda: SSE("/x").retry(1.5), "retry(1.5): must be an int, in milliseconds, not float"),  # type: ignore[arg-type]
    (lambda: SSE("/x").retry(True), "retry(True): must be an int, in milliseconds, not bool"),
    # what is no route
    (lambda: Route("/x"), "Route is only what all routes share; write Get, Post, Put, Patch, Delete or SSE"),
    (
        lambda: App().add(answer),  # type: ignore[arg-type]
        f"add() takes routes and controllers, such as SSE('/events').handle(stream), not {answer!r}",
    ),
]


@pytest.mark.parametrize(("make", "message"), AT_ONCE, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_mistake_that_shows_at_once_is_found_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        make()
    assert str(caught.value) == message
