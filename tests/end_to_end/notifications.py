"""The app that foreign clients are shown: the notifications of the page that the library ports, and a story in parts.

Written as a user would write it; the tests look at `Notifications` to know where the server stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from trio_sse import SSE, App, Done, Get, Response

__all__ = ("NAMES", "STORY", "Notifications", "notifying", "telling")

STORY = ("one", "two\nlines", 'three: "quoted"', "four — ¼ 🙂", "five\u2028still five")
NAMES = ("connected", "notification", "chapter", "stream-error")
PER_VISIT = 2


@attrs.define
class Notifications:
    """What is published goes to everybody who is subscribed at that moment."""

    _subscribers: set[trio.MemorySendChannel[Any]] = attrs.field(factory=set)
    arrived: trio.Event = attrs.field(factory=trio.Event)
    left: trio.Event = attrs.field(factory=trio.Event)

    def publish(self, notification: Any) -> None:
        for subscriber in self._subscribers:
            subscriber.send_nowait(notification)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Any]]:
        send, receive = trio.open_memory_channel[Any](10)
        self._subscribers.add(send)
        self.arrived.set()
        try:
            with receive:
                yield receive
        finally:
            self._subscribers.remove(send)
            send.close()
            self.left.set()


def notifying(notifications: Notifications) -> App:
    """An endless stream of what is published."""

    async def stream() -> AsyncIterator[Any]:
        yield {"event": "connected", "data": {"status": "ok"}}
        async with notifications.subscribe() as subscription:
            async for notification in subscription:
                yield {"event": "notification", "id": str(notification["n"]), "data": notification}

    return App().add(SSE("/notifications/stream").handle(stream))


def telling(resumed_from: list[str | None], page: str = "") -> App:
    """A story of which each visit tells two parts and ends; with the last part it says that it is done."""

    async def story(last_event_id: str | None) -> AsyncIterator[Any]:
        resumed_from.append(last_event_id)
        start = int(last_event_id or 0)
        for number, part in list(enumerate(STORY, 1))[start : start + PER_VISIT]:
            yield {"event": "chapter", "id": str(number), "data": part}
        if start + PER_VISIT >= len(STORY):
            yield Done()

    def show() -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    return App().add(SSE("/story").retry(10).handle(story), Get("/").handle(show))
