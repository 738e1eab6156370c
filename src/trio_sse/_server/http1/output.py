"""What a connection sends: writes that do not wait where the socket takes them, and one at a time where it does not.

A write is all or nothing: one that is cancelled before its first byte has sent nothing, and one that is cancelled later
closes the connection, since nothing could follow a part of a chunk.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..shared import CLOSED
from ..transport import Transport

__all__ = ("Output",)


class Output:
    """What a connection sends.

    Args:
        transport: The connection's socket.
        timeout: Seconds without progress after which the connection is closed.
        lost: Called when the client has closed the connection, or takes nothing.
    """

    def __init__(self, transport: Transport, timeout: float, lost: Callable[[], None]) -> None:
        self._transport = transport
        self._timeout = timeout
        self._lost = lost
        self._lock = trio.Lock()
        self._rest: bytes | memoryview = b""
        self._unfinished = False

    @property
    def waiting(self) -> bool:
        """Whether a write waits for the client."""
        return self._lock.locked()

    @property
    def has_rest(self) -> bool:
        """Whether only a part of what `try_write` was given has been sent."""
        return self._unfinished

    def try_write(self, data: bytes) -> bool:
        """Write without waiting; True if all has been sent. The rest of a part is kept for `write_rest`."""
        if self._unfinished or self._lock.locked():
            return False
        try:
            sent = self._transport.send(data)
        except OSError:
            self._lost()
            return True  # to nobody: the app is told by its disconnect
        if sent == len(data) and not self._transport.pending:
            return True
        if sent:
            self._unfinished, self._rest = True, memoryview(data)[sent:]
        return False

    async def write_rest(self) -> None:
        """Complete the write of which a part has been sent."""
        rest, self._unfinished, self._rest = self._rest, False, b""
        await self._wait(memoryview(rest), begun=True)

    async def write(self, data: bytes) -> None:
        """Write, and wait if the client does not read."""
        if not data or self.try_write(data):
            return
        if self._unfinished:
            await self.write_rest()
        else:
            await self._wait(memoryview(data), begun=False)

    async def _wait(self, rest: memoryview, *, begun: bool) -> None:
        """Write as the client reads, one task at a time."""
        transport = self._transport
        with trio.CancelScope() as limit:
            try:
                async with self._lock:
                    while rest or transport.pending:
                        limit.deadline = trio.current_time() + self._timeout
                        await transport.wait_writable()
                        if transport.flush() and rest:
                            sent = transport.send(rest)
                            begun = begun or sent > 0
                            rest = rest[sent:]
            except trio.Cancelled:
                if begun:
                    self._transport.abort()
                raise
            except CLOSED:
                self._lost()
        if limit.cancelled_caught:
            self._transport.abort()
            self._lost()
