"""The stream: the responder that answers with a stream of events.

Owns what is sent at the start, for each item of the handler, at a shutdown, and at the end, whatever has ended it. The
bytes of the library's own frames are in `_http.event_stream`.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from functools import partial
from typing import Any

import trio

from .._http.event_stream import DONE, STREAM_HEADERS, retry_frame
from .._http.problem import http_exception_in
from .._routes.routes import SSE
from ..errors import HTTPError
from ..wire import ServerSentEvent, encode
from .abort import AbortReason
from .generator import drive
from .heartbeat import HEARTBEAT, beat
from .request_context import RequestContext
from .responder import Responder

__all__ = ("StreamResponder",)


class StreamResponder(Responder):
    """Answers with a stream of events.

    Attributes:
        label: The route's label.
        events: How many events have been sent.
    """

    def __init__(self, context: RequestContext) -> None:
        super().__init__(context)
        route, slot = self.plan.route, context.slot
        assert isinstance(route, SSE) and slot is not None  # noqa: S101, PT018 - the streams of these have a slot
        self.label = self.plan.label
        self.events = 0
        self._options = options = route.options
        self._slot = slot
        self._told_to_reconnect = False
        self._is_done = False
        self.connection.on_drain = self._on_drain
        if options.send_timeout is not None:
            self.connection.writer.timeout = options.send_timeout

    async def run(self) -> None:
        """Answer with a stream, and count how it has ended."""
        aborted, ended = self.connection.aborted, "failed"
        try:
            await self.connection.run(self.work, self.finish)
            ended = str(aborted.reason or "finished")
        except trio.Cancelled:
            ended = str(aborted.reason or "cancelled")
            raise
        finally:
            self._slot.leave()
            self.context.app.counters.ended(self, ended)

    # -- as the counters see it

    @property
    def client(self) -> str:
        """The client's address."""
        return self.context.app.admission.client_of(self.context.request)

    @property
    def sent(self) -> int:
        """Bytes that have been sent."""
        return self.connection.writer.bytes

    # -- the handler

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler; its kind decides when the response starts. For HEAD it does not run."""
        if self.context.request.method == "HEAD":
            await self.connection.writer.start(200, (*STREAM_HEADERS, *self.vary))
            return
        if self.context.app.settings.limits.streams_per_client is not None and not self._slot.claimed:
            self._slot.claim(self.client)
        await drive(self.plan.handler, values, self.connection, self._start, self._emit)

    async def _start(self) -> None:
        """Send the headers and a first frame, so that the client's `open` waits for no event."""
        connection, options = self.connection, self._options
        await connection.writer.start(200, (*STREAM_HEADERS, *self.vary))
        self.context.app.counters.opened(self)
        if options.lifetime is not None:  # not all at once, or all their clients would reconnect at the same moment
            lifetime = options.lifetime * random.uniform(0.9, 1.1)  # noqa: S311 - nothing to guess
            connection.end_at(trio.current_time() + lifetime, AbortReason.LIFETIME)
        first = HEARTBEAT if options.retry is None else encode(ServerSentEvent(retry=options.retry))
        await connection.writer.write(first)
        if options.heartbeat is not None:
            beats = partial(beat, connection.writer, options.heartbeat, options.heartbeat_frame)
            connection.start(beats, "heartbeat")

    async def _emit(self, item: Any) -> bool:
        """Send an item, or a batch of them in one write; True when the stream ends with it."""
        frames, count, last = self.plan.encoder.encode(item)
        if frames:
            await self.connection.writer.write(frames)
            self.events += count
        else:
            await trio.lowlevel.checkpoint()
        return last

    # -- shutdown

    def _on_drain(self) -> None:
        """Do what the route sets for a shutdown of the server."""
        connection, writer = self.connection, self.connection.writer
        match self._options.on_shutdown:
            case "reconnect":
                writer.when_idle(partial(connection.abort, AbortReason.DRAINING))
            case "cancel":
                connection.abort(AbortReason.DRAINING)
            case "finish":
                if writer.started:
                    connection.start(self._tell_to_reconnect, "notice of the shutdown")

    async def _tell_to_reconnect(self) -> None:
        await self.connection.writer.wait_idle()
        frame = self._shutdown_frame()
        if frame:  # or else the end of the response has said it already
            await self.connection.writer.write(frame)

    def _shutdown_frame(self) -> bytes:
        """What tells the client, once, when to reconnect after a shutdown of the server."""
        if self._told_to_reconnect or not self.connection.draining.is_set():
            return b""
        self._told_to_reconnect = True
        return retry_frame(self.context.app.reconnect_seconds())

    # -- the end

    def is_answer(self, error: Exception) -> bool:
        """Whether an error is the answer to the client. After the start a 204 is: it ends the stream as Done() does."""
        found = http_exception_in(error)
        self._is_done = self.connection.writer.started and found is not None and found.status == 204
        return self._is_done or super().is_answer(error)

    async def end(self, error: Exception | None) -> None:
        """End the response: in order, or after an error with one event and without the proper end of a body.

        The missing end lets a client tell a broken stream from a finished one. HTTP/2 gets the proper end even so:
        under hypercorn the stream would stay open in silence otherwise.
        """
        end = DONE if self._is_done else self.context.last_frame
        last = end if error is None else self._error_frame(error)
        complete = error is None or self.context.request.http_version == "2"
        await self.connection.writer.end(last + self._shutdown_frame(), complete=complete)

    def _error_frame(self, error: Exception) -> bytes:
        known, settings = http_exception_in(error), self.context.app.settings
        if known is not None:
            error.add_note(
                "It was raised after the response had started, too late for a status: raise it in a step, or let the "
                "handler be a coroutine function that returns its stream."
            )
        problem = (known if known is not None and known.status >= 400 else HTTPError()).problem()
        return encode({"event": settings.error_event, "data": problem}, settings.json)
