"""The incoming half of a request: its body, as it comes in.

Owns the limit to what is read of it, and to what is kept until it is read.

Theory of operation
-------------------
Only the watcher calls `receive`, and the same `receive` says that the client is gone. So the watcher takes the body
also while no step reads it, and keeps it here for the step that will. After `MAX_BUFFERED` bytes it waits for room:
otherwise a large upload would be kept in memory where a step before the reader is slow, or the disk is. While it waits,
the server's own small buffer fills up, the server stops reading, and TCP or HTTP/2's flow control slows the client.

The price is that a disconnect is not noticed while the watcher waits: it stands behind bytes that there is no room for.
It is noticed late only if more than `MAX_BUFFERED` bytes have come, and then when the step that reads the body takes
the next piece, which it does at once except while it writes to the disk; or when the request ends. A deadline, a
shutdown and an error of the request's tasks end the wait. The alternatives are worse: a larger buffer has the same two
cases, and dropping the body to see the disconnect would lose a request that is only slow.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from .._http.body_reader import DEFAULT_MAX_BODY
from ..errors import ContentTooLarge

__all__ = ("RequestBody",)

MAX_BUFFERED: Final = DEFAULT_MAX_BODY
"""The bytes after which the watcher waits until some have been read."""


class RequestBody:
    """The request body as it comes in. One task feeds it, and one reads it.

    Args:
        max_size: The most bytes that are read. What comes after them is dropped, and reading is a 413.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._whole: bytes | None = None
        self._complete = False
        self._discarded = False
        self._reader = trio.lowlevel.ParkingLot()
        self._feeder = trio.lowlevel.ParkingLot()

    def feed(self, piece: bytes, more: bool) -> None:
        """Take what the server has received."""
        self._size += len(piece)
        if self._too_large:
            self.discard()
        elif piece and not self._discarded:
            self._pieces.append(piece)
            self._buffered += len(piece)
        self._complete = self._complete or not more
        self._reader.unpark_all()

    async def wait_for_room(self) -> None:
        """Wait until there is room for the next piece. It does not wait, and is no checkpoint, if there is."""
        while self._buffered > MAX_BUFFERED:
            await self._feeder.park()

    async def receive(self) -> bytes:
        """Wait for the next piece; `b""` at the end.

        Raises:
            ContentTooLarge: The body is larger than the route reads.
        """
        while not (self._pieces or self._complete or self._too_large):
            await self._reader.park()
        if self._too_large:
            raise ContentTooLarge("The request body is too large.")
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        self._feeder.unpark_all()
        return piece

    async def read(self) -> bytes:
        """Wait for the whole body. A second call returns it again.

        Raises:
            ContentTooLarge: It is larger than the route reads.
        """
        if self._whole is None:
            pieces: list[bytes] = []
            while piece := await self.receive():
                pieces.append(piece)
            self._whole = b"".join(pieces)
        return self._whole

    def discard(self) -> None:
        """Drop what has not been read, and what is still to come: nothing will read it."""
        self._discarded = True
        self._pieces.clear()
        self._buffered = 0
        self._feeder.unpark_all()

    @property
    def _too_large(self) -> bool:
        return self._size > self._max_size
