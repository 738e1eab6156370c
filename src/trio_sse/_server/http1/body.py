"""The body of a request: which bytes belong to it, and where it ends. Pure.

A body has a length, or it is chunked (RFC 9112, 7.1). The readers take bytes from the front of a buffer and leave what
follows the body, which is the next request. Trailers and chunk extensions are checked, and then dropped: ASGI has no
place for them.
"""

from __future__ import annotations

import re
from typing import Final

from .head import BadRequest

__all__ = ("ChunkedBody", "LengthBody")

MAX_SIZE_LINE: Final = 256
"""The most bytes of the line in front of a chunk: its size, and extensions that nothing uses."""

MAX_TRAILERS: Final = 8 * 1024
"""The most bytes of the trailers."""

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e]*)?")

_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class LengthBody:
    """A body whose length is known.

    Attributes:
        complete: Whether all of it has been taken.
    """

    __slots__ = ("_left", "complete")

    def __init__(self, length: int) -> None:
        self._left = length
        self.complete = length == 0

    def take(self, buffer: bytearray) -> bytes:
        """Take what the front of a buffer has of the body."""
        data = bytes(buffer[: self._left])
        del buffer[: self._left]
        self._left -= len(data)
        self.complete = not self._left
        return data


class ChunkedBody:
    """A chunked body.

    Attributes:
        complete: Whether all of it has been taken, trailers included.
    """

    __slots__ = ("_after_chunk", "_left", "_trailers", "complete")

    def __init__(self) -> None:
        self._left = 0
        self._after_chunk = False
        self._trailers: int | None = None
        self.complete = False

    def take(self, buffer: bytearray) -> bytes:
        """Take what the front of a buffer has of the body.

        Raises:
            BadRequest: It is not chunked as RFC 9112 says.
        """
        taken: list[bytes] = []
        while not self.complete:
            if self._left:
                data = bytes(buffer[: self._left])
                if not data:
                    break
                del buffer[: self._left]
                self._left -= len(data)
                self._after_chunk = not self._left
                taken.append(data)
            elif not self._read_line(buffer):
                break
        return b"".join(taken)

    def _read_line(self, buffer: bytearray) -> bool:
        """Read a line between chunks; False if it has not come yet."""
        line = self._line(buffer)
        if line is None:
            return False
        if self._after_chunk:
            if line:
                raise BadRequest(400, "a chunk is longer than its size")
            self._after_chunk = False
        elif self._trailers is None:
            self._start_chunk(line)
        else:
            self._read_trailer(line)
        return True

    def _line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > (MAX_SIZE_LINE if self._trailers is None else MAX_TRAILERS):
                raise BadRequest(400, "a line of the chunked body is too long")
            if self._after_chunk and not b"\r\n".startswith(bytes(buffer[:2])):
                raise BadRequest(400, "a chunk is longer than its size")
            return None
        if end == 0 or buffer[end - 1] != 0x0D:
            raise BadRequest(400, "a line of the chunked body ends without a carriage return")
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        return line

    def _start_chunk(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line) if len(line) <= MAX_SIZE_LINE else None
        if found is None:
            raise BadRequest(400, "the size of a chunk is malformed")
        self._left = int(found[1], 16)
        if not self._left:
            self._trailers = 0

    def _read_trailer(self, line: bytes) -> None:
        assert self._trailers is not None  # noqa: S101 - the last chunk has come
        self._trailers += len(line) + 2
        if not line:
            self.complete = True
        elif self._trailers > MAX_TRAILERS:
            raise BadRequest(431, "the trailers are too long")
        elif not _TRAILER.fullmatch(line):
            raise BadRequest(400, "a trailer is malformed")
