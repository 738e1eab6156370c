"""`lifetime`: a stream ends in order after about so long, and its client comes back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, Aborted, AbortReason, App
from trio_sse.errors import BuildError
from trio_sse.testing import TestClient


def ticking(ends: list[tuple[AbortReason | None, float]]) -> Callable[..., Any]:
    async def handler(aborted: Aborted, last_event_id: str | None) -> AsyncIterator[Any]:
        count, began = int(last_event_id or 0), trio.current_time()
        try:
            while True:
                count += 1
                yield {"id": str(count), "data": count}
                await trio.sleep(1)
        finally:
            ends.append((aborted.reason, trio.current_time() - began))

    return handler


async def test_streams_end_in_order_a_tenth_earlier_or_later(autojump_clock: MockClock) -> None:
    ends: list[tuple[AbortReason | None, float]] = []
    app = App().add(SSE("/").lifetime(100).handle(ticking(ends)))
    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(read_to_the_end, app)
    seconds = [lasted for _, lasted in ends]
    assert {reason for reason, _ in ends} == {AbortReason.LIFETIME}
    assert len(ends) == 40
    assert all(90 <= each <= 110 for each in seconds)
    assert max(seconds) - min(seconds) > 5, "not all at once"
    statistics = app.statistics()
    assert (statistics.ended, statistics.open) == ({"lifetime": 40}, 0)


async def read_to_the_end(app: App) -> None:
    async with TestClient(app).stream("/") as stream:
        await stream.ended()
        assert stream.complete
        assert stream.error is None
        assert stream.raw.count(b"data:") == stream.raw.count(b"\n\n")
        assert b"retry:" not in stream.raw
        assert b"event:" not in stream.raw, "it is no event: the client comes back as after any end"


async def test_the_client_comes_back_and_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    ends: list[tuple[AbortReason | None, float]] = []
    client = TestClient(App().add(SSE("/").lifetime(20).handle(ticking(ends))))
    taken: list[str] = []
    last: str | None = None
    for _ in range(3):
        headers = {"accept": "text/event-stream"} | ({} if last is None else {"last-event-id": last})
        async with client.stream("/", headers=headers) as stream:
            taken += [str(event.data) async for event in stream]
            last = stream.last_event_id
        assert stream.status == 200
    assert taken == [str(count) for count in range(1, len(taken) + 1)]
    assert len(taken) > 50


async def test_it_begins_with_the_response_and_not_with_the_request(autojump_clock: MockClock) -> None:
    ends: list[tuple[AbortReason | None, float]] = []

    async def slow() -> None:
        await trio.sleep(1000)

    app = App().add(SSE("/").use(slow).lifetime(100).handle(ticking(ends)))
    async with TestClient(app).stream("/") as stream:
        await stream.ended()
    [(reason, seconds)] = ends
    assert reason is AbortReason.LIFETIME
    assert 90 <= seconds <= 110


async def test_aborted_is_set_first_and_the_steps_are_left(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        try:
            yield
        finally:
            seen.append("left")

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        except trio.Cancelled:
            seen.append(aborted.reason)
            raise

    app = App().add(SSE("/").use(session).lifetime(100).heartbeat(None).handle(handler))
    reply = await TestClient(app).get("/")
    assert seen == [AbortReason.LIFETIME, "left"]
    assert reply.body == b":\ndata: hello\n\n"


async def test_a_stream_that_ends_sooner_ends_by_itself(autojump_clock: MockClock) -> None:
    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        yield {"data": "all"}
        await trio.sleep(80)
        assert not aborted.is_set()

    app = App().add(SSE("/").lifetime(100).heartbeat(None).handle(handler))
    assert (await TestClient(app).get("/")).body == b":\ndata: all\n\n"
    assert app.statistics().ended == {"finished": 1}


@pytest.mark.parametrize(("lifetime", "expiry", "reason"), [(100, 50, "expired"), (100, 200, "lifetime")])
async def test_the_earlier_of_lifetime_and_expiry_counts(
    lifetime: float, expiry: float, reason: str, autojump_clock: MockClock
) -> None:
    ends: list[tuple[AbortReason | None, float]] = []

    def until(expire_at: Callable[[float], None]) -> None:
        expire_at(trio.current_time() + expiry)

    app = App(wall_clock=trio.current_time).add(SSE("/").use(until).lifetime(lifetime).handle(ticking(ends)))
    async with TestClient(app).stream("/") as stream:
        await stream.ended()
    assert [str(each) for each, _ in ends] == [reason]
    assert (b"stream-expired" in stream.raw) == (reason == "expired")


@pytest.mark.parametrize("wrong", [0, -1, math.nan, True, "5"])
def test_a_lifetime_is_a_number_above_0(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        SSE("/").lifetime(wrong)
    assert str(raised.value) == f"lifetime is a number of seconds above 0, not {wrong!r}"


def test_a_route_shows_all_its_settings_in_the_order_of_the_documentation() -> None:
    route = SSE("/a").heartbeat(5).retry(100).send_timeout(2).lifetime(3600).on_shutdown("finish")
    assert repr(route) == "SSE('/a').heartbeat(5).retry(100).send_timeout(2).lifetime(3600).on_shutdown('finish')"
    assert repr(SSE("/a").lifetime(1.5).during_shutdown()) == "SSE('/a').lifetime(1.5).during_shutdown()"


def test_each_setting_makes_another_route() -> None:
    plain = SSE("/a")
    changed = (plain.lifetime(1), plain.send_timeout(1), plain.on_shutdown("cancel"), plain.during_shutdown())
    assert plain == SSE("/a")
    assert len({plain, *changed}) == 5
    assert plain.lifetime(1) == SSE("/a").lifetime(1)
