"""The heartbeat: a comment that is sent when a stream has been silent for a while.

Owns when it is due. Its bytes are `_http.event_stream.HEARTBEAT`.
"""

from __future__ import annotations

import trio

from .writer import Writer

__all__ = ("beat",)


async def beat(writer: Writer, seconds: float, frame: bytes) -> None:
    """Write `frame` whenever nothing has been written for `seconds`, until cancelled."""
    while True:
        now, due = trio.current_time(), writer.last_write + seconds
        if writer.writing:  # the client is slow, not silent: look again later, since this write may last
            due = now + seconds
        elif now >= due:
            await writer.write(frame)
            due = writer.last_write + seconds
        await trio.sleep_until(due)
