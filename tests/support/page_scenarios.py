"""What each example of the page does, told once for two ways to ask: in memory and through a real server.

Owns the scenarios. How one asks is a `Talk`; the two of them are beside the tests.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

__all__ = ("SCENARIOS", "Answer", "Event", "Events", "Talk")

Event = tuple[str, str]
"""An event's name and its data."""


class Events(Protocol):
    """A stream that has been answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    async def next(self) -> Event | None:
        """The next event, or None at the end."""
        ...


class Answer(Protocol):
    """A whole response."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    def json(self) -> Any:
        """The body."""
        ...


class Talk(Protocol):
    """A client of the app."""

    def stream(self, path: str, headers: Mapping[str, str] = ...) -> AbstractAsyncContextManager[Events]:
        """Open a stream; leaving the block disconnects, and waits until the app has noticed."""
        ...

    async def get(self, path: str) -> Answer:
        """Ask for something."""
        ...

    async def post(self, path: str, body: Any = ...) -> Answer:
        """Send something as JSON."""
        ...

    async def idle(self) -> None:
        """Wait until the handlers that have been started wait for something."""
        ...


async def notifications(talk: Talk) -> None:
    """A listener is greeted, then told what is published."""
    async with talk.stream("/notifications/stream") as events:
        assert await events.next() == ("connected", '{"status":"ok"}')
        assert (await talk.post("/notifications", {"text": "Tea is ready"})).status == 204
        assert await events.next() == ("notification", '{"text":"Tea is ready"}')


async def event_format(talk: Talk) -> None:
    """Each field is there, a value does the same as a mapping, and the stream ends for good."""
    async with talk.stream("/event-format") as events:
        assert await events.next() == ("update", '{"count":1}')
        assert await events.next() == ("message", "hello")
        assert await events.next() == ("update", '{"count":2}')
        assert await events.next() == ("stream-done", "null")
        assert await events.next() is None
    async with talk.stream("/event-format", {"last-event-id": "trio-sse.done"}) as events:
        assert events.status == 204


async def rooms(talk: Talk) -> None:
    """A path parameter is text, or what its annotation says."""
    async with talk.stream("/rooms/tea%20kitchen/events") as events:
        assert await events.next() == ("message", '{"room":"tea kitchen"}')
    async with talk.stream("/floors/3/events") as events:
        assert await events.next() == ("message", '{"floor":3}')
    assert (await talk.get("/floors/third/events")).status == 404


async def tickets(talk: Talk) -> None:
    """A reference is looked up in the stream; a model that is required is looked up before it."""
    async with talk.stream("/tickets/9/events") as events:
        assert await events.next() == ("error", '{"message":"Not found"}')
        assert await events.next() is None
    assert (await talk.get("/tickets/9/follow")).status == 404
    assert (await talk.get("/tickets/tea/events")).status == 404
    for path in ("events", "follow"):
        async with talk.stream(f"/tickets/1/{path}") as events:
            assert await events.next() == ("connected", '{"subject":"No tea"}')
            await talk.idle()
            await talk.post("/tickets/2/comments", {"text": "to nobody"})
            await talk.post("/tickets/1/comments", {"text": path})
            assert await events.next() == ("comment", json.dumps({"text": path}, separators=(",", ":")))


async def dashboard(talk: Talk) -> None:
    """No token is a 401, the wrong role a 403, and only then comes the stream."""
    async with talk.stream("/dashboard/events") as events:
        assert events.status == 401
    async with talk.stream("/dashboard/events", {"authorization": "Bearer guest"}) as events:
        assert events.status == 403
    async with talk.stream("/dashboard/events", {"authorization": "Bearer root"}) as events:
        assert await events.next() == ("welcome", '{"name":"Ada"}')


async def cleanup(talk: Talk) -> None:
    """What is published comes; the subscription of one who has gone is given back, so that nobody waits for it."""
    async with talk.stream("/events") as events:
        await talk.idle()
        await talk.post("/events", {"type": "tea", "payload": "ready"})
        assert await events.next() == ("tea", "ready")
    for _ in range(101):  # one more than a subscription that nobody reads could hold
        assert (await talk.post("/events", {"type": "tea", "payload": "cold"})).status == 204


async def cancelling(talk: Talk) -> None:
    """The job of a client that has gone is cancelled."""
    async with talk.stream("/videos/tea/transcode") as events:
        assert await events.next() == ("progress", "10")
        assert (await talk.get("/videos/running")).json() == ["tea"]
    assert (await talk.get("/videos/running")).json() == []


async def orders(talk: Talk) -> None:
    """Plain routes and streams in one controller, on the same service."""
    assert (await talk.get("/orders")).json()[0] == {"id": 1, "item": "Assam", "shipped": False}
    async with talk.stream("/orders/9/events") as events:
        assert await events.next() is None
    async with talk.stream("/orders/1/events") as events:
        await talk.idle()
        assert (await talk.post("/orders/1/ship")).status == 204
        assert await events.next() == ("shipped", '{"item":"Assam"}')
    assert (await talk.get("/orders")).json()[0] == {"id": 1, "item": "Assam", "shipped": True}


SCENARIOS: tuple[Callable[[Talk], Awaitable[None]], ...] = (
    notifications,
    event_format,
    rooms,
    tickets,
    dashboard,
    cleanup,
    cancelling,
    orders,
)
