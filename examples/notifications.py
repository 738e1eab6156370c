"""Notifications: every subscriber receives what anyone publishes, and what it has missed when it comes back.

Start it from the project's root, either way:

    trio-sse run examples.notifications:app
    python examples/notifications.py

Then listen in one terminal and publish from another:

    curl -N http://127.0.0.1:8000/notifications/stream
    curl --json '{"title": "Tea is ready"}' http://127.0.0.1:8000/notifications
"""

from __future__ import annotations

import attrs

from trio_sse import SSE, App, Controller, Post, run
from trio_sse.topics import History, MemoryTopics, Topics

TOPIC = "notifications"


@attrs.frozen
class Notification:
    """What a client publishes, and what subscribers receive. Its id is that of the event."""

    title: str
    text: str = ""


def make_topics() -> Topics:
    """The topics, in this process. A client that comes back within a day gets what it has missed."""
    topics = MemoryTopics()
    topics.keep(TOPIC, History(count=100, seconds=24 * 3600))
    return topics


async def publish(topics: Topics, body: Notification) -> Notification:
    """Publish. It never waits for a subscriber. The return value is the response, as JSON."""
    await topics.topic(TOPIC).publish(body)
    return body


controller = Controller("/notifications").routes(
    stream=SSE("/stream").events(notification=Notification).topic(TOPIC),
    publish=Post("/").body(Notification).handle(publish),
)

app = App().provide(make_topics).add(controller)  # the topics are made once, when the server starts

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
