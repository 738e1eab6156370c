"""hypercorn's HTTP/1.1, with a direct write for the parts of a stream.

Owns the framing of a chunk, the completion of a chunk that was sent in part, and the rule that only another part of a
chunked body may follow a write that was cancelled. It must not know what the parts are.
"""

from __future__ import annotations

from typing import Any, Protocol

import h11
import trio
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Body, EndBody, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream

__all__ = ("HTTP1", "ChunkWriter", "Connection")


class Connection(Protocol):
    """The part of `TCPConnection` that HTTP/1.1 uses."""

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
    """hypercorn's HTTP/1.1, with sends that can be cancelled, and reads that end when the connection is closed.

    A chunk of which a part has been sent is completed, and not framed a second time.

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
        self._broken_off = False

    def break_off(self) -> None:
        """End the response that has started by closing the connection, without the proper end of its body."""
        self._broken_off = True

    async def handle(self, event: Event) -> None:
        """Handle an event of the connection.

        Handling bytes may have to wait: for the end of the previous response, or for the app to receive a body. That
        wait ends when the connection is closed.
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
            await trio.lowlevel.checkpoint()  # otherwise an app that sends in a loop would never wait
            return
        if isinstance(event, EndBody) and self._broken_off:
            await trio.lowlevel.checkpoint()
            return  # the connection is closed when the app has returned, since the response has no end
        if isinstance(event, Response):
            self._broken_off = False
            self._measured = any(name.lower() == b"content-length" for name, _ in event.headers)
            event = self._announcing_close(event)
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
                    await self.send(Closed())  # noqa: ASYNC102 - as above
            raise

    def _announcing_close(self, response: Response) -> Response:
        """The response, which says that the connection closes if it does not wait for the rest of the request's body.

        h11 cannot read another request after it. A client that is not told sends its next request on the connection,
        and has to guess whether it was handled (RFC 9112, 9.6).
        """
        early = self.connection.their_state is h11.SEND_BODY
        if not early or any(name.lower() == b"connection" for name, _ in response.headers):
            return response
        headers = [*response.headers, (b"connection", b"close")]
        return Response(response.stream_id, headers=headers, status_code=response.status_code)


class ChunkWriter:
    """Writes parts of one chunked response directly to the socket: the `try_write` of a request.

    A part that goes through hypercorn's `send` takes two objects of hypercorn's, the framing of h11, and two turns of
    the scheduler, one for a lock and one for the socket. For a small event that is most of the cost. This class frames
    the chunk itself.

    It writes nothing before the response has started, after the stream has been closed, while another write is in
    progress, and for a response that is not chunked. The part then goes through hypercorn.
    """

    __slots__ = ("_chunked", "_stream", "_tcp")

    def __init__(self, tcp: Connection, stream: HTTPStream) -> None:
        self._tcp = tcp
        self._stream = stream
        self._chunked: bool | None = None

    def __call__(self, data: bytes) -> bool:
        """Write a part if that needs no waiting; True if all of it has been sent."""
        stream = self._stream
        if stream.closed or stream.state is not ASGIHTTPState.RESPONSE or not data:
            return False
        if self._chunked is None:
            self._chunked = all(bytes(name).lower() != b"content-length" for name, _ in stream.response["headers"])
        return self._chunked and self._tcp.try_write(b"%x\r\n%b\r\n" % (len(data), data))
