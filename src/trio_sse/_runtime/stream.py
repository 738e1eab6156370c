"""The stream: what is sent of the events of one handler, from the headers to the end.

Owns what is sent at the start, for each item of the handler, at a shutdown, and at the end, whatever has ended it. The
bytes of the library's own frames are in `_http.event_stream`.

Some clients come back after a stream has ended, with the id of the last event: a browser's EventSource does, and it
asks by GET. They are told when to reconnect, and a stream that is cut off ends in order. A client that streams the
answer to a POST does not come back. Its stream may finish while the server shuts down, and one that is cut off has no
proper end, so that the client sees an error and not a part of the answer as the whole.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Final

import trio

from .._ground.calls import Kind
from .._http.event_stream import DONE, STREAM_HEADERS, retry_frame
from .._http.problem import http_exception_in
from .._http.response_headers import RawHeaders, encoded
from .._plan.event_encoder import encoder_for
from .._routes.event_stream import EventStream, check_stream_status
from .._routes.options import ShutdownPolicy, StreamOptions
from ..errors import HTTPException, TooSlow
from ..wire import ServerSentEvent, encode
from .abort import RULES, AbortReason
from .error_response import error_data, internal_error
from .generator import drive
from .heartbeat import HEARTBEAT, beat
from .rejection import ShuttingDown
from .request_context import RequestContext

__all__ = ("Stream",)

DEFAULTS: Final = StreamOptions()


class Stream:
    """One stream while it is sent.

    Args:
        context: The request.
        options: What the route sets for its streams.

    Attributes:
        label: The route's label.
        events: How many events have been sent.
        is_done: Whether it ends as with `Done()`, so that the client does not come back.
    """

    def __init__(self, context: RequestContext, options: StreamOptions = DEFAULTS) -> None:
        self.label = context.match.plan.label
        self.events = 0
        self.is_done = False
        self._context = context
        self._connection = context.connection
        self._encoder = context.match.plan.encoder
        self._status: int | None = None
        self._headers: RawHeaders = ()
        self._told_to_reconnect = False
        self._set(options)

    def _set(self, options: StreamOptions) -> None:
        by_get = self._context.request.method == "GET"
        self._options = options
        self._policy: ShutdownPolicy = options.on_shutdown or ("reconnect" if by_get else "finish")
        self._comes_back = by_get or options.on_shutdown == "reconnect"
        self._connection.on_drain = self._on_drain
        if options.send_timeout is not None:
            self._connection.writer.timeout = options.send_timeout

    def leave(self, reason: str) -> None:
        """Give the stream's place back, and count how it has ended."""
        if self._context.slot is not None:
            self._context.slot.leave()
        self._context.app.counters.ended(self, reason)

    # -- as the counters see it

    @property
    def client(self) -> str:
        """The client's address."""
        return self._context.app.admission.client_of(self._context.request)

    @property
    def sent(self) -> int:
        """Bytes that have been sent."""
        return self._connection.writer.bytes

    # -- the handler

    async def run_handler(self, values: Mapping[Hashable, Any]) -> None:
        """Run the handler of an SSE route. For HEAD it does not run.

        Calling an async generator function does not enter its body, so that the response starts before it. Any other
        handler runs first, so that what it raises is still an HTTP status.
        """
        context = self._context
        if context.request.method == "HEAD":
            await self._connection.writer.start(200, context.start_headers(STREAM_HEADERS), body_follows=True)
            return
        self._claim()
        handler = context.match.plan.handler
        source: Any = handler.function(**{name: values[key] for name, key in handler.sources})
        await self.send(await source if handler.kind is Kind.ASYNC else source)

    async def send(self, source: Any) -> None:
        """Send what a handler has returned: what the stream is made from, or a description of it."""
        if isinstance(source, EventStream):
            self._status, self._headers = source.status, encoded(source.headers)
            if source.options is not None:
                self._set(source.options)
                self._encoder = encoder_for(self.label, self._context.app.settings.json, source.options.events)
            source = source.source
        try:
            await drive(self._context.match.plan.handler, source, self._connection, self._start, self._emit)
        except TooSlow:  # of a subscription that disconnects who is too far behind
            self._connection.abort(AbortReason.TOO_SLOW)
            await trio.lowlevel.checkpoint_if_cancelled()

    def _claim(self) -> None:
        """Count the stream for its client, by its address if no step has said whose it is."""
        slot = self._context.slot
        if slot is None:
            if self._policy != "finish" and self._connection.draining.is_set():
                raise ShuttingDown
            slot = self._context.enter_stream()
        if self._context.app.settings.limits.streams_per_client is not None and not slot.claimed:
            slot.claim(self.client)

    async def _start(self) -> None:
        """Send the headers and a first frame, so that the client's `open` waits for no event."""
        context, connection, options = self._context, self._connection, self._options
        if context.slot is None:
            self._claim()
        headers: RawHeaders = STREAM_HEADERS
        status = self._status or 200
        if context.adds_headers or self._headers:
            status, headers = self._head()
        await connection.writer.start(status, headers, body_follows=True)
        context.app.counters.opened(self)
        if options.lifetime is not None:  # not all at once, or all their clients would reconnect at the same moment
            lifetime = options.lifetime * random.uniform(0.9, 1.1)  # noqa: S311 - nothing to guess
            connection.end_at(trio.current_time() + lifetime, AbortReason.LIFETIME)
        first = HEARTBEAT if options.retry is None else encode(ServerSentEvent(retry=options.retry))
        await connection.writer.write(first)
        if options.heartbeat is not None:
            beats = partial(beat, connection.writer, options.heartbeat, options.heartbeat_frame)
            connection.start(beats, "heartbeat")

    def _head(self) -> tuple[int, RawHeaders]:
        """The status and headers where a layer has set some."""
        head = self._context.head
        status = self._status or (None if head is None else head.status) or 200
        check_stream_status(status)
        return status, self._context.start_headers(STREAM_HEADERS, self._headers)

    async def _emit(self, item: Any) -> bool:
        """Send an item, or a batch of them in one write; True when the stream ends with it."""
        frames, count, last = self._encoder.encode(item)
        if frames:
            await self._connection.writer.write(frames)
            self.events += count
        else:
            await trio.lowlevel.checkpoint()
        return last

    # -- shutdown

    def _on_drain(self) -> None:
        """Do what the stream's options set for a shutdown of the server."""
        connection, writer = self._connection, self._connection.writer
        match self._policy:
            case "reconnect":
                writer.when_idle(partial(connection.abort, AbortReason.DRAINING))
            case "cancel":
                connection.abort(AbortReason.DRAINING)
            case "finish":
                if writer.started:
                    connection.start(self._tell_to_reconnect, "notice of the shutdown")

    async def _tell_to_reconnect(self) -> None:
        await self._connection.writer.wait_idle()
        frame = self._shutdown_frame()
        if frame:  # or else the end of the response has said it already
            await self._connection.writer.write(frame)

    def _shutdown_frame(self) -> bytes:
        """What tells a client that comes back, once, when to reconnect after a shutdown of the server."""
        if self._told_to_reconnect or not self._comes_back or not self._connection.draining.is_set():
            return b""
        self._told_to_reconnect = True
        return retry_frame(self._context.app.reconnect_seconds())

    # -- the end

    async def end(self, error: Exception | None) -> None:
        """End the response: in order, or after an error with one event and without the proper end of a body.

        The missing end lets a client tell a broken stream from a finished one.
        """
        end = DONE if self.is_done else self._last_frame()
        last = end if error is None else self._error_frame(error)
        whole = error is None and (self._comes_back or not self._connection.aborted.is_set())
        await self._connection.writer.end(
            last + self._shutdown_frame(), complete=whole or not self._context.can_break_off
        )

    def _last_frame(self) -> bytes:
        """What the reason of an abort sends last. A client that does not come back is told of it as of an error.

        A proxy that speaks HTTP/1.0 to the app would hide the missing end from it.
        """
        reason = self._connection.aborted.reason
        answer = None if reason is None or self._comes_back else RULES[reason].answer
        return self._context.last_frame if answer is None else self._frame_of(answer(self._context.challenge))

    def _error_frame(self, error: Exception) -> bytes:
        known = http_exception_in(error)
        if known is not None:
            remedy = "in the handler, before it returns its stream"
            if self._context.match.plan.handler.kind is Kind.GENERATOR:
                remedy = "let the handler be a coroutine function that returns its stream"
            error.add_note(
                f"It was raised after the response had started, too late for a status: raise it in a step, or {remedy}."
            )
        return self._frame_of(known if known is not None and known.status >= 400 else internal_error(error))

    def _frame_of(self, error: HTTPException) -> bytes:
        app = self._context.app
        data = error_data(app, self._context.request, error)
        return encode({"event": app.settings.error_event, "data": data}, app.settings.json)
