"""HTTP/1.1 as hypercorn speaks it, with a short way for the parts of a stream.

Owns the framing of a chunk, and the promise that what was begun the short way is ended the long way.
"""

from __future__ import annotations

from typing import Any, Protocol

from hypercorn.protocol.events import Body
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream

__all__ = ("HTTP1", "ChunkWriter", "Connection")


class Connection(Protocol):
    """What HTTP/1.1 needs of the connection."""

    @property
    def has_rest(self) -> bool:
        """Whether the socket has taken a part of a write only."""
        ...

    async def write_rest(self) -> None:
        """Write what is left."""
        ...

    def write_now(self, data: bytes) -> bool:
        """Write to the socket itself; True if it has taken all."""
        ...


class HTTP1(H11Protocol):
    """hypercorn's HTTP/1.1; a chunk whose beginning has gone out already is completed rather than framed again.

    Args:
        tcp: The connection.
        *arguments: As hypercorn's.
    """

    def __init__(self, tcp: Connection, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tcp = tcp

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app has sent."""
        if isinstance(event, Body) and self._tcp.has_rest:
            await self._tcp.write_rest()
        else:
            await super().stream_send(event)


class ChunkWriter:
    """Writes parts of one chunked response straight to the socket: the `write_now` of a request.

    It keeps out wherever it is not sure: before the response has started, after the stream has been closed, while
    another write is under way, and for a response that is not chunked. hypercorn then decides what to do.
    """

    __slots__ = ("_chunked", "_stream", "_tcp")

    def __init__(self, tcp: Connection, stream: HTTPStream) -> None:
        self._tcp = tcp
        self._stream = stream
        self._chunked: bool | None = None

    def __call__(self, data: bytes) -> bool:
        """Write it, if that needs no waiting."""
        stream = self._stream
        if stream.closed or stream.state is not ASGIHTTPState.RESPONSE or not data:
            return False
        if self._chunked is None:
            self._chunked = all(bytes(name).lower() != b"content-length" for name, _ in stream.response["headers"])
        return self._chunked and self._tcp.write_now(b"%x\r\n%b\r\n" % (len(data), data))
