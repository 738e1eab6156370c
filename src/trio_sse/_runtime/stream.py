"""Streaming: the exchange that answers with a stream of events.

Owns the frames: what is sent at the start, for each item of the handler, and at the end, whatever has ended it.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from functools import partial
from typing import Any

import trio

from .._http.request import Request
from .._plan.router import Match
from .._routes.routes import SSE
from ..errors import HTTPError
from ..wire import DONE_ID, Done, EventError, ServerSentEvent, encode, encode_comment
from .abort import AbortReason
from .admission import StreamSlot
from .connection import Connection
from .generator import produce
from .responder import Exchange, Settings
from .responses import STREAM_HEADERS, http_error, retry_frame

__all__ = ("StreamExchange",)

STREAM = tuple((name.encode(), value.encode()) for name, value in STREAM_HEADERS)
HEARTBEAT = encode_comment("")
DONE = encode(ServerSentEvent(data=None, event="stream-done", id=DONE_ID))
"""A browser keeps an id without data too; the npm package `eventsource` keeps only those of dispatched events."""
EXPIRED = encode(ServerSentEvent(data=None, event="stream-expired"))
"""The last event of a stream whose credentials have expired. It has no id: the client goes on where it was."""


class StreamExchange(Exchange):
    """Answers with a stream of events."""

    def __init__(
        self, connection: Connection, match: Match, request: Request, settings: Settings, slot: StreamSlot
    ) -> None:
        super().__init__(connection, match, request, settings)
        assert isinstance(self.plan.route, SSE)  # noqa: S101 - the app makes a stream of these only
        self.route = self.plan.route
        self.events = 0
        self.slot = slot
        if self.route.options.send_timeout is not None:
            connection.send_seconds = self.route.options.send_timeout
        self._told_to_reconnect = False
        connection.when_draining = self._begin_drain

    # -- as the statistics see it

    @property
    def label(self) -> str:
        """Its route."""
        return self.plan.label

    @property
    def client(self) -> str:
        """Who it goes to."""
        return self.settings.admission.limits.client_of(self.request)

    @property
    def sent(self) -> int:
        """Bytes that it has sent."""
        return self.connection.out.bytes

    # -- limits

    def count_as(self, client: Hashable) -> None:
        """What steps know as `count_as`.

        Raises:
            TooManyRequests: The client has as many streams as it may.
        """
        self.slot.claim(client)

    def expire_in(self, seconds: float) -> None:
        """End the stream then, and tell the client."""
        self.connection.end_at(trio.current_time() + seconds, AbortReason.EXPIRED)

    # -- shutdown

    def _begin_drain(self) -> None:
        """Do what the route has chosen for a shutdown."""
        connection, policy = self.connection, self.route.options.on_shutdown
        if policy == "finish":
            if connection.out.started:
                connection.start(self._tell_to_reconnect, "farewell")
        elif policy == "reconnect":
            connection.out.when_quiet(partial(connection.abort, AbortReason.DRAINING))
        else:
            connection.abort(AbortReason.DRAINING)

    async def _tell_to_reconnect(self) -> None:
        out = self.connection.out
        await out.quiet()
        farewell = self._farewell()
        if farewell:  # or else the end of the response has said it
            await out.write(farewell)

    def _farewell(self) -> bytes:
        """What a client is told when the server shuts down, once: when to reconnect."""
        if self._told_to_reconnect or not self.connection.draining.is_set():
            return b""
        self._told_to_reconnect = True
        return retry_frame(self.settings.some_seconds())

    # -- the response

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler; it says when the response starts."""
        if self.request.method == "HEAD":
            await self.connection.out.start(200, (*STREAM, *self.vary()))
            return
        if not self.slot.claimed:
            self.slot.claim(self.client)
        handler = self.plan.handler
        await produce(handler, handler.arguments(values), self.connection, self._start, self._emit)

    async def end(self, error: Exception | None) -> None:
        """End the response: in order, or after an error with one event and no proper end.

        HTTP/2 has no such thing as a missing terminator under hypercorn: the stream would stay open in silence.
        """
        out = self.connection.out
        if error is None:
            expired = self.connection.aborted.reason is AbortReason.EXPIRED
            await out.end((EXPIRED if expired else b"") + self._farewell())
        elif self.request.http_version == "2":
            await out.end(self._error_frame(error) + self._farewell())
        else:
            await out.end_abruptly(self._error_frame(error) + self._farewell())

    async def _start(self) -> None:
        """Send the headers and a first frame, so that the client's `open` waits for no event."""
        options, out = self.route.options, self.connection.out
        await out.start(200, (*STREAM, *self.vary()))
        self.settings.meter.opened(self)
        if options.lifetime is not None:
            lifetime = options.lifetime * random.uniform(0.9, 1.1)  # noqa: S311 - nothing to guess
            self.connection.end_at(trio.current_time() + lifetime, AbortReason.LIFETIME)
        retry = options.retry
        await out.write(HEARTBEAT if retry is None else encode(ServerSentEvent(retry=retry)))
        if options.heartbeat is not None:
            self.connection.start_heartbeat(options.heartbeat, HEARTBEAT)

    async def _emit(self, item: Any) -> bool:
        """Send an item or a batch of them in one write; True when the stream ends with it."""
        frames, count, last = self._encode(item)
        if frames:
            await self.connection.out.write(frames)
            self.events += count
        else:
            await trio.lowlevel.checkpoint()
        return last

    def _encode(self, item: Any) -> tuple[bytes, int, bool]:
        """The frames of an item, how many there are, and whether the stream ends with them."""
        items: list[Any] = item
        try:
            if not isinstance(item, list):
                return self._frame(item), 1, isinstance(item, Done)
            ends = [index for index, each in enumerate(items) if isinstance(each, Done)]
            last = ends[0] + 1 if ends else len(items)
            return b"".join([self._frame(each) for each in items[:last]]), last, bool(ends)
        except EventError as error:
            raise error.at(self.plan.label) from None

    def _frame(self, item: Any) -> bytes:
        if isinstance(item, Done):
            return DONE
        typed = self.plan.events
        return encode(item if typed is None else typed.event(item), self.settings.json)

    def _error_frame(self, error: Exception) -> bytes:
        known = http_error(error)
        if known is not None:
            error.add_note(
                "It was raised after the response had started, too late for a status: raise it in a step, or let the "
                "handler be a coroutine function that returns its stream."
            )
        problem = (known or HTTPError()).problem()
        return encode({"event": self.settings.error_event, "data": problem}, self.settings.json)
