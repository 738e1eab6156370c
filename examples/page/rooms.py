"""Path parameters: a handler takes them by name, and they are converted to their annotations.

curl -N http://127.0.0.1:8000/rooms/kitchen/events
curl -N http://127.0.0.1:8000/floors/3/events
"""

from __future__ import annotations

from trio_sse import SSE, Controller, Events, PathParams


async def by_params(params: PathParams) -> Events:
    yield {"data": {"room": params.room_id}}


async def by_name(floor: int) -> Events:  # a path without a number is a 404
    yield {"data": {"floor": floor}}


controller = Controller("/").routes(
    room=SSE("/rooms/:room_id/events").handle(by_params),
    floor=SSE("/floors/:floor/events").handle(by_name),
)
