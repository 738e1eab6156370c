"""HTTP/2 as hypercorn speaks it, with what streams that live long need of it.

Owns back-pressure by flow control, the end of streams that were cut off, and requests that come during a shutdown.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import h2.events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.events import Updated
from hypercorn.protocol.events import Body, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, H2Protocol, StreamBuffer

__all__ = ("HTTP2", "Buffer")


class Buffer(StreamBuffer):
    """What one stream has yet to send. It takes a part when there is room, so that a part is taken whole or not at all.

    hypercorn's own opens again when a short piece has been taken out, which includes none at all: with the client's
    flow-control window used up it grows without bound.
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
        """Take some out."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class HTTP2(H2Protocol):
    """hypercorn's HTTP/2, with flow control that holds, and streams that end."""

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what the app has sent."""
        if isinstance(event, Body):
            buffer = self.stream_buffers.get(event.stream_id)
            if isinstance(buffer, Buffer):
                await buffer.room()
        elif isinstance(event, StreamClosed):
            await self._end_unfinished(event.stream_id)
        await super().stream_send(event)

    async def _end_unfinished(self, stream_id: int) -> None:
        """Reset a stream that the app has left without ending it: otherwise it would stay open in silence."""
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            return
        with suppress(ProtocolError):  # the client has ended it, or the whole connection
            self.connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        await buffer.close()
        del self.stream_buffers[stream_id]
        with suppress(KeyError):
            self.priority.remove_stream(stream_id)
        await self._flush()

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        await super()._create_stream(request)
        buffer = self.stream_buffers.get(request.stream_id)
        if buffer is not None and not buffer.buffer:  # the app has yet to run
            self.stream_buffers[request.stream_id] = Buffer(self.context.event_class)

    async def _handle_events(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, h2.events.RequestReceived) and self.context.terminated.is_set():
                await self._create_stream(event)  # the app turns it away, with an answer
                await self.send(Updated(idle=False))
            elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                with suppress(ProtocolError):  # the rest of a body whose request has been answered
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                await super()._handle_events([event])
        await self._flush()
