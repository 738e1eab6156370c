"""hypercorn's HTTP/2, with changes for streams that live long.

Owns back-pressure by flow control, the end of streams that are unfinished or reset, and requests that hypercorn handles
wrongly: malformed ones, and the ones that arrive during a shutdown. It must not know what the streams carry.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import h2.events
import trio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import Body, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, H2Protocol, StreamBuffer

__all__ = ("HTTP2", "Buffer")


class Buffer(StreamBuffer):
    """The bytes that one stream has not sent yet. A part is added when there is room, completely or, if cancelled, not.

    hypercorn's buffer lets a sender continue after each `pop` that returns few bytes, and also after one that returns
    none. When the client's flow-control window is used up, it therefore grows without limit.
    """

    async def room(self) -> None:
        """Wait until a part may be added, or the stream has been closed."""
        while len(self.buffer) >= BUFFER_HIGH_WATER and not self._complete:
            await self._paused.clear()
            await self._paused.wait()

    async def push(self, data: bytes) -> None:
        """Add a part; the caller has waited for `room`."""
        if not self._complete:
            self.buffer.extend(data)
            await self._is_empty.clear()

    async def pop(self, max_length: int) -> bytes:
        """Remove up to `max_length` bytes, and return them."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class HTTP2(H2Protocol):
    """hypercorn's HTTP/2, with flow control that holds, and streams that end."""

    async def handle(self, event: Event) -> None:
        """Handle an event of the connection. When the connection is closed, no task waits for a buffer any longer."""
        if isinstance(event, Closed):
            for buffer in self.stream_buffers.values():
                await buffer.close()
        await super().handle(event)

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app has sent."""
        if self.closed:
            await trio.lowlevel.checkpoint()  # otherwise an app that sends in a loop would never wait
            return
        if isinstance(event, Body):
            await self._wait_for_room(event.stream_id)
        elif isinstance(event, StreamClosed):
            await self._end_unfinished(event.stream_id)
        await super().stream_send(event)

    async def _wait_for_room(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            await trio.lowlevel.checkpoint()  # as above
        elif isinstance(buffer, Buffer):
            await buffer.room()

    async def _end_unfinished(self, stream_id: int) -> None:
        """Reset a stream whose app has returned without ending the response: it would stay open and silent."""
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            return
        with suppress(ProtocolError):  # the client has ended it, or the whole connection
            self.connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        await self._forget(stream_id)
        await self._flush()

    async def _forget(self, stream_id: int) -> None:
        """Have the sending task remove a stream that was reset, because that task may be sending it at the moment."""
        buffer = self.stream_buffers.get(stream_id)
        if buffer is not None:
            await buffer.close()
            await self._window_updated(stream_id)

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        if _is_malformed(request):
            self.connection.reset_stream(request.stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        await super()._create_stream(request)
        buffer = self.stream_buffers.get(request.stream_id)
        if buffer is not None and not buffer.buffer:  # the app has yet to run
            self.stream_buffers[request.stream_id] = Buffer(self.context.event_class)

    async def _priority_updated(self, event: h2.events.PriorityUpdated) -> None:
        """Ignore it: it is deprecated (RFC 9113, 5.3.2), and may name any number of streams that are never opened."""

    async def _handle_events(self, events: list[Any]) -> None:
        for event in events:
            if self.closed:
                return
            await self._handle_event(event)
        await self._flush()

    async def _handle_event(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived) and self.context.terminated.is_set():
            await self._create_stream(event)  # the app refuses it, with a response; hypercorn would ignore it
            await self.send(Updated(idle=False))
        elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
            with suppress(ProtocolError):  # the rest of a body whose request has been answered
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        else:
            await super()._handle_events([event])
        if isinstance(event, h2.events.StreamReset):
            await self._forget(event.stream_id)
            if self.idle:
                await self.send(Updated(idle=True))


def _is_malformed(request: h2.events.RequestReceived) -> bool:
    """Whether a request has no path, as CONNECT has none, or is not ASCII: hypercorn would raise an error for both."""
    values = {bytes(name): bytes(value) for name, value in request.headers or ()}
    return not all(values.get(name, b"\xff").isascii() for name in (b":method", b":path"))
