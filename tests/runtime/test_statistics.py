"""Statistics and the access log: what an app's streams have done, counted, and told once for each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, AbortReason, App, Done, Draining, Events, Forbidden, Get, Limits
from trio_sse._runtime.access_log import log_stream, logger
from trio_sse._runtime.counters import StreamCounters
from trio_sse._runtime.rejection import (
    NoConnectionLeft,
    RateLimitReached,
    ShuttingDown,
    StreamLimitReached,
    StreamsPerClientReached,
    label_of,
)
from trio_sse.errors import HTTPError, ServiceUnavailable
from trio_sse.statistics import RouteStatistics, Statistics
from trio_sse.testing import TestClient
from trio_sse.wire import EncodedEvent

Read = Callable[[], Statistics]


async def waiting() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    await trio.sleep_forever()


def app_of(*routes: Any, **settings: Any) -> App:
    return App(**settings).add(*routes)


def nothing() -> None:
    pass


def quiet(path: str = "/") -> SSE:
    return SSE(path).heartbeat(None)


# -- counts


async def test_an_app_that_has_done_nothing_says_so() -> None:
    nothing = Statistics(open=0, opened=0, events=0, bytes=0, ended={}, refused={}, routes={}, full=False)
    assert app_of(quiet().handle(waiting)).statistics() == nothing
    assert (nothing.slow, nothing.drained) == (0, 0)


async def test_open_streams_are_counted_while_they_run(autojump_clock: MockClock) -> None:
    go = trio.Event()

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "one"}
        yield [{"data": "two"}, {"data": "three"}]
        await go.wait()
        yield {"data": "four"}
        await trio.sleep_forever()

    app = app_of(quiet("/a").handle(handler), quiet("/b").handle(waiting))
    client = TestClient(app)
    async with client.stream("/a") as first, client.stream("/a") as second, client.stream("/b") as third:
        for stream, count in ((first, 3), (second, 3), (third, 1)):
            await stream.events(count)
        statistics = app.statistics()
        assert (statistics.open, statistics.opened, statistics.events, statistics.ended) == (3, 3, 7, {})
        assert statistics.bytes == sum(len(stream.raw) for stream in (first, second, third))
        assert statistics.routes == {
            "SSE /a": RouteStatistics(2, 2, 6, 2 * len(first.raw), {}),
            "SSE /b": RouteStatistics(1, 1, 1, len(third.raw), {}),
        }
        go.set()
        await first.event()
        await second.event()
        assert app.statistics().events == 9
        assert statistics.events == 7, "what has been read stays as it was"


async def test_ended_streams_stay_counted(autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting))
    sizes = 0
    for _ in range(3):
        async with TestClient(app).stream("/") as stream:
            await stream.event()
        sizes += len(stream.raw)
    statistics = app.statistics()
    assert (statistics.open, statistics.opened, statistics.events) == (0, 3, 3)
    assert statistics.bytes == sizes
    assert statistics.ended == {"client_gone": 3}
    assert statistics.routes["SSE /"].ended == {"client_gone": 3}


async def test_events_that_are_framed_already_count_as_those_that_they_are(autojump_clock: MockClock) -> None:
    async def framed() -> Events:
        yield EncodedEvent.of({"data": 1})
        yield EncodedEvent("data: 2\n\ndata: 3\n\n")
        yield [
            EncodedEvent("data: 4\n\n: bye\n"),
            {"data": 5},
            EncodedEvent(":\n"),
            Done(),
            EncodedEvent.of({"data": 6}),
        ]

    app = app_of(quiet().handle(framed))
    async with TestClient(app).stream("/") as stream:
        assert [event.data for event in await stream.events(6)] == ["1", "2", "3", "4", "5", "null"]
        await stream.ended()
    assert stream.writes[:3] == [b":\n", b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n"]
    assert stream.writes[3].startswith(b"data: 4\n\n: bye\ndata: 5\n\n:\nevent: stream-done\n")
    assert app.statistics().events == 6


async def test_heartbeats_are_bytes_and_no_events(autojump_clock: MockClock) -> None:
    app = app_of(SSE("/").heartbeat(10).handle(waiting))
    async with TestClient(app).stream("/") as stream:
        await trio.sleep(35)
        statistics = app.statistics()
        assert (statistics.events, statistics.bytes) == (1, len(stream.raw))
        assert len(stream.raw) == len(b":\ndata: hello\n\n" + 3 * b":\n")


async def ends_by_itself() -> AsyncIterator[Any]:
    yield {"data": "x"}


async def says_done() -> AsyncIterator[Any]:
    yield {"data": "x"}
    yield Done()


async def fails() -> AsyncIterator[Any]:
    yield {"data": "x"}
    raise LookupError("broken")


async def task_fails(nursery: trio.Nursery) -> AsyncIterator[Any]:
    async def task() -> None:
        raise LookupError("broken")

    yield {"data": "x"}
    nursery.start_soon(task)
    await trio.sleep_forever()


async def expires(expire_at: Callable[[float], None]) -> AsyncIterator[Any]:
    expire_at(trio.current_time() + 5)
    yield {"data": "x"}
    await trio.sleep_forever()


async def waits_for_the_drain(draining: Draining) -> AsyncIterator[Any]:
    yield {"data": "x"}
    await draining.wait()


WAYS: list[tuple[str, SSE, Callable[..., Any]]] = [
    ("finished", quiet(), ends_by_itself),
    ("finished", quiet(), says_done),
    ("finished", quiet().on_shutdown("finish"), waits_for_the_drain),
    ("failed", quiet(), fails),
    ("failed", quiet(), task_fails),
    ("expired", quiet(), expires),
    ("lifetime", quiet().lifetime(5), waiting),
    ("draining", quiet(), waiting),
    ("draining", quiet().on_shutdown("finish"), waiting),
    ("too_slow", SSE("/").heartbeat(5), waiting),
    ("client_gone", quiet(), waiting),
]


@pytest.mark.parametrize(("reason", "route", "handler"), WAYS)
async def test_what_ends_a_stream_is_counted(
    reason: str, route: SSE, handler: Callable[..., Any], autojump_clock: MockClock
) -> None:
    app = App(wall_clock=trio.current_time).add(route.handle(handler))
    client = TestClient(app)
    async with client.stream("/") as stream:
        if handler is waiting or handler is waits_for_the_drain:
            await stream.event()
        match reason:
            case "client_gone":
                stream.disconnect()
            case "too_slow":
                stream.pause()
            case "draining":
                client.drain(10)
            case _:
                if handler is waits_for_the_drain:
                    client.drain(10)
        await stream.ended()
        stream.error = None
    statistics = app.statistics()
    assert statistics.ended == {reason: 1}
    assert (statistics.open, statistics.opened) == (0, 1)
    assert statistics.slow == (reason == "too_slow")
    assert statistics.drained == (reason == "draining")


async def test_a_stream_that_the_server_cancels_is_counted(autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(TestClient(app).get, "/")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert app.statistics().ended == {"cancelled": 1}


def test_every_reason_has_a_name_of_its_own() -> None:
    assert not {"finished", "failed"} & set(AbortReason)


async def test_what_was_not_sent_is_not_counted(autojump_clock: MockClock) -> None:
    async def pouring() -> AsyncIterator[Any]:
        while True:
            yield {"data": "x"}
            await trio.sleep(1)

    app = app_of(quiet().handle(pouring))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
    statistics = app.statistics()
    assert (statistics.events, statistics.bytes, statistics.slow) == (1, len(stream.raw), 1)


async def test_what_has_never_begun_is_no_stream(autojump_clock: MockClock) -> None:
    def refuse() -> None:
        raise Forbidden

    app = app_of(
        quiet("/refused").use(refuse).handle(waiting), quiet("/").handle(waiting), Get("/plain").handle(nothing)
    )
    client = TestClient(app)
    assert (await client.get("/refused")).status == 403
    assert (await client.request("HEAD", "/")).status == 200
    assert (await client.get("/plain")).status == 204
    assert (await client.get("/nowhere")).status == 404
    statistics = app.statistics()
    assert (statistics.opened, statistics.routes, statistics.refused) == (0, {}, {})


async def test_who_is_turned_away_is_counted_by_what_they_are_told(autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting), limits=Limits(streams=2, streams_per_client=1))
    client = TestClient(app)
    async with client.stream("/"):
        await client.get("/")
        async with client.stream("/", client=("192.0.2.1", 1)):
            for _ in range(3):
                await client.get("/", headers={"accept": "text/event-stream"})
            client.drain(10)
            await client.get("/")
    assert app.statistics().refused == {
        "streams_per_client": 1,
        "streams": 3,
        "shutdown": 1,
    }


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (StreamLimitReached(), "streams"),
        (RateLimitReached(), "streams_per_second"),
        (StreamsPerClientReached(), "streams_per_client"),
        (ShuttingDown(), "shutdown"),
        (NoConnectionLeft(), "connections"),
        (ServiceUnavailable("No table for customer 5.", retry=True), "app"),
    ],
)
def test_labels_of_rejections_are_a_closed_set(error: HTTPError, label: str) -> None:
    """A detail may name a customer; as a label it would be a time series of its own."""
    assert label_of(error) == label


async def test_it_says_whether_the_app_is_full(autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting), limits=Limits(streams=2))
    client = TestClient(app)
    async with client.stream("/"):
        assert not app.statistics().full
        async with client.stream("/"):
            assert app.statistics().full
        assert not app.statistics().full


async def test_an_app_without_a_limit_is_never_full(autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting))
    async with TestClient(app).stream("/"):
        assert not app.statistics().full


async def test_steps_and_handlers_read_it_by_name(autojump_clock: MockClock) -> None:
    async def handler(statistics: Read) -> AsyncIterator[Any]:
        yield {"data": statistics().open}
        yield {"data": statistics().routes["SSE /"].events}

    def step(statistics: Read) -> int:
        return statistics().opened

    app = app_of(quiet().use(before=step).handle(handler), Get("/plain").use(before=step).handle(lambda before: before))
    async with TestClient(app).stream("/") as stream:
        assert [event.data for event in await stream.events(2)] == ["1", "1"]
    assert (await TestClient(app).get("/plain")).json() == 1


async def test_two_apps_count_for_themselves(autojump_clock: MockClock) -> None:
    first, second = (app_of(quiet().handle(waiting)) for _ in range(2))
    async with TestClient(first).stream("/"):
        assert (first.statistics().open, second.statistics().open) == (1, 0)


# -- the access log


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "trio_sse.access")
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in log.records if record.name == "trio_sse.access"]


async def test_a_stream_is_logged_once_at_its_end(log: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    app = app_of(SSE("/rooms/:room/events").heartbeat(None).handle(waiting))
    async with TestClient(app).stream("/rooms/blue/events", client=("192.0.2.1", 1)) as stream:
        await stream.event()
        await trio.sleep(12.3456)
        assert lines(log) == []
    [record] = lines(log)
    assert record.levelno == logging.INFO
    assert record.getMessage() == ("SSE /rooms/:room/events to 192.0.2.1: 12.346 s, 1 events, 15 bytes, client_gone")


async def test_the_same_is_there_for_programs(log: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting), limits=Limits(trusted_proxies=["10.0.0.0/8"]))
    forwarded = {"x-forwarded-for": "203.0.113.9"}
    async with TestClient(app).stream("/", client=("10.0.0.1", 1), headers=forwarded) as stream:
        await stream.event()
        await trio.sleep(2)
    [record] = lines(log)
    fields = {name: vars(record)[name] for name in ("route", "client", "seconds", "events", "bytes", "reason")}
    assert fields == {
        "route": "SSE /",
        "client": "203.0.113.9",
        "seconds": 2.0,
        "events": 1,
        "bytes": len(b":\ndata: hello\n\n"),
        "reason": "client_gone",
    }
    assert type(record.reason) is str  # type: ignore[attr-defined]


async def test_a_client_without_an_address_is_said_to_be_unknown(
    log: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async with TestClient(app_of(quiet().handle(waiting))).stream("/", client=None):
        pass
    [record] = lines(log)
    assert record.getMessage().startswith("SSE / to an unknown client: 0.000 s, ")
    assert record.client == ""  # type: ignore[attr-defined]


async def test_nothing_else_is_logged_there(log: pytest.LogCaptureFixture, autojump_clock: MockClock) -> None:
    app = app_of(quiet().handle(waiting), Get("/plain").handle(nothing), limits=Limits(streams=1))
    client = TestClient(app)
    await client.get("/plain")
    await client.get("/nowhere")
    await client.request("HEAD", "/")
    async with client.stream("/"):
        assert (await client.get("/")).status == 503
    assert len(lines(log)) == 1


async def test_a_stream_that_fails_is_logged_as_failed(
    log: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async with TestClient(app_of(quiet().handle(fails))).stream("/") as stream:
        await stream.ended()
        stream.claim_error()
    [record] = lines(log)
    assert record.reason == "failed"  # type: ignore[attr-defined]


@attrs.define(eq=False)
class Counted:
    """A stream that notes whether anybody asks for its client."""

    asked: int = 0
    label: str = "SSE /"
    events: int = 1
    sent: int = 2

    @property
    def client(self) -> str:
        self.asked += 1
        return "192.0.2.1"


@attrs.define
class FromAStranger(Counted):
    """A stream whose client's address was taken from a header."""

    @property
    def client(self) -> str:
        return "\x1b[31m\n192.0.2.1"


def test_what_a_client_has_sent_cannot_control_the_terminal_or_forge_a_line(log: pytest.LogCaptureFixture) -> None:
    log_stream(FromAStranger(), 0.5, "finished")
    assert log.messages == [r"SSE / to \x1b[31m\n192.0.2.1: 0.500 s, 1 events, 2 bytes, finished"]


@pytest.mark.parametrize(("level", "asked"), [(logging.INFO, True), (logging.WARNING, False)])
async def test_nothing_is_computed_for_a_log_that_is_off(
    level: int, asked: bool, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    caplog.set_level(level, "trio_sse.access")
    meter, stream = StreamCounters(), Counted()
    meter.opened(stream)
    meter.ended(stream, "finished")
    assert bool(stream.asked) is asked
    assert len(lines(caplog)) == asked
    assert meter.read().ended == {"finished": 1}, "it is counted all the same"


async def test_an_end_without_a_beginning_is_neither_counted_nor_logged(
    log: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    meter, stream = StreamCounters(), Counted()
    meter.ended(stream, "finished")
    meter.opened(stream)
    meter.ended(stream, "finished")
    meter.ended(stream, "failed")
    assert meter.read().ended == {"finished": 1}
    assert len(lines(log)) == 1


def test_the_log_has_the_name_that_is_documented() -> None:
    assert logger.name == "trio_sse.access"
