"""Events as values of the classes that a route names."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from trio_sse import SSE, ServerSentEvent
from trio_sse.client import UnreadableEvent
from trio_sse.wire import encode

from .scripted import HANG, Server, refusing, streaming


@attrs.frozen
class Tick:
    count: int
    at: datetime | None = None


@dataclass(frozen=True)
class OrderUpdate:
    status: str


class Color(enum.StrEnum):
    RED = "red"


GONE = refusing(204)


async def values(server: Server, classes: Any) -> list[object]:
    async with server.source() as source:
        return [value async for value in source.values(classes)]


def sent(*events: ServerSentEvent) -> bytes:
    return b"".join(map(encode, events))


async def test_a_routes_map_reads_its_values_back(autojump_clock: MockClock) -> None:
    route = SSE("/updates").events(tick=Tick, order=OrderUpdate)
    tick = Tick(1, datetime(2024, 2, 3, tzinfo=UTC))
    body = sent(ServerSentEvent(tick, "tick"), ServerSentEvent(OrderUpdate("paid"), "order"))
    assert await values(Server(streaming(body), GONE), route.options.events) == [tick, OrderUpdate("paid")]


async def test_a_mapping_will_do(autojump_clock: MockClock) -> None:
    body = sent(ServerSentEvent(Tick(1), "tick"), ServerSentEvent(Tick(2)))
    assert await values(Server(streaming(body), GONE), {"tick": Tick, "message": Tick}) == [Tick(1), Tick(2)]


async def test_an_event_of_another_name_comes_as_it_is(autojump_clock: MockClock) -> None:
    body = sent(ServerSentEvent("hello", "connected", "1"), ServerSentEvent(Tick(1), "tick"))
    found = await values(Server(streaming(body), GONE), {"tick": Tick})
    assert found == [ServerSentEvent("hello", "connected", "1"), Tick(1)]


async def test_text_is_read_as_it_is_sent(autojump_clock: MockClock) -> None:
    """The server sends a str, and what is derived from it, without JSON's quotes."""
    body = sent(ServerSentEvent('"quoted"', "note"), ServerSentEvent(Color.RED, "color"))
    assert await values(Server(streaming(body), GONE), {"note": str, "color": Color}) == ['"quoted"', Color.RED]


@pytest.mark.parametrize("data", ['{"count":"one"}', "{}", "no JSON", "[" * 100_000, '{"count":1'])
async def test_data_that_do_not_fit_are_an_error_with_the_event(data: str, autojump_clock: MockClock) -> None:
    event = ServerSentEvent(data, "tick", "1")
    server = Server(streaming(sent(event, ServerSentEvent(Tick(2), "tick", "2")), HANG))
    async with server.source() as source:
        ticks = source.values({"tick": Tick})
        with pytest.raises(UnreadableEvent, match="event 'tick' is not a Tick: ") as caught:
            await anext(ticks)
        assert (caught.value.event, caught.value.wanted) == (event, Tick)
        assert source.last_event_id == "1"
        assert await anext(ticks) == Tick(2)
        assert len(server.requests) == 1


async def test_data_that_are_nested_without_end_are_an_error_as_well(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"event: deep\ndata: " + b"[" * 100_000 + b"\n\n", HANG))
    async with server.source() as source:
        with pytest.raises(UnreadableEvent, match="'deep' is not a list: "):
            await anext(source.values({"deep": list}))


async def test_text_of_the_wrong_kind_is_an_error_as_well(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"event: color\ndata: blue\n\n", HANG))
    async with server.source() as source:
        with pytest.raises(UnreadableEvent, match="'color' is not a Color"):
            await anext(source.values({"color": Color}))


async def test_data_have_no_power_over_terminals_and_logs(autojump_clock: MockClock) -> None:
    server = Server(streaming("event: color\ndata: \x1b[2J\u2028\nevent: a\x1bb\n\n".encode(), HANG))
    async with server.source() as source:
        with pytest.raises(UnreadableEvent) as caught:
            await anext(source.values({"a\x1bb": Color}))
        assert str(caught.value).isprintable()


async def test_a_plain_class_is_refused_at_once(autojump_clock: MockClock) -> None:
    class Plain:
        pass

    async with Server(GONE).source() as source:
        with pytest.raises(TypeError, match="Plain is a plain class"):
            source.values({"plain": Plain})
