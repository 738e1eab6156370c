"""Routes are immutable values: what they say, how they compare and how they read."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import attrs
import pytest

from trio_sse import SSE, Delete, Get, Patch, Post, Put, Route, any_of
from trio_sse.errors import BuildError
from trio_sse.wire import EventFields

KINDS: list[type[Route]] = [SSE, Get, Post, Put, Patch, Delete]


@attrs.frozen
class Search:
    text: str = ""


async def stream() -> AsyncGenerator[dict[str, object]]:
    yield {"data": 1}


def answer() -> int:
    return 1


def authenticate() -> str:
    return "ann"


def is_admin(user: str) -> bool:
    return bool(user)


def is_owner(user: str) -> bool:
    return bool(user)


CHANGES: list[Callable[[Any], Route]] = [
    lambda route: route.use(authenticate),
    lambda route: route.use(user=authenticate),
    lambda route: route.guard(is_admin),
    lambda route: route.guard(any_of(is_admin, is_owner)),
    lambda route: route.query(Search),
    lambda route: route.handle(answer),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_method_gives_a_new_route_of_its_kind(kind: type[Route], change: Callable[[Any], Route]) -> None:
    route = kind("/a")
    changed = change(route)
    assert type(changed) is kind
    assert changed != route
    assert route == kind("/a")
    assert changed == change(route)
    assert hash(changed) == hash(change(route))


def test_a_route_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Get("/a").steps = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "arguments", "settings"),
    [(Get, ("/", ()), {}), (SSE, ("/", "POST"), {}), *((kind, ("/",), {"method": "GET"}) for kind in KINDS[1:])],
)
def test_settings_are_named_and_the_method_of_a_kind_is_fixed(kind: Any, arguments: Any, settings: Any) -> None:
    with pytest.raises(TypeError):
        kind(*arguments, **settings)


def test_a_prefix_can_be_shared() -> None:
    admin = SSE("/x").use(user=authenticate).guard(is_admin)
    first, second = admin.handle(stream), admin.guard(is_owner).handle(stream)
    assert first.steps == admin.steps
    assert second.steps == (*admin.steps, *SSE("/").guard(is_owner).steps)
    assert admin.handler is None


def test_steps_keep_the_order_in_which_they_were_declared() -> None:
    chained = Get("/").use(authenticate).guard(is_admin).use(user=authenticate).guard(is_owner)
    assert [str(step) for step in chained.steps] == [
        ".use(authenticate)",
        ".guard(is_admin)",
        ".use(user=authenticate)",
        ".guard(is_owner)",
    ]
    assert Get("/").guard(is_admin, is_owner) == Get("/").guard(is_admin).guard(is_owner)
    assert Get("/").use(answer, a=authenticate, b=answer) == Get("/").use(answer).use(a=authenticate).use(b=answer)
    assert Get("/").guard(is_admin, is_owner) != Get("/").guard(is_owner, is_admin)


def test_routes_of_two_kinds_are_never_equal() -> None:
    assert len({kind("/a") for kind in KINDS}) == len(KINDS)
    assert SSE("/a") != SSE("/a", method="POST")
    assert SSE("/a") != SSE("/a").heartbeat(1)
    assert SSE("/a") != SSE("/a").retry(1)
    assert Post("/a").body(int) != Post("/a").body(int, max_size=1)


def test_a_handler_is_named_by_a_call_or_by_a_decorator() -> None:
    @SSE("/a").handle
    async def decorated() -> AsyncGenerator[dict[str, int]]:
        yield {"data": 1}

    assert isinstance(decorated, SSE)
    assert decorated.handler is not None
    assert decorated == SSE("/a").handle(decorated.handler)


async def test_a_decorated_handler_can_be_called() -> None:
    @SSE("/rooms/:room").heartbeat(5).handle
    async def room_events(room: int, last: str = "") -> AsyncGenerator[EventFields]:
        yield {"data": room, "id": last}

    @Get("/double/:number").handle
    def double(number: int) -> int:
        return 2 * number

    async with aclosing(room_events(7, last="3")) as events:
        assert await anext(events) == {"data": 7, "id": "3"}
    assert double(number=4) == 8


def test_a_route_without_a_handler_cannot_be_called() -> None:
    with pytest.raises(BuildError, match=r"^GET /a has no handler to call; finish it with \.handle\(function\)$"):
        Get("/a")()


class Odd:
    """A handler that counts as false and has a repr of its own."""

    def __bool__(self) -> bool:
        return False

    def __call__(self) -> None: ...

    def __repr__(self) -> str:
        return "Odd()"


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Get("/"), "Get('/')"),
        (Post("/a/"), "Post('/a')"),
        (Put("/a/:b").handle(answer), "Put('/a/:b').handle(answer)"),
        (Patch("/a").handle(functools.partial(answer)), "Patch('/a').handle(answer)"),
        (Delete("/a").handle(lambda: None), "Delete('/a').handle(<lambda>)"),
        (Get("/a").handle(Odd()), "Get('/a').handle(Odd())"),
        (
            Get("/a").use(user=authenticate).guard(is_admin).query(Search).handle(answer),
            "Get('/a').use(user=authenticate).guard(is_admin).query(Search).handle(answer)",
        ),
        (
            Post("/a").guard(any_of(is_admin, is_owner)).body(dict[str, int], max_size=10),
            "Post('/a').guard(any_of(is_admin, is_owner)).body(dict[str, int], max_size=10)",
        ),
        (SSE("/a"), "SSE('/a')"),
        (SSE("/a", method="POST").body(Search), "SSE('/a', method='POST').body(Search)"),
        (
            SSE("/a").guard(is_admin).retry(500).heartbeat(2.5).handle(stream),
            "SSE('/a').heartbeat(2.5).retry(500).guard(is_admin).handle(stream)",
        ),
        (SSE("/a").heartbeat(None), "SSE('/a').heartbeat(None)"),
        (SSE("/a").heartbeat(15, event="ping"), "SSE('/a').heartbeat(15, event='ping')"),
        (SSE("/a").heartbeat(5, event="p", data="x"), "SSE('/a').heartbeat(5, event='p', data='x')"),
    ],
)
def test_a_route_reads_as_it_is_written(route: Route, text: str) -> None:
    assert repr(route) == text


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Get("/a/:b/"), "GET /a/:b"),
        (Delete("/"), "DELETE /"),
        (SSE("/a"), "SSE /a"),
        (SSE("/a", method="POST"), "SSE POST /a"),
    ],
)
def test_a_route_has_a_short_name_for_messages(route: Route, text: str) -> None:
    assert str(route) == text


def test_a_stream_has_a_heartbeat_unless_told_otherwise() -> None:
    assert SSE("/a").options.heartbeat == 15
    assert SSE("/a").heartbeat(None).options.heartbeat is None
    assert SSE("/a").retry(0).options.retry == 0


@pytest.mark.parametrize("kind", [SSE, Get])
def test_a_get_route_takes_no_body(kind: type[Route]) -> None:
    with pytest.raises(BuildError, match="a GET request has no body"):
        kind("/a").body(Search)
