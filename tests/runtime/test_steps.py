"""Steps as they run: order, kinds, what they provide, and how they are left."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App, Forbidden, Get, NotFound, Post, Response, Route, Unauthorized, any_of
from trio_sse.errors import Conflict, StepError
from trio_sse.testing import TestClient

Log = list[str]


@attrs.frozen
class User:
    name: str
    role: str = "user"
    _password: str = "secret"


def step(log: Log, name: str, value: Any = None, *, fail: Exception | None = None) -> Callable[[], Any]:
    """A synchronous step that notes that it ran."""

    def run() -> Any:
        log.append(name)
        if fail is not None:
            raise fail
        return value

    return run


def later(function: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    """The same, asynchronous."""

    async def run() -> Any:
        await trio.sleep(1)
        return function()

    return run


def entered(log: Log, name: str, value: Any = None, *, swallow: bool = False) -> Any:
    """A step that is entered and left, and notes what it was left with."""

    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[Any]:
        log.append(f"+{name}")
        await trio.sleep(1)
        try:
            yield value
        except Exception as error:
            log.append(f"{name} sees {error!r}")
            if not swallow:
                raise
        finally:
            await trio.sleep(1)
            log.append(f"-{name}")

    return manager


async def get(route: Route, target: str = "/", **options: Any) -> tuple[int, Any]:
    """Ask a route, and give its status and JSON."""
    reply = await TestClient(App().add(route)).request(route.method, target, **options)
    return reply.status, reply.json() if reply.body else None


async def failing(route: Route) -> Exception:
    """Ask a route that fails unexpectedly: a 500 that leaks nothing, and the error is raised out of the app."""
    async with TestClient(App().add(route)).stream("/", method=route.method) as stream:
        await stream.ended()
        error = stream.claim_error()
    assert stream.status == 500
    assert bytes(stream.raw) == b'{"title":"Internal Server Error","status":500}'
    assert isinstance(error, Exception)
    assert any(note.startswith(f"while answering {route}") for note in error.__notes__)
    return error


# -- order


async def test_steps_run_in_the_order_of_declaration_whatever_their_kind(autojump_clock: MockClock) -> None:
    log: Log = []
    route = (
        Get("/")
        .use(step(log, "a"))
        .guard(later(step(log, "b", True)))
        .use(x=entered(log, "c", 1))
        .guard(step(log, "d", True), later(step(log, "e", True)))
        .use(y=later(step(log, "f", 2)))
        .use(entered(log, "g"))
        .handle(lambda x, y: step(log, "handler", [x, y])())
    )
    assert await get(route) == (200, [1, 2])
    assert log == ["a", "b", "+c", "d", "e", "f", "+g", "handler", "-g", "-c"]


async def test_a_refusal_ends_the_steps_and_leaves_what_was_entered(autojump_clock: MockClock) -> None:
    log: Log = []
    route = Get("/").use(entered(log, "a")).guard(step(log, "b", False)).use(entered(log, "c")).handle(step(log, "d"))
    assert await get(route) == (403, {"title": "Forbidden", "status": 403})
    assert log == ["+a", "b", "a sees Forbidden('')", "-a"]


async def test_steps_are_left_in_reverse_order_before_the_response_is_sent(autojump_clock: MockClock) -> None:
    log: Log = []
    route = Get("/").use(entered(log, "a"), entered(log, "b")).handle(lambda: 1)
    async with TestClient(App().add(route)).stream("/") as stream:
        await stream.started()
        assert log == ["+a", "+b", "-b", "-a"]
        await stream.ended()


async def test_an_error_in_leaving_a_step_is_a_500(autojump_clock: MockClock) -> None:
    @contextlib.asynccontextmanager
    async def transaction() -> AsyncIterator[None]:
        yield
        raise ValueError("commit failed")

    assert repr(await failing(Get("/").use(transaction).handle(lambda: 1))) == "ValueError('commit failed')"


async def test_a_step_sees_the_error_of_the_handler(autojump_clock: MockClock) -> None:
    log: Log = []
    route = Get("/").use(entered(log, "a"), entered(log, "b")).handle(step(log, "handler", fail=Conflict("taken")))
    assert await get(route) == (409, {"title": "Conflict", "status": 409, "detail": "taken"})
    assert log == ["+a", "+b", "handler", "b sees Conflict('taken')", "-b", "a sees Conflict('taken')", "-a"]


async def test_a_step_sees_the_error_of_a_later_step(autojump_clock: MockClock) -> None:
    log: Log = []
    route = Get("/").use(entered(log, "a")).use(step(log, "b", fail=NotFound())).handle(lambda: 1)
    assert (await get(route))[0] == 404
    assert log == ["+a", "b", "a sees NotFound('')", "-a"]


async def test_a_step_may_turn_an_error_into_another(autojump_clock: MockClock) -> None:
    @contextlib.asynccontextmanager
    async def translate() -> AsyncIterator[None]:
        try:
            yield
        except KeyError:
            raise NotFound("no such thing") from None

    def handler() -> None:
        raise KeyError("x")

    status, body = await get(Get("/").use(translate).handle(handler))
    assert (status, body["detail"]) == (404, "no such thing")


async def test_a_sync_step_runs_in_place(autojump_clock: MockClock) -> None:
    tasks = []
    route = (
        Get("/")
        .use(lambda: tasks.append(trio.lowlevel.current_task()))
        .handle(lambda: tasks.append(trio.lowlevel.current_task()))
    )
    assert (await get(route))[0] == 204
    assert tasks[0] is tasks[1]


# -- what steps provide


async def auth() -> User:
    return User("ann", "admin")


@contextlib.asynccontextmanager
async def user_session() -> AsyncIterator[User]:
    yield User("eve")


@pytest.mark.parametrize(("middleware", "names"), [(auth, ["ann", "admin"]), (user_session, ["eve", "user"])])
async def test_the_fields_of_an_attrs_value_become_names(middleware: Any, names: list[str]) -> None:
    assert await get(Get("/").use(middleware).handle(lambda name, role: [name, role])) == (200, names)


async def test_a_value_may_be_none_false_or_anything() -> None:
    route = Get("/").use(a=lambda: None, b=lambda: False, c=lambda: "").handle(lambda a, b, c: [a, b, c])
    assert await get(route) == (200, [None, False, ""])


async def test_a_later_step_uses_what_an_earlier_one_provides() -> None:
    route = (
        Get("/:n")
        .use(double=lambda n: n * 2)
        .use(quadruple=lambda double: double * 2)
        .handle(lambda quadruple: quadruple)
    )
    assert await get(route, "/ab") == (200, "abababab")


async def test_a_default_is_taken_only_where_nobody_provides_the_name() -> None:
    def handler(a: int = 1, b: int = 2, last_event_id: str | None = "default") -> list[Any]:
        return [a, b, last_event_id]

    assert await get(Get("/").use(b=lambda: 5).handle(handler)) == (200, [1, 5, None])
    assert await get(Get("/:a").handle(handler), "/7", headers={"last-event-id": "x"}) == (200, [7, 2, "x"])


class Service:
    def __init__(self, name: str) -> None:
        self.name = name

    async def greet(self, greeting: str = "hello") -> str:
        return f"{greeting} {self.name}"

    def __call__(self, n: str) -> str:
        return self.name + n


@pytest.mark.parametrize(
    "handler",
    [
        Service("x").greet,
        functools.partial(Service("x").greet, greeting="hello"),
        functools.partial(functools.partial(Service("x").greet), "hello"),
        lambda n: f"hello {n}",
        functools.partial(lambda a, b: f"{a} {b}", "hello", b="x"),
        functools.wraps(Service("x").greet)(lambda **kw: Service("x").greet(**kw)),
    ],
)
async def test_a_handler_is_any_kind_of_function(handler: Any) -> None:
    assert await get(Get("/:n").handle(handler), "/x") == (200, "hello x")


async def test_a_class_and_a_callable_object_are_middleware() -> None:
    route = (
        Get("/:name/:n").use(service=Service).use(both=Service("x")).handle(lambda service, both: [service.name, both])
    )
    assert await get(route, "/a/b") == (200, ["a", "xb"])


# -- guards


@pytest.mark.parametrize("make", [lambda f: f, later])
@pytest.mark.parametrize(("answer", "status"), [(True, 200), (False, 403)])
async def test_a_guard_says_yes_or_no(make: Any, answer: bool, status: int, autojump_clock: MockClock) -> None:
    assert (await get(Get("/").guard(make(lambda: answer)).handle(lambda: 1)))[0] == status


@pytest.mark.parametrize("answer", [None, 1, 0, "yes", ""])
async def test_a_guard_that_answers_anything_else_is_a_mistake(answer: object) -> None:
    def is_admin() -> Any:
        return answer

    error = await failing(Get("/").guard(is_admin).handle(lambda: 1))
    assert isinstance(error, StepError)
    assert str(error) == (
        "guard test_a_guard_that_answers_anything_else_is_a_mistake.is_admin() returned "
        f"{type(answer).__name__}; a guard returns True or False"
    )


async def test_a_guard_may_raise_a_refusal_of_its_own() -> None:
    def guard() -> bool:
        raise Unauthorized("who are you?")

    reply = await TestClient(App().add(Get("/").guard(guard).handle(lambda: 1))).get("/")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("answers", "asked", "status"),
    [
        ((True, True, True), 1, 200),
        ((False, True, True), 2, 200),
        ((False, False, True), 3, 200),
        ((False, False, False), 3, 403),
    ],
)
async def test_any_of_asks_up_to_the_first_yes(
    answers: tuple[bool, ...], asked: int, status: int, autojump_clock: MockClock
) -> None:
    log: Log = []
    first, second, third = (step(log, str(i), answer) for i, answer in enumerate(answers))
    assert (await get(Get("/").guard(any_of(first, later(second), third)).handle(lambda: 1)))[0] == status
    assert len(log) == asked


async def test_any_of_does_not_catch_what_a_guard_raises() -> None:
    def guard() -> bool:
        raise Forbidden("blocked")

    status, body = await get(Get("/").guard(any_of(guard, lambda: True)).handle(lambda: 1))
    assert (status, body["detail"]) == (403, "blocked")


# -- broken contracts


async def coroutine() -> bool:
    return True


@pytest.mark.parametrize(
    "route",
    [
        Get("/").guard(lambda: coroutine()).handle(lambda: 1),  # noqa: PLW0108
        Get("/").use(x=lambda: coroutine()).handle(lambda: 1),  # noqa: PLW0108
        Get("/").handle(lambda: coroutine()),  # noqa: PLW0108
    ],
)
async def test_a_coroutine_that_nobody_would_await_is_a_mistake(route: Route) -> None:
    error = await failing(route)
    assert isinstance(error, StepError)
    assert str(error).endswith("is not an async function but returned a coroutine; write it with 'async def'")


async def test_unnamed_middleware_that_returns_something_is_a_mistake() -> None:
    error = await failing(Get("/").use(lambda: User("ann")).handle(lambda: 1))
    assert "returned User, which has no name here" in str(error)


async def test_unnamed_middleware_that_returns_none_in_place_of_its_fields_is_a_mistake() -> None:
    async def nobody() -> User:
        return None  # type: ignore[return-value]

    nobody.__annotations__["return"] = User
    error = await failing(Get("/").use(nobody).handle(lambda name: 1))
    assert "returned None, but is annotated to return a value with name, role" in str(error)


# -- nurseries


async def test_an_http_error_out_of_a_nursery_in_a_step_keeps_its_status(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise NotFound("no such user")

    async def middleware() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(fail)

    assert (await get(Get("/").use(middleware).handle(lambda: 1)))[0] == 404


async def test_an_http_error_through_a_nursery_that_a_step_holds_keeps_its_status(autojump_clock: MockClock) -> None:
    @contextlib.asynccontextmanager
    async def workers() -> AsyncIterator[trio.Nursery]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield nursery

    def handler(workers: trio.Nursery) -> None:
        raise Conflict

    assert (await get(Get("/").use(workers=workers).handle(handler)))[0] == 409


async def test_two_errors_at_once_are_unexpected(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise NotFound

    async def middleware() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(fail)

    assert isinstance(await failing(Get("/").use(middleware).handle(lambda: 1)), ExceptionGroup)


# -- before the headers of a stream


async def test_steps_of_a_stream_answer_with_a_status(autojump_clock: MockClock) -> None:
    async def stream() -> AsyncIterator[dict[str, int]]:
        yield {"data": 1}

    assert (await get(SSE("/").guard(lambda: False).handle(stream)))[0] == 403
    assert (await get(SSE("/").use(step([], "x", fail=Unauthorized())).handle(stream)))[0] == 401
    assert (await get(SSE("/:n").query(User).handle(stream), "/x"))[0] == 422


async def test_a_response_cannot_be_smuggled_through_a_step() -> None:
    """A step provides values; it answers by raising."""
    assert await get(Post("/").use(x=lambda: Response("no")).handle(lambda: 1)) == (200, 1)
