"""The incoming half of a request: its body, as it comes in.

Owns the limit to what is kept of it.
"""

from __future__ import annotations

import trio

from ..errors import ContentTooLarge

__all__ = ("RequestBody",)


class RequestBody:
    """The request body as it comes in. What exceeds `max_size` bytes is dropped, and reading it is a 413."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._data = bytearray()
        self._too_large = False
        self._complete = trio.Event()

    def feed(self, chunk: bytes, more: bool) -> None:
        """Take what the server has received."""
        if len(self._data) + len(chunk) > self._max_size:
            self._too_large = True
            self._data.clear()
            self._max_size = -1
        elif not self._too_large:
            self._data += chunk
        if self._too_large or not more:
            self._complete.set()

    async def read(self) -> bytes:
        """Wait for the whole body.

        Raises:
            ContentTooLarge: It is larger than the route reads.
        """
        await self._complete.wait()
        if self._too_large:
            raise ContentTooLarge("The request body is too large.")
        return bytes(self._data)
