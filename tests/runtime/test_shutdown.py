"""Draining: what becomes of open requests when the server shuts down, policy by policy, and of those that come late."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, Aborted, AbortReason, App, Draining, Get, Post, Response
from trio_sse.errors import BuildError
from trio_sse.testing import TestClient, TestStream

Policy = Literal["reconnect", "finish", "cancel"]
POLICIES: tuple[Policy, ...] = ("reconnect", "finish", "cancel")
AT_ONCE: tuple[Policy, ...] = ("reconnect", "cancel")
EVENT_SOURCE = {"accept": "text/event-stream"}


@attrs.define
class Record:
    """What a stream saw of its end."""

    seen: list[Any] = attrs.field(factory=list)
    reason: AbortReason | None = None
    drained: bool = False
    ended_at: Any = None  # in Trio's time; pytest.approx() is no float

    def end(self, aborted: Aborted, draining: Draining) -> None:
        assert self.ended_at is None, "it ends once"
        self.reason, self.drained, self.ended_at = aborted.reason, draining.is_set(), trio.current_time()


def app_of(handler: Callable[..., Any], policy: Policy, *steps: Callable[..., Any], **settings: Any) -> App:
    route = SSE("/").use(*steps).heartbeat(None).on_shutdown(policy).handle(handler)
    return App(reconnect_delay=(2.0, 3.0), **settings).add(route)


def idle(record: Record) -> Callable[..., Any]:
    """A handler that says hello, and then waits."""

    async def handler(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            record.end(aborted, draining)

    return handler


def told(stream: TestStream) -> list[float]:
    """When the client has been told to reconnect, in seconds."""
    return [int(text) / 1000 for text in re.findall(rb"retry: (\d+)\n", stream.raw)]


def assert_told_once(stream: TestStream) -> None:
    seconds = told(stream)
    assert len(seconds) == 1
    assert 2.0 <= seconds[0] <= 3.0


# -- the handler is idle


@pytest.mark.parametrize("policy", AT_ONCE)
async def test_an_idle_stream_ends_at_once_and_in_order(policy: Policy, autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(idle(record), policy))
    async with client.stream("/") as stream:
        await stream.event()
        await trio.sleep(7)
        client.drain(10)
        await stream.ended()
        assert trio.current_time() == pytest.approx(7)
    assert stream.complete
    assert (record.reason, record.drained, record.ended_at) == (AbortReason.DRAINING, True, pytest.approx(7))
    assert_told_once(stream)
    assert re.fullmatch(rb":\ndata: hello\n\nretry: \d+\n", stream.raw)


async def test_finish_tells_at_once_and_ends_at_the_deadline(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(idle(record), "finish"))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await stream.written(3)
        assert (trio.current_time(), record.ended_at) == (0, None)
        assert_told_once(stream)
        await stream.ended()
        assert trio.current_time() == pytest.approx(10)
    assert stream.complete
    assert (record.reason, record.drained, record.ended_at) == (AbortReason.DRAINING, True, pytest.approx(10))
    assert_told_once(stream)


async def test_finish_lets_a_handler_end_by_itself_without_an_abort(autojump_clock: MockClock) -> None:
    record = Record()

    async def handler(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await draining.wait()
            await trio.sleep(4)
            yield {"data": "bye"}
        finally:
            record.end(aborted, draining)

    client = TestClient(app_of(handler, "finish"))
    async with client.stream("/") as stream:
        await stream.event()
        await trio.sleep(1)
        client.drain(10)
        await stream.ended()
    assert (record.reason, record.drained, record.ended_at) == (None, True, pytest.approx(5))
    assert stream.complete
    assert_told_once(stream)
    assert stream.raw.endswith(b"data: bye\n\n")


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_handler_that_waits_for_the_drain_sees_it_before_it_is_aborted(
    policy: Policy, autojump_clock: MockClock
) -> None:
    record = Record()

    async def watch(what: str, event: Aborted | Draining, aborted: Aborted, draining: Draining) -> None:
        await event.wait()
        record.seen.append((what, draining.is_set(), aborted.is_set()))

    async def handler(nursery: trio.Nursery, aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        nursery.start_soon(watch, "draining", draining, aborted, draining)
        nursery.start_soon(watch, "aborted", aborted, aborted, draining)
        yield {"data": "hello"}
        await trio.sleep_forever()

    client = TestClient(app_of(handler, policy))
    async with client.stream("/") as stream:
        await stream.event()
        await trio.testing.wait_all_tasks_blocked()
        client.drain(10)
        await stream.ended()
    in_time = policy == "finish"  # the others are aborted in the same moment
    assert sorted(record.seen) == [("aborted", True, True), ("draining", True, not in_time)]


# -- the handler stands in a write


def pouring(record: Record) -> Callable[..., Any]:
    """A handler that says something every second."""

    async def handler(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        count = 0
        try:
            while True:
                count += 1
                yield {"data": count}
                await trio.sleep(1)
        finally:
            record.end(aborted, draining)

    return handler


async def test_hand_over_ends_when_what_is_being_sent_has_been_sent(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(pouring(record), "reconnect"))
    async with client.stream("/") as stream:
        assert (await stream.event()).data == "1"
        stream.pause()
        await trio.sleep(1.5)
        client.drain(10)
        await trio.sleep(3)
        assert (record.ended_at, stream.raw) == (None, b":\ndata: 1\n\n")
        stream.resume()
        await stream.ended()
        assert trio.current_time() == pytest.approx(4.5)
    assert re.fullmatch(rb":\ndata: 1\n\ndata: 2\n\nretry: \d+\n", stream.raw)
    assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(4.5))
    assert stream.complete


async def test_hand_over_does_not_wait_for_the_end_of_a_flood(autojump_clock: MockClock) -> None:
    """A handler that is always in a write is between two of them for no time at all; that is time enough."""
    record = Record()

    async def flood(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        try:
            for count in range(1000):
                yield {"data": count}
        finally:
            record.end(aborted, draining)

    client = TestClient(app_of(flood, "reconnect"))
    async with client.stream("/") as stream:
        await stream.events(18)  # right after a turn of the scheduler
        before = stream.raw.count(b"data:")
        client.drain(10)
        await stream.ended()
    assert record.reason is AbortReason.DRAINING
    assert stream.raw.count(b"data:") == before + 1, "the one under way"
    assert_told_once(stream)
    assert stream.complete


async def test_hand_over_waits_for_what_the_handler_shields(autojump_clock: MockClock) -> None:
    """Nobody can cancel that; so it is not held up either."""

    async def shielded() -> AsyncIterator[Any]:
        for count in range(40):
            with trio.CancelScope(shield=True):
                yield {"data": count}

    client = TestClient(app_of(shielded, "reconnect"))
    async with client.stream("/") as stream:
        await stream.events(18)
        client.drain(10)
        await stream.ended()
    assert stream.raw.count(b"data:") <= 40
    assert_told_once(stream)
    assert stream.complete


async def test_hand_over_of_a_stalled_client_ends_at_the_deadline(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(pouring(record), "reconnect", cleanup_timeout=2))
    async with client.stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(1.5)
        client.drain(10)
        await stream.ended()
        assert trio.current_time() == pytest.approx(13.5), "with the time limit of the last words"
    assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(11.5))
    assert not stream.complete


async def test_a_stalled_client_is_dropped_before_the_deadline_where_its_time_is_up(
    autojump_clock: MockClock,
) -> None:
    record = Record()
    client = TestClient(app_of(pouring(record), "reconnect", send_timeout=3))
    async with client.stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(1.5)
        client.drain(10)
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.TOO_SLOW, pytest.approx(4))


async def test_cut_ends_in_the_middle_of_a_write(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(pouring(record), "cancel"))
    async with client.stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(1.5)
        client.drain(10)
        await trio.testing.wait_all_tasks_blocked()
        assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(1.5))
        stream.resume()
        await stream.ended()
    assert b"data: 2" not in stream.raw
    assert_told_once(stream)
    assert stream.complete


async def test_finish_tells_after_what_is_being_sent_and_goes_on(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(pouring(record), "finish"))
    async with client.stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(1.5)
        client.drain(10)
        await trio.sleep(3)
        stream.resume()
        await stream.ended()
    assert re.match(rb":\ndata: 1\n\ndata: 2\n\nretry: \d+\ndata: 3\n\n", stream.raw)
    assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(11.5))
    assert_told_once(stream)
    assert stream.complete


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_handler_whose_last_write_is_under_way_ends_as_it_would(
    policy: Policy, autojump_clock: MockClock
) -> None:
    """Nothing is said after the end of the response, and the client is told once, whoever comes first."""

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "hello"}
        yield {"data": "bye"}

    client = TestClient(app_of(handler, policy))
    async with client.stream("/", wait=False) as stream:
        await stream.written(1)
        stream.pause()
        await trio.sleep(1)
        client.drain(10)
        await trio.sleep(1)
        stream.resume()
        await stream.ended()
    assert stream.complete
    assert_told_once(stream)
    if policy == "finish":
        assert b"data: hello\n\n" in stream.raw
        assert b"data: bye\n\n" in stream.raw


@pytest.mark.parametrize("writes", range(1, 4))
async def test_finish_tells_once_wherever_the_last_write_stands(writes: int, autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        for count in range(3):
            yield {"data": count}

    client = TestClient(app_of(handler, "finish"))
    async with client.stream("/", wait=False) as stream:
        await stream.started()
        if writes > 1:
            await stream.written(writes - 1)
        stream.pause()
        await trio.sleep(1)
        client.drain(10)
        await trio.testing.wait_all_tasks_blocked()
        stream.resume()
        await stream.ended()
    assert stream.complete
    assert_told_once(stream)
    assert stream.raw.count(b"data:") == 3


# -- before and after the handler


@pytest.mark.parametrize("policy", AT_ONCE)
@pytest.mark.parametrize("where", ["step", "handler"])
async def test_what_has_not_started_is_turned_away(policy: Policy, where: str, autojump_clock: MockClock) -> None:
    reasons: list[tuple[AbortReason | None, bool]] = []

    async def slow(aborted: Aborted, draining: Draining) -> None:
        try:
            await trio.sleep_forever()
        finally:
            reasons.append((aborted.reason, draining.is_set()))

    async def handler(aborted: Aborted, draining: Draining) -> Any:
        await slow(aborted, draining)

    for headers in ({}, EVENT_SOURCE):
        client = TestClient(app_of(handler, policy, *([slow] if where == "step" else [])))
        async with client.stream("/", headers=headers, wait=False) as stream:
            await trio.sleep(1)
            client.drain(10)
            await stream.ended()
        if headers:
            assert (stream.status, len(stream.writes)) == (200, 1)
            assert_told_once(stream)
            assert stream.raw.startswith(b"retry: ")
        else:
            assert stream.status == 503
            assert stream.headers["retry-after"] == "3"
            assert b"The server is shutting down." in stream.raw
        assert stream.complete
    assert reasons == [(AbortReason.DRAINING, True)] * 2


async def test_finish_lets_what_has_not_started_run(autojump_clock: MockClock) -> None:
    async def slow() -> None:
        await trio.sleep(3)

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "all"}

    client = TestClient(app_of(handler, "finish", slow))
    async with client.stream("/", wait=False) as stream:
        await trio.sleep(1)
        client.drain(10)
        await stream.ended()
    assert b"data: all\n\n" in stream.raw
    assert_told_once(stream)


async def test_finish_turns_away_what_has_not_started_at_the_deadline(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(idle(Record()), "finish", trio.sleep_forever))
    async with client.stream("/", wait=False) as stream:
        await trio.testing.wait_all_tasks_blocked()
        client.drain(10)
        await stream.ended()
    assert stream.status == 503
    assert trio.current_time() == pytest.approx(10)


@pytest.mark.parametrize("policy", POLICIES)
async def test_steps_that_are_being_left_are_left_in_peace(policy: Policy, autojump_clock: MockClock) -> None:
    record = Record()

    @asynccontextmanager
    async def session(aborted: Aborted, draining: Draining) -> AsyncIterator[None]:
        yield
        await trio.sleep(3)
        record.end(aborted, draining)

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "all"}

    client = TestClient(app_of(handler, policy, session))
    async with client.stream("/") as stream:
        await stream.event()
        await trio.sleep(1)
        client.drain(10)
        await stream.ended()
    assert (record.reason, record.drained, record.ended_at) == (None, True, pytest.approx(3))
    assert_told_once(stream)
    assert stream.complete


@pytest.mark.parametrize("policy", POLICIES)
async def test_clean_up_that_is_shielded_is_not_cut_off(policy: Policy, autojump_clock: MockClock) -> None:
    record = Record()

    async def handler(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        try:
            yield {"data": "all"}
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep(3)
                record.end(aborted, draining)

    client = TestClient(app_of(handler, policy))
    async with client.stream("/") as stream:
        await stream.event()
        await trio.sleep(1)
        client.drain(10)
        await stream.ended()
    assert (record.drained, record.ended_at) == (True, pytest.approx(3))
    assert record.reason is (None if policy == "finish" else AbortReason.DRAINING)
    assert_told_once(stream)
    assert stream.complete


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_stream_that_is_ending_for_another_reason_keeps_it(policy: Policy, autojump_clock: MockClock) -> None:
    record = Record()

    async def handler(aborted: Aborted, draining: Draining) -> AsyncIterator[Any]:
        try:
            yield {"data": "all"}
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep(3)
            record.end(aborted, draining)

    client = TestClient(app_of(handler, policy))
    async with client.stream("/") as stream:
        await stream.event()
        stream.disconnect()
        await trio.sleep(1)
        client.drain(10)
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.CLIENT_GONE, pytest.approx(3))
    assert told(stream) == []


# -- further


async def test_a_second_drain_changes_nothing(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(idle(record), "finish"))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await trio.sleep(5)
        client.drain(1)
        client.drain(100)
        await stream.ended()
    assert record.ended_at == pytest.approx(10)
    assert_told_once(stream)


async def test_an_error_during_the_drain_is_raised_and_the_client_told(autojump_clock: MockClock) -> None:
    async def handler(draining: Draining) -> AsyncIterator[Any]:
        yield {"data": "hello"}
        await draining.wait()
        await trio.sleep(1)
        raise LookupError("broken")

    client = TestClient(app_of(handler, "finish"))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert_told_once(stream)
    assert not stream.complete


async def test_heartbeats_go_on_until_the_deadline(autojump_clock: MockClock) -> None:
    route = SSE("/").heartbeat(4).on_shutdown("finish").handle(idle(Record()))
    client = TestClient(App(reconnect_delay=(2.0, 3.0)).add(route))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await stream.ended()
    assert re.fullmatch(rb":\ndata: hello\n\nretry: \d+\n:\n:\n", stream.raw)


async def test_a_stream_that_has_told_when_to_reconnect_tells_anew(autojump_clock: MockClock) -> None:
    """The route's own `retry` is for every day; the one of the drain spreads those that come back together."""
    route = SSE("/").heartbeat(None).retry(50).handle(idle(Record()))
    client = TestClient(App(reconnect_delay=(2.0, 3.0)).add(route))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await stream.ended()
    first, second = told(stream)
    assert first == 0.05
    assert 2.0 <= second <= 3.0


async def test_clients_are_spread_over_the_whole_range(autojump_clock: MockClock) -> None:
    seconds: list[float] = []

    async def one(task_status: trio.TaskStatus[None]) -> None:
        async with client.stream("/", headers=EVENT_SOURCE) as stream:
            task_status.started()
            await stream.ended()
        seconds.extend(told(stream))

    client = TestClient(App(reconnect_delay=(2.0, 3.0)).add(SSE("/").handle(trio_forever)))
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            await nursery.start(one)
        client.drain(10)
    assert len(seconds) == 50
    assert all(2.0 <= each <= 3.0 for each in seconds)
    assert max(seconds) - min(seconds) > 0.5


async def trio_forever() -> AsyncIterator[Any]:
    await trio.sleep_forever()
    yield


class Watcher:
    """A service of the request that knows of the shutdown."""

    def __init__(self, draining: Draining) -> None:
        self.draining = draining

    async def closing(self) -> str:
        await self.draining.wait()
        return "closing"


async def test_a_service_may_wait_for_the_drain(autojump_clock: MockClock) -> None:
    async def handler(watcher: Watcher) -> AsyncIterator[Any]:
        yield {"data": "open"}
        yield {"data": await watcher.closing()}

    route = SSE("/").inject(watcher=Watcher).on_shutdown("finish").handle(handler)
    client = TestClient(App().provide(Watcher, scope="request").add(route))
    async with client, client.stream("/") as stream:
        assert (await stream.event()).data == "open"
        await stream.silent_for(3)
        client.drain(10)
        assert (await stream.event()).data == "closing"
        await stream.ended()
        assert trio.current_time() == pytest.approx(3)


async def test_a_step_may_wait_for_the_drain(autojump_clock: MockClock) -> None:
    async def step(draining: Draining) -> float:
        await draining.wait()
        return trio.current_time()

    async def handler(when: float) -> AsyncIterator[Any]:
        yield {"data": when}

    client = TestClient(App().add(SSE("/").use(when=step).on_shutdown("finish").handle(handler)))
    async with client.stream("/", wait=False) as stream:
        await trio.sleep(2)
        client.drain(10)
        assert (await stream.event()).data == "2.0"


async def test_without_a_server_that_drains_it_is_never_set(autojump_clock: MockClock) -> None:
    seen: list[bool] = []

    async def handler(draining: Draining) -> AsyncIterator[Any]:
        with trio.move_on_after(3600):
            await draining.wait()
        seen.append(draining.is_set())
        yield {"data": "not yet"}

    async with TestClient(App().add(SSE("/").handle(handler)), extensions={}).stream("/") as stream:
        await stream.event()
    assert seen == [False]


def test_draining_says_what_it_is() -> None:
    assert repr(Draining()) == "<Draining: not set>"


# -- other requests


async def test_late_streams_are_turned_away(autojump_clock: MockClock) -> None:
    record = Record()
    client = TestClient(app_of(idle(record), "reconnect"))
    client.drain(10)
    reply = await client.get("/")
    assert (reply.status, reply.headers["retry-after"]) == (503, "3")
    assert reply.json()["detail"] == "The server is shutting down."
    assert reply.headers["content-type"] == "application/problem+json"
    async with client.stream("/", headers=EVENT_SOURCE) as stream:
        await stream.ended()
    assert (stream.status, stream.complete) == (200, True)
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert re.fullmatch(rb"retry: \d+\n", stream.raw)
    assert_told_once(stream)
    assert record.ended_at is None, "no handler has run"


async def test_a_late_post_of_a_stream_gets_a_status(autojump_clock: MockClock) -> None:
    """An EventSource never posts: who does reads statuses."""
    client = TestClient(App().add(SSE("/", method="POST").handle(trio_forever)))
    client.drain(10)
    assert (await client.post("/", headers=EVENT_SOURCE)).status == 503


async def test_late_plain_requests_are_turned_away(autojump_clock: MockClock) -> None:
    ran: list[str] = []
    client = TestClient(App().add(Get("/").handle(lambda: ran.append("get")), Post("/").handle(lambda: None)))
    client.drain(10)
    for method in ("GET", "POST", "HEAD"):
        reply = await client.request(method, "/")
        assert reply.status == 503
        assert 1 <= int(reply.headers["retry-after"]) <= 5
    assert (await client.get("/nowhere")).status == 404
    assert ran == []


async def test_plain_requests_in_flight_may_end(autojump_clock: MockClock) -> None:
    async def handler(aborted: Aborted, draining: Draining) -> Any:
        await draining.wait()
        await trio.sleep(9)
        return {"aborted": aborted.is_set()}

    client = TestClient(App().add(Get("/").handle(handler)))
    async with client.stream("/", wait=False) as stream:
        await trio.testing.wait_all_tasks_blocked()
        client.drain(10)
        await stream.ended()
    assert (stream.status, stream.raw) == (200, b'{"aborted":false}')
    assert trio.current_time() == pytest.approx(9)


async def test_plain_requests_in_flight_are_ended_at_the_deadline(autojump_clock: MockClock) -> None:
    record = Record()

    async def handler(aborted: Aborted, draining: Draining) -> None:
        try:
            await trio.sleep_forever()
        finally:
            record.end(aborted, draining)

    client = TestClient(App().add(Get("/").handle(handler)))
    async with client.stream("/", wait=False) as stream:
        await trio.testing.wait_all_tasks_blocked()
        client.drain(10)
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(10))
    assert (stream.status, stream.complete) == (503, True)
    assert "retry-after" in stream.headers


async def test_always_answers_even_now(autojump_clock: MockClock) -> None:
    route = Get("/live").during_shutdown().handle(lambda draining: Response({"draining": draining.is_set()}))
    client = TestClient(App().add(route))
    assert (await client.get("/live")).json() == {"draining": False}
    client.drain(10)
    assert (await client.get("/live")).json() == {"draining": True}


async def test_what_answers_even_now_has_the_same_deadline(autojump_clock: MockClock) -> None:
    record = Record()
    app = App().add(SSE("/").during_shutdown().heartbeat(None).handle(idle(record)))
    client = TestClient(app)
    client.drain(10)
    await trio.sleep(4)
    async with client.stream("/") as stream:
        await stream.event()
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.DRAINING, pytest.approx(10))
    assert stream.complete


# -- settings


@pytest.mark.parametrize("policy", POLICIES)
def test_a_route_shows_its_policy(policy: Policy) -> None:
    assert repr(SSE("/").on_shutdown(policy)) == f"SSE('/').on_shutdown({policy!r})"


@pytest.mark.parametrize("wrong", ["hand-over", "", 3, []])
def test_there_is_no_other_policy(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        SSE("/").on_shutdown(wrong)
    assert str(raised.value) == f"on_shutdown() takes one of 'reconnect', 'finish', 'cancel', not {wrong!r}"


@pytest.mark.parametrize("wrong", [(3.0, 2.0), (-1.0, 2.0), (1.0, float("inf")), (1.0,), (1.0, 2.0, 3.0)])
def test_the_range_of_seconds_is_two_numbers_in_order(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        App(reconnect_delay=wrong)
    assert str(raised.value) == (f"reconnect_delay is two numbers of seconds, the smaller one first, not {wrong!r}")
