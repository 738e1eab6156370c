"""Mistakes that mypy and pyright find. Each line has a `type: ignore`; one that is not needed is an error for both."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from trio_sse import SSE, App, Done, Events, Get, ServerSentEvent
from trio_sse.context import CountAs, ExpireAt, URLFor
from trio_sse.testing import TestClient
from trio_sse.wire import EventFields


@attrs.frozen
class Tick:
    count: int


# -- what a handler yields, at the `yield`


async def mistaken() -> Events:
    yield {"dta": 1}  # type: ignore[misc]
    yield {"data": 1, "event": 1}  # type: ignore[misc]
    yield {"data": 1, "retry": "1000"}  # type: ignore[misc]
    yield 5  # type: ignore[misc]
    yield "text"  # type: ignore[misc]
    yield None  # type: ignore[misc]
    yield Tick(1)  # type: ignore[misc]
    yield ServerSentEvent(1, evnt="tick")  # type: ignore[call-arg]
    yield ServerSentEvent(1, id=7)  # type: ignore[arg-type]
    yield [{"dta": 1}]  # type: ignore[list-item]
    yield Done  # type: ignore[misc]


async def right(fields: EventFields, events: list[ServerSentEvent[str]]) -> Events:
    yield {"data": 1}
    yield {"data": None, "event": None, "id": "7", "retry": 1000, "comment": "…"}
    yield ServerSentEvent(Tick(1))
    yield ServerSentEvent(event="tick")
    yield fields
    yield events
    yield [*events, {"data": 1}, Done()]
    yield Done()


# -- what a handler yields, at `.handle`


async def numbers() -> AsyncIterator[int]:
    yield 5


async def ticks() -> AsyncIterator[Tick]:
    yield Tick(1)


async def anything() -> AsyncIterator[Any]:
    yield 5


async def mappings() -> AsyncIterator[dict[str, object]]:
    yield {"data": 1}


async def opens(room: int) -> AsyncIterator[dict[str, object]]:
    return mappings()


@asynccontextmanager
async def entered() -> AsyncGenerator[AsyncIterator[ServerSentEvent]]:
    raise NotImplementedError
    yield


async def opens_numbers() -> AsyncIterator[int]:
    return numbers()


async def one() -> dict[str, int]:
    return {"data": 1}


def nothing() -> None: ...


SSE("/").handle(numbers)  # type: ignore[type-var]
SSE("/").handle(ticks)  # type: ignore[type-var]
SSE("/").handle(opens_numbers)  # type: ignore[type-var]
SSE("/").handle(one)  # type: ignore[type-var]
SSE("/").handle(nothing)  # type: ignore[type-var]
SSE("/").events(tick=Tick).handle(one)  # type: ignore[type-var]
SSE("/").heartbeat(5).events(tick=Tick).retry(10).handle(ticks)
SSE("/").handle(anything)
SSE("/").handle(mappings)
SSE("/").handle(opens)
SSE("/").handle(entered)
Get("/").handle(one)
Get("/").handle(nothing)


# -- decorated handlers


@SSE("/:room").handle
async def decorated(room: int) -> Events:
    yield {"data": room}


decorated("7")  # type: ignore[arg-type]
decorated(floor=7)  # type: ignore[call-arg]
Get("/").handle(5)  # type: ignore[call-overload]
Get("/").guard(True)  # type: ignore[call-overload]
Get("/").use(user=5)  # type: ignore[call-overload]


# -- built-in functions, and what has been read


def step(url: URLFor, expire_at: ExpireAt, count_as: CountAs) -> None:
    url(7)  # type: ignore[arg-type]
    expire_at("soon")  # type: ignore[arg-type]
    count_as([])  # type: ignore[arg-type]


async def read(client: TestClient) -> None:
    async with client.stream("/", headers={"last-event-id": 7}) as stream:  # type: ignore[dict-item]
        event = await stream.event()
        print(event.data.missing)  # type: ignore[attr-defined]
        print(event.data + 1)  # type: ignore[operator]


App().add(decorated, SSE)  # type: ignore[arg-type]
