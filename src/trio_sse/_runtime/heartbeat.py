"""The heartbeat: a comment, or an event, that is sent when a stream has been silent for a while.

Owns when it is due. It is not counted as an event: it is the library that sends it.
"""

from __future__ import annotations

from typing import Final

import trio

from ..wire import encode_comment
from .writer import Writer

__all__ = ("HEARTBEAT", "beat")

HEARTBEAT: Final = encode_comment("")
"""The comment that stands first in a stream, so that `open` waits for no event; it also keeps a silent stream open."""


async def beat(writer: Writer, seconds: float, frame: bytes) -> None:
    """Write the frame whenever nothing has been written for `seconds`, until cancelled."""
    while True:
        now, due = trio.current_time(), writer.last_write + seconds
        if writer.writing:  # the client is slow, not silent: look again later, since this write may last
            due = now + seconds
        elif now >= due:
            await writer.write(frame)
            due = writer.last_write + seconds
        await trio.sleep_until(due)
