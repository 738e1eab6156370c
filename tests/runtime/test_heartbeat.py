"""The heartbeat: a comment when nothing else has been written for a while."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, App, Get
from trio_sse.testing import TestClient

BEAT = b":\n"


async def quiet() -> AsyncIterator[Any]:
    await trio.sleep_forever()
    yield


async def test_it_beats_every_fifteen_seconds_of_silence(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").handle(quiet))).stream("/") as stream:
        await trio.sleep(14.9)
        assert stream.writes == [BEAT]  # the first frame, which opens the stream
        await trio.sleep(0.2)
        assert stream.writes == [BEAT] * 2
        await trio.sleep(3600)
    assert len(stream.writes) == 2 + 240


async def test_traffic_puts_it_off(autojump_clock: MockClock) -> None:
    async def busy() -> AsyncIterator[Any]:
        for _ in range(100):
            yield {"data": 1}
            await trio.sleep(14)

    async with TestClient(App().add(SSE("/").handle(busy))).stream("/") as stream:
        await stream.ended()
    assert stream.writes.count(BEAT) == 1


async def test_it_comes_fifteen_seconds_after_the_last_write(autojump_clock: MockClock) -> None:
    async def once() -> AsyncIterator[Any]:
        await trio.sleep(10)
        yield {"data": 1}
        await trio.sleep_forever()

    async with TestClient(App().add(SSE("/").handle(once))).stream("/") as stream:
        await trio.sleep(24.9)
        assert stream.writes.count(BEAT) == 1
        await trio.sleep(0.2)
        assert stream.writes.count(BEAT) == 2


async def test_a_route_can_have_its_own_time_or_none(autojump_clock: MockClock) -> None:
    app = App().add(SSE("/often").heartbeat(1).handle(quiet), SSE("/never").heartbeat(None).handle(quiet))
    async with TestClient(app).stream("/often") as often, TestClient(app).stream("/never") as never:
        await trio.sleep(60.5)
    assert len(often.writes) == 1 + 60
    assert never.writes == [BEAT]


@pytest.mark.parametrize(
    ("options", "frame"),
    [
        ({"event": "ping"}, b"event: ping\ndata: {}\n\n"),
        ({"event": "ping", "data": '{"type": "ping"}'}, b'event: ping\ndata: {"type": "ping"}\n\n'),
        ({"event": "é", "data": "a\nb"}, "event: é\ndata: a\ndata: b\n\n".encode()),
    ],
)
async def test_it_can_be_an_event(options: dict[str, str], frame: bytes, autojump_clock: MockClock) -> None:
    app = App().add(SSE("/").heartbeat(10, **options).handle(quiet))
    async with TestClient(app).stream("/") as stream:
        await trio.sleep(31)
        assert stream.writes == [BEAT, frame, frame, frame]  # the opening line is still a comment
        assert app.statistics().events == 0
        assert app.statistics().bytes == len(stream.raw)


async def test_an_event_that_is_the_heartbeat_leaves_the_clients_last_id(autojump_clock: MockClock) -> None:
    async def once() -> AsyncIterator[Any]:
        yield {"id": "7", "data": 1}
        await trio.sleep_forever()

    async with TestClient(App().add(SSE("/").heartbeat(10, event="ping").handle(once))).stream("/") as stream:
        assert [(event.event, event.id) for event in await stream.events(2)] == [(None, "7"), ("ping", "7")]


@pytest.mark.parametrize("seconds", [0.5, 2, 15])
async def test_it_does_not_depend_on_how_late_it_is(seconds: float, autojump_clock: MockClock) -> None:
    autojump_clock.jump(1000)
    async with TestClient(App().add(SSE("/").heartbeat(seconds).handle(quiet))).stream("/") as stream:
        await trio.sleep(seconds * 0.9)
        assert stream.writes == [BEAT]
        await trio.sleep(seconds * 0.2)
        assert stream.writes == [BEAT] * 2
        await trio.sleep(seconds * 20)
    assert stream.writes == [BEAT] * 22


async def test_it_is_back_in_time_after_a_write_that_took_long(autojump_clock: MockClock) -> None:
    async def twice() -> AsyncIterator[Any]:
        yield {"data": 1}
        await trio.sleep(1)
        yield {"data": 2}
        await trio.sleep_forever()

    autojump_clock.jump(1000)
    async with TestClient(App().add(SSE("/").heartbeat(2).handle(twice))).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(3)  # the second event is under way when the heartbeat is due
        stream.resume()
        await trio.sleep(1.9)
        assert stream.writes == [BEAT, b"data: 1\n\n", b"data: 2\n\n"]
        await trio.sleep(0.2)
        assert stream.writes == [BEAT, b"data: 1\n\n", b"data: 2\n\n", BEAT]


async def test_it_does_not_queue_up_behind_a_slow_client_nor_spin(autojump_clock: MockClock) -> None:
    async def eager() -> AsyncIterator[Any]:
        while True:
            yield {"data": 1}
            await trio.sleep(1000)

    async with TestClient(App(send_timeout=math.inf).add(SSE("/").heartbeat(1).handle(eager))).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(5000)
        stream.resume()
        await wait_all_tasks_blocked()
        # one heartbeat was under way, and one event waited behind it
        assert stream.writes == [BEAT, b"data: 1\n\n", BEAT, b"data: 1\n\n"]


async def test_a_write_in_flight_counts_as_traffic(autojump_clock: MockClock) -> None:
    async def twice() -> AsyncIterator[Any]:
        yield {"data": 1}
        await trio.sleep(1)
        yield {"data": 2}
        await trio.sleep_forever()

    async with TestClient(App(send_timeout=math.inf).add(SSE("/").handle(twice))).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(100.5)  # the second event is stuck, and the heartbeat of second 15 does not queue up behind it
        stream.resume()
        await wait_all_tasks_blocked()
        assert stream.writes == [BEAT, b"data: 1\n\n", b"data: 2\n\n"]


async def test_one_that_fails_ends_the_stream_with_its_error(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").handle(quiet))).stream("/") as stream:
        await stream.written(1)
        await wait_all_tasks_blocked()
        stream.fail_send(RuntimeError("broken middleware"))
        await stream.ended()
        assert trio.current_time() == 15
        assert "broken middleware" in repr(stream.claim_error())


async def test_the_handler_waits_for_a_heartbeat_in_flight(autojump_clock: MockClock) -> None:
    async def late() -> AsyncIterator[Any]:
        await trio.sleep(20)
        yield {"data": 1}

    async with TestClient(App().add(SSE("/").handle(late))).stream("/") as stream:
        await stream.started()
        await wait_all_tasks_blocked()
        stream.pause()
        await trio.sleep(25)  # the heartbeat of second 15 is stuck, and the event behind it
        assert stream.writes == [BEAT]
        stream.resume()
        await stream.ended()
    assert stream.writes == [BEAT, BEAT, b"data: 1\n\n", b""]


async def test_it_waits_for_the_start_of_a_slow_handler(autojump_clock: MockClock) -> None:
    async def slow() -> AsyncIterator[Any]:
        await trio.sleep(100)
        return quiet()

    async with TestClient(App().add(SSE("/").handle(slow))).stream("/", wait=False) as stream:
        await trio.sleep(99)
        assert stream.status is None
        await trio.sleep(10)
        assert stream.writes == [BEAT]


async def test_it_ends_with_the_stream(autojump_clock: MockClock) -> None:
    async def short() -> AsyncIterator[Any]:
        yield {"data": 1}

    async with TestClient(App().add(SSE("/").heartbeat(1).handle(short))).stream("/") as stream:
        await stream.ended()
        await trio.sleep(10)
    assert stream.writes == [BEAT, b"data: 1\n\n", b""]


async def test_a_stalled_loop_makes_no_burst(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").heartbeat(1).handle(quiet))).stream("/") as stream:
        await trio.sleep(3.5)
        before = len(stream.writes)
        autojump_clock.jump(60)  # the loop did not run for a minute
        await wait_all_tasks_blocked()
        assert len(stream.writes) == before + 1


async def test_a_hundred_streams_for_an_hour(autojump_clock: MockClock) -> None:
    client = TestClient(App().add(SSE("/").handle(quiet), Get("/x").handle(lambda: 1)))
    streams = []

    async def watch() -> None:
        async with client.stream("/") as stream:
            streams.append(stream)
            await trio.sleep(3601)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(watch)
    assert {len(stream.writes) for stream in streams} == {1 + 240}
