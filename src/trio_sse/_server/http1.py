"""hypercorn's HTTP/1.1, with a direct write for the parts of a stream.

Owns the framing of a chunk, that a chunk which was sent in part is completed, and what may follow a write that was
cancelled: another part of a chunked body, and nothing else. It must not know what the parts are.
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
    """What HTTP/1.1 uses of the connection."""

    @property
    def has_rest(self) -> bool:
        """Whether only a part of a write has been sent."""
        ...

    async def write_rest(self) -> None:
        """Write the rest of it."""
        ...

    def try_write(self, data: bytes) -> bool:
        """Write to the socket without waiting; True if all has been sent."""
        ...

    def abort(self) -> None:
        """Close the socket at once."""
        ...


class HTTP1(H11Protocol):
    """hypercorn's HTTP/1.1, with sends that can be cancelled, and an end to all waiting when the connection is closed.

    A chunk whose beginning has been sent already is completed, and not framed a second time.

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
        """Handle an event of the connection.

        Bytes that have been read may have to wait: a request for the end of the response before it, a body for the app.
        That wait ends when the connection is closed.
        """
        if isinstance(event, Closed):
            self._closed = True
            await super().handle(event)
            self._reading.cancel(reason="the connection has been closed")
        else:
            with trio.CancelScope() as self._reading:
                await super().handle(event)

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app has sent. Close the connection if nothing valid can follow a send that was cancelled."""
        if self._closed:
            await trio.lowlevel.checkpoint()  # or else an app that sends on and on would never wait
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
                self._tcp.abort()  # this wakes the reading task, which sends the app its disconnect
            elif self._measured or not isinstance(event, Body):
                with trio.CancelScope(shield=True):  # closing has a time limit: CLOSE_SECONDS
                    await self.send(Closed())  # noqa: ASYNC102 - likewise
            raise


class ChunkWriter:
    """Writes parts of one chunked response directly to the socket: the `try_write` of a request.

    For a part that goes through hypercorn's `send`, hypercorn makes two objects, h11 frames it, and a lock and the
    socket each take a turn of the scheduler: for a small event, most of its cost. This frames the chunk itself.

    It writes nothing before the response has started, after the stream has been closed, while another write is under
    way, and for a response that is not chunked. hypercorn then decides what to do.
    """

    __slots__ = ("_chunked", "_stream", "_tcp")

    def __init__(self, tcp: Connection, stream: HTTPStream) -> None:
        self._tcp = tcp
        self._stream = stream
        self._chunked: bool | None = None

    def __call__(self, data: bytes) -> bool:
        """Write a part, if that needs no waiting; True if all of it has been sent."""
        stream = self._stream
        if stream.closed or stream.state is not ASGIHTTPState.RESPONSE or not data:
            return False
        if self._chunked is None:
            self._chunked = all(bytes(name).lower() != b"content-length" for name, _ in stream.response["headers"])
        return self._chunked and self._tcp.try_write(b"%x\r\n%b\r\n" % (len(data), data))
