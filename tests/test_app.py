"""The app: lifespan, its nursery, scopes, and what it says of a mistake."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, App, Get, Post
from trio_sse._plan.planner import plan_all
from trio_sse.errors import BuildError, LifespanError
from trio_sse.testing import TestClient


async def test_add_gives_a_new_app() -> None:
    app = App()
    more = app.add(Get("/").handle(lambda: 1))
    assert app.routes == ()
    assert len(more.routes) == 1
    assert app.add(*more.routes) == more


async def test_tasks_in_the_app_nursery_outlive_the_request(autojump_clock: MockClock) -> None:
    done = []

    async def later() -> None:
        await trio.sleep(10)
        done.append(trio.current_time())

    async def handler(app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(later)

    async with TestClient(App().add(Post("/").handle(handler))) as client:
        assert (await client.request("POST", "/")).status == 204
        await trio.sleep(20)
    assert done == [10]


async def test_the_app_nursery_is_closed_at_shutdown(autojump_clock: MockClock) -> None:
    ended = []

    async def for_ever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    async def handler(app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(for_ever)

    async with TestClient(App().add(Post("/").handle(handler))) as client:
        await client.request("POST", "/")
        assert ended == []
    assert ended == [True]


async def test_without_lifespan_the_app_nursery_is_a_typed_error() -> None:
    async def handler(app_nursery: trio.Nursery) -> None: ...

    async with TestClient(App().add(Get("/").handle(handler))).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert stream.status == 500
    assert isinstance(error, LifespanError)
    assert "app.lifespan()" in str(error)


async def test_the_lifespan_gives_the_state_to_an_outer_app(autojump_clock: MockClock) -> None:
    async def handler(app_nursery: trio.Nursery) -> str:
        return type(app_nursery).__name__

    app = App().add(Get("/").handle(handler))
    async with app.lifespan() as state:
        assert (await TestClient(app, state=state).get("/")).json() == "Nursery"


async def test_a_crash_in_the_app_nursery_ends_the_lifespan_with_it(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        raise ValueError("background")

    async def handler(app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(crash)

    with pytest.raises(ValueError, match="background"):  # noqa: PT012 - the blocks raise it
        async with TestClient(App().add(Post("/").handle(handler))) as client:
            await client.request("POST", "/")
            await trio.sleep_forever()


async def test_a_build_error_fails_the_start_up_with_its_message() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    def handler(usr: object) -> None: ...

    await App().add(Get("/").handle(handler))({"type": "lifespan"}, receive, send)
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "asks for 'usr'" in sent[0]["message"]


NOT_EXCEPTIONS = pytest.mark.parametrize(
    "error",
    [SystemExit(3), GeneratorExit(), asyncio.CancelledError(), BaseExceptionGroup("", [SystemExit(), ValueError()])],
    ids=repr,
)


class Service:
    """A service of the app."""


def use(service: Service) -> None:
    """Make the app make its service."""


class Lifespan:
    """A server's half of a lifespan: it starts the app, and waits for `stopping` to shut it down."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.stopping = trio.Event()
        self._starting = True

    async def receive(self) -> Any:
        if not self._starting:
            await self.stopping.wait()
            return {"type": "lifespan.shutdown"}
        self._starting = False
        return {"type": "lifespan.startup"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


@NOT_EXCEPTIONS
async def test_a_service_that_exits_as_it_is_made_fails_the_start_up(error: BaseException) -> None:
    def make() -> Service:
        raise error

    server = Lifespan()
    await App().provide(make).add(Get("/").inject(service=Service).handle(use))({"type": "lifespan"}, *both(server))
    [message] = server.sent
    assert message["type"] == "lifespan.startup.failed"
    assert ", in make\n" in message["message"]
    assert repr(error)[:-2] in message["message"]
    assert "was raised in the app's lifespan" in message["message"]


@NOT_EXCEPTIONS
async def test_a_service_that_exits_as_it_is_closed_ends_the_lifespan_with_an_error(error: BaseException) -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[Service]:
        yield Service()
        raise error

    server = Lifespan()
    server.stopping.set()
    app = App().provide(make).add(Get("/").inject(service=Service).handle(use))
    with pytest.raises(RuntimeError, match=r"was raised in the app's lifespan$") as caught:
        await app({"type": "lifespan"}, *both(server))
    assert server.types == ["lifespan.startup.complete"]
    assert repr(error)[:-2] in repr(caught.value.__cause__)


@NOT_EXCEPTIONS
async def test_a_task_that_exits_ends_the_lifespan_with_an_error(
    error: BaseException, autojump_clock: MockClock
) -> None:
    async def task() -> None:
        raise error

    async def start(app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(task)

    errors: list[BaseException] = []

    async def live() -> None:
        try:
            await app(scope, *both(server))
        except RuntimeError as raised:
            errors.append(raised)

    app, scope, server = App().add(Get("/").handle(start)), {"type": "lifespan", "state": {}}, Lifespan()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
        await wait_all_tasks_blocked()
        await TestClient(app, state=scope["state"]).get("/")
    [raised] = errors
    assert server.types == ["lifespan.startup.complete"]
    assert repr(error)[:-2] in repr(raised.__cause__)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt(), ValueError()])], ids=repr
)
async def test_an_interrupt_leaves_the_lifespan(error: BaseException) -> None:
    def make() -> Service:
        raise error

    server = Lifespan()
    with pytest.raises(BaseExceptionGroup) as caught:
        await App().provide(make).add(Get("/").inject(service=Service).handle(use))({"type": "lifespan"}, *both(server))
    assert caught.value.subgroup(KeyboardInterrupt) is not None


async def test_a_cancelled_lifespan_says_nothing(autojump_clock: MockClock) -> None:
    server = Lifespan()
    with trio.move_on_after(1) as scope:
        await App()({"type": "lifespan"}, *both(server))
    assert scope.cancelled_caught
    assert server.types == ["lifespan.startup.complete"]


def both(server: Lifespan) -> tuple[Any, Any]:
    return server.receive, server.send


async def test_without_lifespan_the_first_request_finds_the_mistake() -> None:
    def handler(usr: object) -> None: ...

    with pytest.raises(BuildError, match="asks for 'usr'"):
        await TestClient(App().add(Get("/").handle(handler))).get("/")


async def test_the_routes_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counting(*args: Any) -> Any:
        calls.append(1)
        return plan_all(*args)

    monkeypatch.setattr("trio_sse._runtime.compiled_app.plan_all", counting)
    client = TestClient(App().add(Get("/").handle(lambda: 1)))
    for _ in range(5):
        await client.get("/")
    assert calls == [1]


async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await App()({"type": "websocket", "path": "/", "headers": []}, trio.sleep_forever, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_an_unknown_scope_is_an_error_that_names_it() -> None:
    async def send(message: Any) -> None:
        pytest.fail(f"sent {message!r}")

    with pytest.raises(NotImplementedError, match="'telnet'"):
        await App()({"type": "telnet"}, trio.sleep_forever, send)


async def test_another_json_encoder_serves_events_and_responses(autojump_clock: MockClock) -> None:
    def indented(value: object) -> str:
        return json.dumps(value, indent=1)

    async def stream() -> AsyncIterator[Any]:
        yield {"data": {"a": 1}}

    app = App(json=indented).add(SSE("/events").handle(stream), Get("/").handle(lambda: {"a": 1}))
    client = TestClient(app)
    assert (await client.get("/")).body == b'{\n "a": 1\n}'
    async with client.stream("/events") as events:
        await events.ended()
    assert events.writes[1] == b'data: {\ndata:  "a": 1\ndata: }\n\n'


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cleanup_timeout": 0}, "cleanup_timeout is a number of seconds above 0, not 0"),
        ({"cleanup_timeout": True}, "cleanup_timeout is a number of seconds above 0, not True"),
        ({"send_timeout": -1}, "send_timeout is a number of seconds above 0, not -1"),
        ({"send_timeout": math.nan}, "send_timeout is a number of seconds above 0, not nan"),
        ({"send_timeout": "5"}, "send_timeout is a number of seconds above 0, not '5'"),
        ({"send_timeout": None}, "send_timeout is a number of seconds above 0, not None"),
        ({"error_event": ""}, "error_event is the name of an event, not ''"),
        ({"error_event": "a\nb"}, "error_event is the name of an event"),
    ],
)
def test_bad_settings_are_build_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        App(**settings)


def test_an_error_event_named_error_is_refused_where_an_eventsource_would_read_it() -> None:
    async def ticks() -> AsyncIterator[Any]:
        yield {"data": 1}

    app = App(error_event="error").add(Get("/").handle(lambda: 1), SSE("/", method="POST").handle(ticks))
    app.check()
    with pytest.raises(BuildError, match=r"SSE /ticks: error_event='error' would be taken for a lost connection"):
        app.add(SSE("/ticks").handle(ticks)).check()
