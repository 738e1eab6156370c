"""The body of one response, and how to be done with it.

Owns the reading of chunks and the closing. Must not know what they mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import httpx2
import trio

__all__ = ("Body",)

CLOSE_SECONDS: Final = 5.0
MOST_BUFFERED: Final = 2**17
"""How many chunks that are there already are read away at the end.

httpcore2 reads 64 KiB from its socket at a time, and a chunk takes 6 bytes of HTTP/1.1 at least; over HTTP/2 a write
follows each, which is cancelled.
"""


class Body:
    """Reads one response, decompressed; each chunk has 1 MiB at most.

    httpx2 reads through async generators within async generators. To close the outermost while it is suspended at a
    `yield`, or to let an error end it there, leaves some of the inner ones to the garbage collector, and Trio warns of
    each. One that is *advanced* ends with all that it holds, if what it waits for raises. So to close a body is to read
    on in a cancelled scope: what is buffered comes first, then the wait for the network is cancelled, and that unwinds
    them all. Decompression, which may fail between two chunks, stands outside: it reads a response of its own.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._raw = response.aiter_raw()
        self._begun = False
        self._chunks = httpx2.Response(200, headers=response.headers, stream=_Stream(self._raw)).aiter_bytes()

    async def receive(self) -> bytes | None:
        """The next chunk; None at the end.

        Raises:
            httpx2.HTTPError: The connection has broken, or the compressed data make no sense.
        """
        self._begun = True
        return await anext(self._chunks, None)

    async def aclose(self) -> None:
        """Leave nothing open: no generator, no stream. Safe wherever the reader stood, and when it is cancelled."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            if self._begun:
                await self._chunks.aclose()
                await self._unwind()
            await self._response.aclose()

    async def _unwind(self) -> None:
        with trio.CancelScope() as scope, suppress(httpx2.HTTPError):  # whatever it says now, nobody reads it any more
            scope.cancel()
            for _ in range(MOST_BUFFERED):
                if await anext(self._raw, None) is None:
                    return
        await self._raw.aclose()


class _Stream(httpx2.AsyncByteStream):
    """Gives what an iterator gives, and does not end it."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)
