"""Notifications: every subscriber receives what anyone publishes.

Start it from the project's root, either way:

    trio-sse run examples.notifications:app
    python examples/notifications.py

Then listen in one terminal and publish from another:

    curl -N http://127.0.0.1:8000/notifications/stream
    curl --json '{"title": "Tea is ready"}' http://127.0.0.1:8000/notifications
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from trio_sse import SSE, App, Controller, Events, Post, run

BACKLOG = 100
"""The most notifications that wait for one subscriber."""


@attrs.frozen
class Draft:
    """What a client publishes: the body of the POST."""

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
    """Sends each notification to all subscribers, in this process.

    Publishing never waits for a subscriber. One that already has `BACKLOG` notifications waiting is dropped at the
    next: its channel ends after those that wait, and so does its stream. An EventSource then reconnects by itself, and
    the next "connected" event tells the page that it may have missed something. So a slow reader costs a bounded amount
    of memory, does not delay others, and never misses a notification without noticing.
    """

    _subscribers: set[trio.MemorySendChannel[Notification]] = attrs.field(factory=set, init=False)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    @contextmanager
    def subscribe(self) -> Iterator[trio.MemoryReceiveChannel[Notification]]:
        """Subscribe for the duration of the block.

        Entering it does not await anything: all that is published from the first line of the block on is received.
        """
        send, receive = trio.open_memory_channel[Notification](BACKLOG)
        self._subscribers.add(send)
        try:
            yield receive
        finally:
            self._drop(send)
            receive.close()

    def publish(self, draft: Draft) -> Notification:
        """Give a draft a number and send it to every subscriber, without waiting for any of them."""
        notification = Notification(next(self._numbers), draft.title, draft.text)
        for send in tuple(self._subscribers):
            try:
                send.send_nowait(notification)
            except trio.WouldBlock:
                self._drop(send)
        return notification

    def _drop(self, send: trio.MemorySendChannel[Notification]) -> None:
        self._subscribers.discard(send)
        send.close()


async def stream(notifications: NotificationService) -> Events:
    """Send one client everything that is published while it is connected."""
    with notifications.subscribe() as published:  # exits when the client disconnects, and whenever else the stream ends
        yield {"event": "connected", "data": {"status": "ok"}}
        async for notification in published:
            yield {"event": "notification", "data": notification}


def publish(notifications: NotificationService, body: Draft) -> Notification:
    """Publish. The return value is the response, as JSON. It awaits nothing, so it need not be async."""
    return notifications.publish(body)


controller = Controller("/notifications").routes(
    stream=SSE("/stream").handle(stream),
    publish=Post("/").body(Draft).handle(publish),
)

app = App().provide(NotificationService).add(controller)  # the service is made once, when the server starts

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
