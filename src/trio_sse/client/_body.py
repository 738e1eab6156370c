"""The body of one response.

Owns the reading of chunks and the closing. Does not know what the chunks mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import httpx2
import trio

__all__ = ("Body",)

CLOSE_SECONDS: Final = 5.0
MAX_BUFFERED: Final = 2**17
"""The most chunks that are read and dropped at the end, because they have been received already.

httpcore2 reads 64 KiB from its socket at a time, and a chunk takes at least 6 bytes of HTTP/1.1. Over HTTP/2 httpcore2
writes after each chunk, and that write is cancelled.
"""


class Body:
    """Reads one response, decompressed, in chunks of at most 1 MiB.

    httpx2 reads through async generators within async generators. Closing the outermost while it is suspended at a
    `yield`, or raising an error there, leaves some of the inner ones to the garbage collector, and Trio warns of each.
    A generator that is *advanced*, however, ends together with all those inside if what it waits for raises. So
    `aclose` reads on in a cancelled scope: the buffered chunks come first, then the wait for the network is cancelled,
    and that ends all the generators. Decompression can fail between two chunks, so it is not one of them: it has a
    second response around the raw chunks.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._raw = response.aiter_raw()
        self._begun = False
        self._chunks = httpx2.Response(200, headers=response.headers, stream=_Stream(self._raw)).aiter_bytes()

    async def receive(self) -> bytes | None:
        """The next chunk; None at the end.

        Raises:
            httpx2.HTTPError: The connection has broken, or the compressed data are invalid.
        """
        self._begun = True
        return await anext(self._chunks, None)

    async def aclose(self) -> None:
        """Close all generators and the stream, wherever the reader stopped, and even if it is cancelled."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            if self._begun:
                await self._chunks.aclose()
                await self._unwind()
            await self._response.aclose()

    async def _unwind(self) -> None:
        with trio.CancelScope() as scope, suppress(httpx2.HTTPError):  # an error does not matter any more
            scope.cancel()
            for _ in range(MAX_BUFFERED):
                if await anext(self._raw, None) is None:
                    return
        await self._raw.aclose()


class _Stream(httpx2.AsyncByteStream):
    """Reads from an iterator, and does not close it."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)
