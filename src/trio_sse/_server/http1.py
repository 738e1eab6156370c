"""HTTP/1.1 as hypercorn speaks it, with a short way for the parts of a stream.

Owns the framing of a chunk, the promise that what was begun the short way is ended the long way, and what may follow a
write that was cancelled: another part of a body without a length, and nothing else.
"""

from __future__ import annotations

from typing import Any, Protocol

import trio
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Body, Response
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

    def try_write(self, data: bytes) -> bool:
        """Write to the socket itself; True if it has taken all."""
        ...

    def break_off(self) -> None:
        """Close the socket at once."""
        ...


class HTTP1(H11Protocol):
    """hypercorn's HTTP/1.1, with sends that can be cancelled, and an end for whatever waits on the connection.

    A chunk whose beginning has gone out already is completed rather than framed again.

    Args:
        tcp: The connection.
        *arguments: As hypercorn's.
    """

    def __init__(self, tcp: Connection, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tcp = tcp
        self._reading = trio.CancelScope()
        self._measured = False
        self._closed = False

    async def handle(self, event: Event) -> None:
        """Take what has happened.

        What has been read may have to wait: a request for the end of the response before it, a body for the app. With
        the connection that wait ends too.
        """
        if isinstance(event, Closed):
            self._closed = True
            await super().handle(event)
            self._reading.cancel(reason="the connection has been closed")
        else:
            with trio.CancelScope() as self._reading:
                await super().handle(event)

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app has sent. Where nothing sensible can follow a send that was cancelled, close."""
        if self._closed:
            await trio.lowlevel.checkpoint()  # nothing else holds up an app that sends on
            return
        if isinstance(event, Response):
            self._measured = any(name.lower() == b"content-length" for name, _ in event.headers)
        try:
            if isinstance(event, Body) and self._tcp.has_rest:
                await self._tcp.write_rest()
            else:
                await super().stream_send(event)
        except trio.Cancelled:
            if self._tcp.has_rest:
                self._tcp.break_off()  # which wakes the reader, who tells the app
            elif self._measured or not isinstance(event, Body):
                with trio.CancelScope(shield=True):  # the connection's own time limit holds
                    await self.send(Closed())  # noqa: ASYNC102 - likewise
            raise


class ChunkWriter:
    """Writes parts of one chunked response straight to the socket: the `try_write` of a request.

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
        return self._chunked and self._tcp.try_write(b"%x\r\n%b\r\n" % (len(data), data))
