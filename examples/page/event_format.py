"""The fields of an event: all that the format has, or only data.

curl -N http://127.0.0.1:8000/event-format
"""

from __future__ import annotations

from trio_sse import SSE, Done, Events, ServerSentEvent


@SSE("/event-format").handle
async def route() -> Events:
    # All fields except data are optional.
    yield {
        "event": "update",  # event: update
        "id": "42",  # id: 42
        "data": {"count": 1},  # data: {"count":1}
        "retry": 5000,  # retry: 5000
    }

    # Only data.
    yield {"data": "hello"}  # data: hello

    # The same as a ServerSentEvent, which an editor completes and a type checker checks.
    yield ServerSentEvent({"count": 2}, event="update", id="43")

    # The end of the stream: an EventSource does not reconnect.
    yield Done()
