"""Notifications: whoever listens is told what anybody publishes.

Start it from the project's root, either way:

    trio-sse run examples.notifications:app
    python examples/notifications.py

Then listen in one terminal and publish from another:

    curl -N http://127.0.0.1:8000/notifications/stream
    curl --json '{"title": "Tea is ready"}' http://127.0.0.1:8000/notifications
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from trio_sse import SSE, App, Controller, Post, run

BACKLOG = 100
"""Notifications that wait for one subscriber, at most."""


@attrs.frozen
class Draft:
    """What is published: the body of the POST."""

    title: str
    text: str = ""


@attrs.frozen
class Notification:
    """What subscribers receive."""

    id: int
    title: str
    text: str


@attrs.define(eq=False)
class NotificationService:
    """Hands each notification to all who have subscribed, in this process.

    Publishing never waits, whatever the subscribers do. One who has `BACKLOG` notifications waiting and is due another
    is cut off: the channel ends after what waits in it, and so does the stream. An EventSource then comes back by
    itself, and its next "connected" event tells the page that it may have missed something. So a slow reader costs a
    bounded amount of memory, holds up nobody, and is never told less than the others without noticing.
    """

    _subscribers: set[trio.MemorySendChannel[Notification]] = attrs.field(factory=set, init=False)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    @contextmanager
    def subscribe(self) -> Iterator[trio.MemoryReceiveChannel[Notification]]:
        """Subscribe for as long as the block lasts.

        There is no await on the way in: all that is published from the first line of the block on arrives.
        """
        inlet, outlet = trio.open_memory_channel[Notification](BACKLOG)
        self._subscribers.add(inlet)
        try:
            yield outlet
        finally:
            self._cut_off(inlet)
            outlet.close()

    def publish(self, draft: Draft) -> Notification:
        """Number a draft and hand it to every subscriber, without waiting for any of them."""
        notification = Notification(next(self._numbers), draft.title, draft.text)
        for inlet in tuple(self._subscribers):
            try:
                inlet.send_nowait(notification)
            except trio.WouldBlock:
                self._cut_off(inlet)
        return notification

    def _cut_off(self, inlet: trio.MemorySendChannel[Notification]) -> None:
        self._subscribers.discard(inlet)
        inlet.close()


async def stream(notifications: NotificationService) -> AsyncIterator[dict[str, Any]]:
    """Tell one client of everything that is published while it is connected."""
    with notifications.subscribe() as published:  # left when the client goes, and however else the stream may end
        yield {"event": "connected", "data": {"status": "ok"}}
        async for notification in published:
            yield {"event": "notification", "data": notification}


def publish(notifications: NotificationService, body: Draft) -> Notification:
    """Publish; what a plain handler returns is the response, as JSON. It waits for nothing, so it need not be async."""
    return notifications.publish(body)


controller = (
    Controller("/notifications")
    .inject(notifications=NotificationService)
    .routes(
        stream=SSE("/stream").handle(stream),
        publish=Post("/").body(Draft).handle(publish),
    )
)

app = App().provide(NotificationService).add(controller)  # a server makes one service when it starts

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
