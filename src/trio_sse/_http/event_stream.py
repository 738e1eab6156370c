"""What a stream's response consists of besides the handler's events: its headers, and the frames of the library's own.

Owns their bytes. When each of them is sent is for `_runtime.stream` to say. Pure.
"""

from __future__ import annotations

from typing import Final

from ..wire import DONE_ID, ServerSentEvent, encode

__all__ = ("DONE", "EXPIRED", "STREAM_HEADERS", "retry_frame")

STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),  # a proxy that compresses also buffers
    (b"x-accel-buffering", b"no"),  # nginx
)

DONE: Final = encode(ServerSentEvent(data=None, event="stream-done", id=DONE_ID))
"""The last event of a stream that is over for good.

It has data because the npm package `eventsource` keeps only the ids of events that it dispatches; browsers keep any.
"""

EXPIRED: Final = encode(ServerSentEvent(data=None, event="stream-expired"))
"""The last event of a stream whose credentials have expired. Without an id: the client goes on from where it was."""


def retry_frame(seconds: float) -> bytes:
    """The frame that tells a client how long to wait before it reconnects."""
    return encode(ServerSentEvent(retry=round(seconds * 1000)))
