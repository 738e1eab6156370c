"""The body of one response.

Owns reading and closing. It does not know what the bytes mean.
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
"""The largest number of chunks that `aclose` reads and discards: those that httpcore2 has received already.

httpcore2 reads at most 64 KiB from its socket at a time, and a chunk takes at least 6 bytes of HTTP/1.1. Over HTTP/2
httpcore2 writes after each chunk, and that write is cancelled.
"""


class Body:
    """Reads one response, decompressed, in chunks of at most 1 MiB.

    httpx2 reads through nested async generators. If the outermost one is closed while it is suspended at a `yield`, or
    an error is raised there, some of the inner ones are left to the garbage collector, and Trio warns about each. But
    if a generator is *advanced* and its wait raises, it ends together with all inner ones. So `aclose` continues to
    read in a cancelled scope: it gets the buffered chunks first, then the wait for the network is cancelled, and that
    ends all generators. Decompression can fail between two chunks, so it is kept out of this chain: it is done by a
    second response, which reads the raw chunks.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._raw = response.aiter_raw()
        self._begun = False
        self._chunks = httpx2.Response(200, headers=response.headers, stream=_Stream(self._raw)).aiter_bytes()

    async def receive(self) -> bytes | None:
        """The next chunk; None at the end.

        Raises:
            httpx2.HTTPError: The connection is lost, or the compressed data are invalid.
        """
        self._begun = True
        return await anext(self._chunks, None)

    async def aclose(self) -> None:
        """Close all generators and the stream, wherever reading stopped, even if the caller is cancelled."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            if self._begun:
                await self._chunks.aclose()
                await self._unwind()
            await self._response.aclose()

    async def _unwind(self) -> None:
        with trio.CancelScope() as scope, suppress(httpx2.HTTPError):  # errors no longer matter
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
