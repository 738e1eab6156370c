"""A basic stream: a controller with a service, and a handler that yields events.

curl -N http://127.0.0.1:8000/notifications/stream
curl --json '{"text": "Tea is ready"}' http://127.0.0.1:8000/notifications
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs

from trio_sse import SSE, Controller, Events, Post
from trio_sse.topics import MemoryTopic


@attrs.frozen
class Notification:
    text: str


class NotificationService:
    def __init__(self) -> None:
        self._topic = MemoryTopic[Notification]("notifications")

    def subscribe(self) -> AsyncIterator[Notification]:
        return aiter(self._topic)

    async def notify(self, notification: Notification) -> None:
        await self._topic.publish(notification)


async def stream(notifications: NotificationService) -> Events:
    published = notifications.subscribe()  # nothing that is published from here on is missed
    yield {"event": "connected", "data": {"status": "ok"}}

    async for notification in published:
        yield {"event": "notification", "data": notification}


async def notify(notifications: NotificationService, body: Notification) -> None:
    await notifications.notify(body)


controller = Controller("/notifications").routes(
    stream=SSE("/stream").handle(stream),
    notify=Post("/").body(Notification).handle(notify),
)
