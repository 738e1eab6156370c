"""A minimal HTTP/1.1 client that can do what well-behaved ones cannot: reset, half close, stop reading.

It shares no code with the library.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

__all__ = ("Head", "Peer", "Truncated", "connected", "cut_frame")


class Truncated(Exception):
    """The connection ended before the response did. What came of the body is the argument."""


@attrs.frozen
class Head:
    """A response's status and headers."""

    status: int
    headers: Mapping[str, str]


def cut_frame(body: bytes) -> tuple[bytes, bytes] | None:
    """Split off the first frame: an event with its blank line, or the line of a comment or of a lone `retry`.

    Returns:
        The frame without its end, and the rest; None if no frame is complete.
    """
    end = b"\n" if body.startswith((b":", b"retry:")) else b"\n\n"
    frame, found, rest = body.partition(end)
    return (frame, rest) if found else None


class Peer:
    """The client's end of one connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._received = bytearray()
        self._body = bytearray()

    # -- the request

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send_all(data)

    async def request(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> None:
        """Send a request; an underscore in a header's name is a hyphen."""
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        await self.send("\r\n".join((*lines, "", "")).encode() + body)

    async def get(self, path: str, **headers: str) -> Head:
        """Send a GET request, and read the head of its response."""
        await self.request("GET", path, **headers)
        return await self.head()

    # -- the response

    async def head(self) -> Head:
        """Read the status line and the headers."""
        first, *lines = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines if line]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header comes twice: {lines}"
        return Head(int(first.split()[1]), headers)

    async def body(self, head: Head) -> bytes:
        """Read a whole body."""
        length = head.headers.get("content-length")
        if length is not None:
            while len(self._received) < int(length):
                await self._more()
            return self._take(int(length))
        whole = b""
        while chunk := await self.chunk():
            whole += chunk
        return whole

    async def json(self, path: str, **headers: str) -> Any:
        """GET a JSON document."""
        head = await self.get(path, **headers)
        assert head.status == 200, head
        return json.loads(await self.body(head))

    async def chunk(self) -> bytes:
        """Read one chunk of a chunked body; the empty one is the terminator."""
        size = int(await self._until(b"\r\n"), 16)
        while len(self._received) < size + 2:
            await self._more()
        return self._take(size + 2)[:-2]

    async def frame(self) -> str:
        """Read one frame of an event stream; see `cut_frame`."""
        while (found := cut_frame(bytes(self._body))) is None:
            chunk = await self.chunk()
            if not chunk:
                raise EOFError("the stream has ended in order")
            self._body += chunk
        frame, rest = found
        self._body = bytearray(rest)
        return frame.decode()

    async def event(self) -> dict[str, str]:
        """Read one event; comments are passed over."""
        while True:
            lines = (await self.frame()).split("\n")
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if fields:
                return fields

    async def ended(self) -> bytes:
        """Wait for the server to close the connection; what came before is given."""
        try:
            while True:
                await self._more()
        except Truncated:
            return bytes(self._received)

    # -- ways to go

    async def half_close(self) -> None:
        """Send FIN, and stay to read."""
        await self.stream.send_eof()

    def reset(self) -> None:
        """Close with RST."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    def close(self) -> None:
        """Close: FIN, or RST where something has not been read."""
        self.stream.socket.close()

    # -- bytes

    async def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            await self._more()
        return self._take(self._received.index(end) + len(end))[: -len(end)]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def _more(self) -> None:
        try:
            data = await self.stream.receive_some(65_536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise Truncated(bytes(self._body + self._received))
        self._received += data


@asynccontextmanager
async def connected(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Peer]:
    """Connect to 127.0.0.1; the connection is closed with the block.

    Args:
        port: Where to.
        receive_buffer: The size of the kernel's receive buffer, for a client that does not read.
    """
    with trio.socket.socket() as sock:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", port))
        yield Peer(trio.SocketStream(sock))
