"""`send_timeout`: a client that takes nothing is dropped in time, and one that is merely slow is not."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from support.asgi import scope_of
from trio_sse import SSE, Aborted, AbortReason, App, Get
from trio_sse.errors import BuildError
from trio_sse.testing import TestClient, TestStream

PIECE = 64 * 1024


@attrs.define
class Record:
    """What a stream saw of its end."""

    reason: AbortReason | None = None
    ended_at: Any = None  # in Trio's time; pytest.approx() is no float

    def end(self, aborted: Aborted) -> None:
        assert self.ended_at is None, "it ends once"
        self.reason, self.ended_at = aborted.reason, trio.current_time()


def pouring(record: Record, data: Any = "x", every: float = 1.0) -> Callable[..., Any]:
    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": data}
                await trio.sleep(every)
        finally:
            record.end(aborted)

    return handler


def frame_of(size: int) -> str:
    """Data whose frame has so many bytes."""
    return "x" * (size - len("data: \n\n"))


@pytest.mark.parametrize(
    ("of_the_app", "of_the_route", "seconds"),
    [(None, None, 20), (5.0, None, 5), (5.0, 30, 30), (None, 0.5, 0.5), (5.0, 7.5, 7.5)],
)
async def test_a_client_that_takes_nothing_is_dropped_in_time(
    of_the_app: float | None, of_the_route: float | None, seconds: float, autojump_clock: MockClock
) -> None:
    record = Record()
    route = SSE("/").heartbeat(None)
    route = route if of_the_route is None else route.send_timeout(of_the_route)
    settings: dict[str, float] = {} if of_the_app is None else {"send_timeout": of_the_app}
    app = App(**settings).add(route.handle(pouring(record)))  # type: ignore[arg-type]
    async with TestClient(app).stream("/") as stream:
        await trio.sleep(10.5)
        stream.pause()
        await stream.ended()
        assert trio.current_time() == pytest.approx(11 + seconds), "the write began at 11"
    assert (record.reason, record.ended_at) == (AbortReason.TOO_SLOW, pytest.approx(11 + seconds))
    assert not stream.complete
    assert stream.raw.count(b"data:") == 11
    statistics = app.statistics()
    assert (statistics.slow, statistics.open, statistics.ended) == (1, 0, {"too_slow": 1})


async def test_a_client_that_reads_again_in_time_is_not_dropped(autojump_clock: MockClock) -> None:
    record = Record()
    app = App(send_timeout=5).add(SSE("/").heartbeat(None).handle(pouring(record)))
    async with TestClient(app).stream("/") as stream:
        for _ in range(10):
            stream.pause()
            await trio.sleep(4.9)
            stream.resume()
            await trio.sleep(0.1)
        assert record.ended_at is None
    assert record.reason is AbortReason.CLIENT_GONE
    assert app.statistics().slow == 0


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(PIECE - 1, 1), (PIECE, 1), (PIECE + 1, 2), (2 * PIECE, 2), (2 * PIECE + 1, 3), (10 * PIECE, 10)],
)
async def test_a_large_write_has_the_time_for_each_64_kib(size: int, pieces: int, autojump_clock: MockClock) -> None:
    record = Record()
    app = App(send_timeout=5).add(SSE("/").heartbeat(None).handle(pouring(record, frame_of(size), every=1)))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        assert len(stream.writes[1]) == size
        stream.pause()
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.TOO_SLOW, pytest.approx(1 + 5 * pieces))


async def test_heartbeats_alone_find_a_client_that_takes_nothing(autojump_clock: MockClock) -> None:
    record = Record()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            record.end(aborted)

    app = App(send_timeout=5).add(SSE("/").heartbeat(15).handle(handler))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        await trio.sleep(20)
        stream.pause()
        await stream.ended()
    assert (record.reason, record.ended_at) == (AbortReason.TOO_SLOW, pytest.approx(35))
    assert app.statistics().slow == 1


async def test_a_client_that_does_not_take_the_headers_is_dropped(autojump_clock: MockClock) -> None:
    record = Record()
    app = App(send_timeout=5).add(SSE("/").handle(pouring(record)))
    async with TestClient(app).stream("/", wait=False) as stream:
        stream.pause()
        await stream.ended()
    assert trio.current_time() == pytest.approx(5)
    assert record.ended_at is None, "the handler has not begun"
    assert stream.status is None


async def test_a_plain_response_has_a_limit_too(autojump_clock: MockClock) -> None:
    app = App(send_timeout=5).add(Get("/").handle(lambda: "x" * 3 * PIECE))
    async with TestClient(app).stream("/", wait=False) as stream:
        stream.pause()
        await stream.ended()
    assert trio.current_time() == pytest.approx(5), "for its headers"
    assert len((await TestClient(app).get("/")).body) == 3 * PIECE + 2


async def test_a_plain_body_has_its_time_for_each_64_kib(autojump_clock: MockClock) -> None:
    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await trio.sleep_forever()

    app = App(send_timeout=5).add(Get("/").handle(lambda: "x" * 3 * PIECE))
    await app(scope_of("GET", "/", {}), TestStream().receive, send)
    assert trio.current_time() == pytest.approx(20), "a little more than three"


async def test_a_plain_response_that_is_read_in_time_is_whole(autojump_clock: MockClock) -> None:
    app = App(send_timeout=5).add(Get("/").handle(lambda: "all"))
    async with TestClient(app).stream("/", wait=False) as stream:
        stream.pause()
        await trio.sleep(4.9)
        stream.resume()
        await stream.ended()
    assert (stream.raw, stream.complete) == (b'"all"', True)


async def test_a_refusal_that_nobody_takes_is_given_up(autojump_clock: MockClock) -> None:
    async with TestClient(App(send_timeout=5)).stream("/nowhere", wait=False) as stream:
        stream.pause()
        await stream.ended()
    assert trio.current_time() == pytest.approx(5)


async def test_clean_up_runs_to_its_end_after_a_time_out(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    async def handler() -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x"}
                await trio.sleep(1)
        finally:
            with trio.move_on_after(3, shield=True):
                await trio.sleep(2)
                seen.append("saved")

    app = App(send_timeout=5).add(SSE("/").heartbeat(None).handle(handler))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
    assert seen == ["saved"]


async def test_the_time_out_is_raised_as_a_cancellation_at_the_yield(autojump_clock: MockClock) -> None:
    seen: list[tuple[str, bool]] = []

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        while True:
            try:
                yield {"data": "x"}
            except trio.Cancelled:
                seen.append(("yield", aborted.is_set()))
                raise
            await trio.sleep(1)

    app = App(send_timeout=5).add(SSE("/").heartbeat(None).handle(handler))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
    assert seen == [("yield", True)]


async def test_a_limit_of_the_handlers_own_is_its_own_affair(autojump_clock: MockClock) -> None:
    """One that is shorter than the app's is not taken for it."""
    record = Record()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "first"}
            await trio.sleep(1)
            with trio.move_on_after(2) as own:
                yield {"data": "second"}
            assert own.cancelled_caught
            assert not aborted.is_set()
        finally:
            record.end(aborted)

    app = App(send_timeout=5, cleanup_timeout=1).add(SSE("/").heartbeat(None).handle(handler))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(3.5)
        assert (record.reason, record.ended_at) == (None, pytest.approx(3))
        stream.resume()
        await stream.ended()


async def test_without_a_limit_a_client_may_take_for_ever(autojump_clock: MockClock) -> None:
    record = Record()
    app = App(send_timeout=math.inf).add(SSE("/").heartbeat(None).handle(pouring(record)))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(20 * 3600)
        assert record.ended_at is None
        stream.resume()
        await stream.event()


@pytest.mark.parametrize("wrong", [0, -1, math.nan, True, "5"])
def test_a_routes_limit_is_a_number_above_0(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        SSE("/").send_timeout(wrong)
    assert str(raised.value) == f"send_timeout is a number of seconds above 0, not {wrong!r}"


@pytest.mark.parametrize("wrong", [0, -1, math.nan])
def test_the_apps_limit_is_a_number_above_0(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        App(send_timeout=wrong)
    assert str(raised.value) == f"send_timeout is a number of seconds above 0, not {wrong!r}"


def test_a_route_shows_its_limit() -> None:
    assert repr(SSE("/").send_timeout(2.5)) == "SSE('/').send_timeout(2.5)"


class HangsUp:
    """An app behind a server that closes a connection whose write was cut off, and says so before the write is over."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        closed = trio.Event()

        async def receive() -> Any:
            await closed.wait()
            return {"type": "http.disconnect"}

        async def send_or_close(message: Any) -> None:
            try:
                await send(message)
            except trio.Cancelled:
                closed.set()
                with trio.move_on_after(5, shield=True):
                    await trio.sleep(1)
                raise

        await self._app(scope, receive, send_or_close)


async def test_a_client_that_is_hung_up_on_for_it_is_too_slow_and_not_gone(autojump_clock: MockClock) -> None:
    reasons = []

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "more"}
        finally:
            reasons.append(aborted.reason)

    app = HangsUp(App(send_timeout=3).add(SSE("/").heartbeat(None).handle(handler)))
    async with TestClient(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
    assert reasons == [AbortReason.TOO_SLOW]
