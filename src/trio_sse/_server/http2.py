"""hypercorn's HTTP/2, with changes for streams that live long.

Owns back-pressure by flow control, the end of streams that are unfinished or reset, and requests that hypercorn handles
wrongly: malformed ones, and the ones that arrive during a shutdown. It must not know what the streams carry.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import h2.events
import trio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import Body, EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, H2Protocol, StreamBuffer
from hypercorn.typing import Event as IOEvent

__all__ = ("HTTP2", "Buffer")


class Buffer(StreamBuffer):
    """The bytes that one stream has not sent yet. A part is added when there is room, completely or, if cancelled, not.

    hypercorn's buffer lets a sender continue after each `pop` that returns few bytes, and also after one that returns
    none. When the client's flow-control window is used up, it therefore grows without limit.

    Attributes:
        gone: Set when the end of the stream has been sent, or will never be.
    """

    def __init__(self, event_class: type[IOEvent]) -> None:
        super().__init__(event_class)
        self.gone = trio.Event()

    async def drain(self) -> None:
        """Wait until everything has been sent: of a complete response its end too.

        hypercorn waits for the bytes alone. During a shutdown it then closes the connection in front of the end.
        """
        if self._complete:
            await self.gone.wait()
        else:
            await super().drain()

    async def close(self) -> None:
        """Give up what has not been sent."""
        await super().close()
        self.gone.set()

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


DRAIN_SECONDS: Final = 1.0
"""How long a stream that is broken off may take to send what it holds, such as the event that tells of the error."""


class HTTP2(H2Protocol):
    """hypercorn's HTTP/2, with flow control that holds, and streams that end."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._broken_off: set[int] = set()

    def break_off(self, stream_id: int) -> None:
        """End a response that has started with a reset of its stream, without the proper end of its body."""
        self._broken_off.add(stream_id)

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
        elif isinstance(event, EndBody) and event.stream_id in self._broken_off:
            await trio.lowlevel.checkpoint()
            return  # the stream is reset when the app has returned, since its response has no end
        elif isinstance(event, StreamClosed):
            self._broken_off.discard(event.stream_id)
            await self._end_unfinished(event.stream_id)
        await super().stream_send(event)

    async def _send_data(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        await super()._send_data(stream_id)
        if isinstance(buffer, Buffer) and stream_id not in self.stream_buffers:
            buffer.gone.set()

    async def _wait_for_room(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            await trio.lowlevel.checkpoint()  # as above
        elif isinstance(buffer, Buffer):
            await buffer.room()

    async def _end_unfinished(self, stream_id: int) -> None:
        """Reset a stream whose app has returned without ending the response: it would stay open and silent.

        A reset overtakes what the stream still has to send, so that is sent first, unless the client does not read.
        """
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            return
        if 0 < len(buffer.buffer) < BUFFER_HIGH_WATER:
            with trio.move_on_after(DRAIN_SECONDS):
                await buffer.drain()
            if buffer.complete:  # the client has gone
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
