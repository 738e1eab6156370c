"""What a type checker knows of `trio_sse.client`. Checked by mypy and pyright, and never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

import attrs
import httpx2

from trio_sse import SSE, ServerSentEvent
from trio_sse.client import BadResponse, ConnectionFailed, EventSource, ReadyState, Retry, UnreadableEvent, Values


@attrs.frozen
class Tick:
    count: int


@attrs.frozen
class OrderUpdate:
    status: str


UPDATES: Mapping[str, type[Tick | OrderUpdate]] = {"tick": Tick, "order": OrderUpdate}


def report(error: ConnectionFailed, seconds: float) -> None:
    if isinstance(error, BadResponse):
        assert_type(error.status, int)
        assert_type(error.headers, Mapping[str, str])
        assert_type(error.body, bytes)


async def events() -> None:
    async with EventSource("http://server/", on_retry=report, retry=Retry(statuses={503}, max_attempts=3)) as source:
        assert_type(source, EventSource)
        assert_type(source.ready_state, ReadyState)
        assert_type(source.last_event_id, str | None)
        async for event in source:
            assert_type(event, ServerSentEvent[str])
    async with EventSource(httpx2.URL("http://server/"), client=httpx2.AsyncClient(), json=Tick(1)) as source:
        assert_type(await anext(source), ServerSentEvent[str])


async def values(source: EventSource) -> None:
    async for tick in source.values({"tick": Tick}):
        assert_type(tick, Tick | ServerSentEvent[str])
    assert_type(source.values(UPDATES), Values[Tick | OrderUpdate])
    async for update in source.values(UPDATES):
        match update:
            case Tick(count):
                assert_type(count, int)
            case OrderUpdate():
                assert_type(update.status, str)
            case _:
                assert_type(update, ServerSentEvent[str])


async def values_of_a_route(source: EventSource) -> None:
    route = SSE("/updates").events(tick=Tick)
    async for value in source.values(route.options.events):
        assert_type(value, Any | ServerSentEvent[str])


def unreadable(error: UnreadableEvent) -> None:
    assert_type(error.event, ServerSentEvent[str])
    assert_type(error.wanted, type[object])
