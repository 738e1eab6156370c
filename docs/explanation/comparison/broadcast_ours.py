from contextlib import suppress

import attrs
from attrs.validators import max_len, min_len

from trio_sse import SSE, App, Post
from trio_sse.topics import Lagged, MemoryTopic


@attrs.frozen
class Notification:
    title: str = attrs.field(validator=[min_len(1), max_len(100)])
    text: str = ""


notifications = MemoryTopic[Notification]("notifications", backlog=100)


@SSE("/notifications").handle
async def stream():
    published = aiter(notifications)
    yield {"event": "connected", "data": {}}
    with suppress(Lagged):
        async for notification in published:
            yield {"event": "notification", "data": notification}


@Post("/notifications").body(Notification).handle
async def publish(body: Notification):
    await notifications.publish(body)
    return body


app = App().add(stream, publish)
