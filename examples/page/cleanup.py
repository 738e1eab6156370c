"""Client disconnect: `finally` runs when the client disconnects, and whenever else the stream ends.

curl -N http://127.0.0.1:8000/events
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import trio

from trio_sse import SSE, Controller, Events, Post


@attrs.frozen
class BusEvent:
    type: str
    payload: str


class EventBus:
    """A bus of another library, whose subscribers have to unsubscribe."""

    def __init__(self) -> None:
        self.subscribers: set[trio.MemorySendChannel[BusEvent]] = set()

    def subscribe(self) -> Subscription:
        send, receive = trio.open_memory_channel[BusEvent](100)
        self.subscribers.add(send)
        return Subscription(self, send, receive)

    async def publish(self, event: BusEvent) -> None:
        for subscriber in tuple(self.subscribers):
            await subscriber.send(event)


@attrs.frozen(eq=False)
class Subscription:
    bus: EventBus
    send: trio.MemorySendChannel[BusEvent]
    receive: trio.MemoryReceiveChannel[BusEvent]

    def __aiter__(self) -> AsyncIterator[BusEvent]:
        return aiter(self.receive)

    def unsubscribe(self) -> None:
        self.bus.subscribers.discard(self.send)
        self.receive.close()


async def events(bus: EventBus) -> Events:
    subscription = bus.subscribe()
    try:
        async for event in subscription:
            yield {"event": event.type, "data": event.payload}
    finally:
        # Runs when the client disconnects.
        subscription.unsubscribe()


async def publish(bus: EventBus, body: BusEvent) -> None:
    await bus.publish(body)


controller = Controller("/events").routes(
    stream=SSE("/").handle(events),
    publish=Post("/").body(BusEvent).handle(publish),
)
