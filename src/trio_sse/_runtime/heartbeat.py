"""The heartbeat: a comment that is sent when a stream has been silent for a while.

Owns its bytes, and when it is due.
"""

from __future__ import annotations

from typing import Final

import trio

from ..wire import encode_comment
from .writer import Writer

__all__ = ("HEARTBEAT", "beat")

HEARTBEAT: Final = encode_comment("")
"""The comment that keeps a silent stream open. It also stands first in a stream, so that `open` waits for no event."""


async def beat(writer: Writer, seconds: float) -> None:
    """Write the comment whenever nothing has been written for `seconds`, until cancelled."""
    while True:
        now, due = trio.current_time(), writer.last_write + seconds
        if writer.writing:  # the client is slow, not silent: look again later, since this write may last
            due = now + seconds
        elif now >= due:
            await writer.write(HEARTBEAT)
            due = writer.last_write + seconds
        await trio.sleep_until(due)
