"""Spools: the bytes of a request's uploaded files, in memory or in a temporary file.

Owns where the bytes are, and the access to the disk, which is left to threads. All files of a request share one
temporary file, so that a request takes one descriptor, however many files it has. That file has no name: no client's
name is ever a path, and a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from typing import IO, Final

import trio

from .._http.form_type import media_type
from .._http.parts import PartHead
from .._http.uploaded_file import UploadedFile

__all__ = ("Spool", "SpooledFile")

IN_MEMORY: Final = 256 * 1024
"""The bytes that are kept in memory. With one more, all of them go to the disk."""

PIECE: Final = 64 * 1024
"""The bytes that are collected for one write, once there is a temporary file."""


class Spool:
    """The bytes of a request's files: written in order, then read at any position, until the spool is closed.

    Args:
        cleanup_timeout: Seconds to wait for a thread that closes the file.

    Attributes:
        size: The bytes that have been written.
    """

    def __init__(self, cleanup_timeout: float) -> None:
        self.size = 0
        self._cleanup_timeout = cleanup_timeout
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        self._memory += data
        self.size += len(data)
        if len(self._memory) > (IN_MEMORY if self._file is None else PIECE):
            await trio.to_thread.run_sync(self._to_disk)

    async def finish(self) -> None:
        """End the writing: from now on it may be read."""
        if self._memory and self._file is not None:
            await trio.to_thread.run_sync(self._to_disk)

    async def read_at(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`.

        Raises:
            ClosedResourceError: The spool has been closed.
        """
        if self._closed:
            raise trio.ClosedResourceError("an uploaded file ends with its request; save_to() keeps it")
        if self._file is not None:
            return await trio.to_thread.run_sync(self._from_disk, self._file, start, size)
        await trio.lowlevel.checkpoint()
        return bytes(self._memory[start : start + size])

    async def aclose(self) -> None:
        """Drop the bytes. Deleting a large file takes a while, so a thread does it, also after a cancellation."""
        self._closed = True
        self._memory = bytearray()
        if self._file is not None:
            with trio.move_on_after(self._cleanup_timeout, shield=True):  # for the case that all threads are taken
                await trio.to_thread.run_sync(self._file.close)
            self._file.close()

    @property
    def is_on_disk(self) -> bool:
        """Whether there is a temporary file."""
        return self._file is not None

    # -- in threads

    def _to_disk(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - aclose closes it
        rest = memoryview(self._memory)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._memory = bytearray()

    def _from_disk(self, file: IO[bytes], start: int, size: int) -> bytes:
        with self._lock:  # several tasks of a request may read at the same time
            file.seek(start)
            return file.read(size)


class SpooledFile(UploadedFile):
    """An uploaded file: a part of a spool.

    Args:
        head: The head of the part.
        spool: What holds its bytes.
        start: Where they begin. They end where the spool ends now.
    """

    def __init__(self, head: PartHead, spool: Spool, start: int) -> None:
        content_type = media_type(head.headers.get("content-type", ""))[0]
        super().__init__(
            head.filename or "",
            content_type=content_type or "application/octet-stream",
            headers=head.headers,
            size=spool.size - start,
        )
        self._spool = spool
        self._start = start

    async def read_at(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`; fewer at the end of the file."""
        return await self._spool.read_at(self._start + start, max(0, min(size, self.size - start)))

    async def save_to(self, path: str | os.PathLike[str]) -> None:
        """Copy the file to a path."""
        target = await trio.open_file(path, "xb")
        try:
            async with target:
                async for piece in self:
                    await target.write(piece)
        except BaseException:
            _remove(path)
            raise


def _remove(path: str | os.PathLike[str]) -> None:
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - may be text or any path
