"""A connection that speaks HTTP/1.1: one task that reads it, and one task for each request.

The reading task is in one of four states. In HEAD it collects the head of a request; in BODY it passes the body on; in
WAIT a request is being answered, and what comes is kept for afterwards; in CLOSING the last response has been sent, and
what comes is dropped until the client closes its side as well. It reads in all of them, so that it sees at once when
the client leaves: a response that waits for its next event would otherwise notice only when it writes. What it keeps is
bounded. The exception is a body that the app does not take: TCP then slows the client down.

Requests are answered one after another. A pipelined request waits in the buffer until the response before it has ended.
"""

from __future__ import annotations

import enum
import logging
import math
from typing import Any, Final

import trio

from ..._runtime.server_extension import EXTENSION, ServerExtension
from ..shared import CLOSED, LATE_SECONDS, Shared
from ..transport import Transport
from .app import log_access, log_refusal, make_scope, run_app
from .body import ChunkedBody, LengthBody
from .exchange import BODY_HIGH_WATER, Exchange
from .head import END_OF_HEAD, BadRequest, RequestHead, check_incomplete, check_server_name, parse_head
from .output import Output
from .response import State, error_response
from .upgrade import PREFACE, switches

__all__ = ("HTTP1Connection",)

BODY_SECONDS: Final = 30.0
"""Seconds without a byte of a body that the app waits for, unless the option `read_timeout` is set."""

LINGER_SECONDS: Final = 1.0
"""Seconds without a byte in which the client has to close its side after the last response."""

MAX_LINGER_SECONDS: Final = 5.0
"""The same altogether: what it sends is dropped, since closing would reset a connection with unread bytes."""

MAX_AHEAD: Final = 64 * 1024
"""The most bytes that are kept while a request is being answered; beyond that the connection is closed after it."""

logger = logging.getLogger("trio_sse.server")


class Reading(enum.Enum):
    """What the next bytes are."""

    HEAD = "the head of a request"
    BODY = "the body of a request"
    WAIT = "what follows a request that is being answered"
    CLOSING = "what the client sends after the last response"


class HTTP1Connection:
    """One connection.

    Args:
        shared: What all connections of the server have in common.
        transport: The connection's socket.
        encrypted: Whether it uses TLS.
        overloaded: Whether its requests are to be refused.

    Attributes:
        own_headers: Makes the server's own headers.
    """

    def __init__(self, shared: Shared, transport: Transport, *, encrypted: bool, overloaded: bool) -> None:
        self._shared = shared
        self._transport = transport
        self._encrypted = encrypted
        self._overloaded = overloaded
        self._state = Reading.HEAD
        self._buffer = bytearray()
        self._head_begun = False
        self._body: LengthBody | ChunkedBody | None = None
        self._exchange: Exchange | None = None
        self._requests = 0
        self._upgrade = b""
        self._deadline = self._linger_until = math.inf
        self._reading = trio.CancelScope()
        self._resume: trio.Event | None = None
        self._nursery: trio.Nursery
        self._addresses: tuple[Any, Any]
        self.own_headers = shared.own_headers
        self._body_seconds = shared.config.read_timeout or BODY_SECONDS
        self._output = Output(transport, shared.config.peer_timeout, self._lose)

    # -- its life

    async def run(self) -> bytes:
        """Serve the connection until it is closed, or until a request wants to switch to another protocol.

        Returns:
            The bytes of that request and what follows; the connection is still open then. Empty if it is closed.
        """
        try:
            self._addresses = self._transport.addresses()
            async with trio.open_nursery() as self._nursery:
                await self._read()
        except* CLOSED:
            pass  # the client has gone before it was accepted
        except* Exception as group:
            logger.error("a connection has been aborted", exc_info=group)  # noqa: TRY400 - the group, not the last one
        finally:
            if not self._upgrade:
                self._transport.close()
        return self._upgrade

    async def _read(self) -> None:
        """Read until the connection has ended, in whatever way."""
        self._become_idle()
        while True:
            with trio.CancelScope(deadline=self._deadline) as self._reading:
                await self._read_on()
            if not self._reading.cancelled_caught or await self._give_up():
                break
        self._lose()
        if not self._upgrade:
            self._transport.close()  # now, and not when an app returns that has more to do

    async def _read_on(self) -> None:
        """Read until the client closes its side, or either side the connection."""
        while not self._upgrade:
            try:
                await self._transport.wait_readable()
                data = self._transport.receive()
            except CLOSED:
                return
            if data is None:
                continue
            if not data:
                return
            self._take(data)
            while self._resume is not None:
                await self._resume.wait()

    def _allow(self, seconds: float) -> None:
        """Set the time limit of reading, from now."""
        self._deadline = self._reading.deadline = trio.current_time() + seconds

    async def _give_up(self) -> bool:
        """The time limit of reading has passed. Returns whether the connection has ended for it."""
        in_body, exchange = self._state is Reading.BODY, self._exchange
        if in_body and exchange is not None and not exchange.waited_for:
            self._allow(self._body_seconds)
        elif in_body or (self._state is Reading.HEAD and self._buffer):
            self._fail(BadRequest(408, "the rest of the request has not come in time"))
        else:
            return True
        return False

    # -- reading

    def _become_idle(self) -> None:
        """Wait for a request."""
        self._state = Reading.HEAD
        self._head_begun = False
        draining = self._shared.drain.draining.is_set()
        self._allow(LATE_SECONDS if draining else self._shared.config.keep_alive_timeout)

    def _take(self, data: bytes) -> None:
        """Take what has come."""
        if self._state is Reading.CLOSING:
            if self._exchange is None:
                self._allow(min(LINGER_SECONDS, self._linger_until - trio.current_time()))
            return
        self._buffer += data
        if self._state is not Reading.WAIT:
            self._advance()
        elif len(self._buffer) > MAX_AHEAD and self._exchange is not None:
            self._buffer.clear()
            self._state = Reading.CLOSING
            self._exchange.response.keep_alive = False

    def _advance(self) -> None:
        """Read as far as the buffer goes, or up to a request that has to be answered first."""
        try:
            if self._state is Reading.HEAD:
                self._read_head()
            if self._state is Reading.BODY and self._exchange is not None and self._body is not None:
                self._read_body(self._exchange, self._body)
        except BadRequest as problem:
            self._fail(problem)

    def _read_head(self) -> None:
        buffer, most = self._buffer, self._shared.config.h11_max_incomplete_size
        while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2
            del buffer[:2]
        end = buffer.find(END_OF_HEAD)
        if end < 0:
            check_incomplete(buffer, most)
            if buffer and not self._head_begun:
                self._head_begun = True
                self._allow(self._shared.config.keep_alive_timeout)
            return
        if end > most:
            raise BadRequest(431, "the head is too long")
        head = bytes(buffer[: end + len(END_OF_HEAD)])
        if head == PREFACE and self._shared.config.h2c and not self._requests:
            self._upgrade = bytes(buffer)
            return
        request = parse_head(head)
        if request.upgrade and switches(request, h2c=self._shared.config.h2c):
            self._upgrade = bytes(buffer)
            return
        check_server_name(request, self._shared.config.server_names)
        del buffer[: len(head)]
        self._answer(request)

    def _read_body(self, exchange: Exchange, body: LengthBody | ChunkedBody) -> None:
        data = body.take(self._buffer)
        if data or body.complete:
            exchange.add_body(data, body.complete)
        if body.complete:
            self._body = None
            self._wait()
        elif exchange.waiting > BODY_HIGH_WATER:
            self._allow(math.inf)
            self._resume = trio.Event()
        else:
            self._allow(self._body_seconds)

    def body_taken(self) -> None:
        """Go on reading: the app has taken what there was of the body."""
        if self._resume is not None:
            self._allow(self._body_seconds)
            self._resume.set()
            self._resume = None

    def _wait(self) -> None:
        """Wait for the response."""
        self._state = Reading.WAIT
        self._allow(math.inf)

    def _fail(self, problem: BadRequest) -> None:
        """Answer a request that cannot be read, unless its response has started, and close the connection."""
        logger.debug("a request has been refused: %s", problem)
        exchange, self._exchange = self._exchange, None
        self._close_soon()
        if exchange is not None:
            exchange.disconnect()
            if exchange.response.state is not State.NEW:
                self._transport.abort()  # the client must not take what has been sent for the whole
                return
        self._nursery.start_soon(self._refuse, problem)

    async def _refuse(self, problem: BadRequest) -> None:
        """Send the answer to a request that cannot be read. The app sends nothing after it: it is disconnected."""
        await self._output.write(error_response(problem.status, self.own_headers()))
        self._transport.end()
        await log_refusal(self._shared, problem.status, encrypted=self._encrypted, addresses=self._addresses)

    def _close_soon(self) -> None:
        """Give the client time to read the last response and to close its side; what it sends is dropped."""
        self._state = Reading.CLOSING
        self._buffer.clear()
        self.body_taken()
        self._linger_until = trio.current_time() + MAX_LINGER_SECONDS
        self._allow(LINGER_SECONDS)

    # -- answering

    def _answer(self, request: RequestHead) -> None:
        config, draining = self._shared.config, self._shared.drain.draining.is_set()
        self._requests += 1
        keep_alive = not (self._overloaded or draining or self._requests >= config.keep_alive_max_requests)
        self._exchange = exchange = Exchange(self, self._output, request, keep_alive=keep_alive)
        if exchange.body_complete:
            self._wait()
        else:
            self._body = ChunkedBody() if request.length is None else LengthBody(request.length)
            self._state = Reading.BODY
            self._allow(self._body_seconds)
        self._nursery.start_soon(self._serve, exchange)

    async def _serve(self, exchange: Exchange) -> None:
        """Run the app for a request."""
        shared = self._shared
        exchange.scope = make_scope(
            exchange.request,
            encrypted=self._encrypted,
            root_path=shared.config.root_path,
            addresses=self._addresses,
            state=shared.state.copy(),
        )
        exchange.scope["extensions"][EXTENSION] = ServerExtension(
            shared.drain, self._overloaded, exchange.try_write, exchange.send, exchange.break_off
        )
        await run_app(shared, exchange)
        if exchange.response.state is not State.ENDED:
            await self._end_unfinished(exchange)
        await shared.context.mark_request()

    async def _end_unfinished(self, exchange: Exchange) -> None:
        """The app has returned without ending its response."""
        response = exchange.response
        if response.state is State.NEW and not exchange.gone:
            response.keep_alive = False
            await exchange.send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await exchange.send({"type": "http.response.body"})
            return
        await self._output.write(response.take_head())
        if self._output.has_rest:
            self._transport.abort()
        self._transport.end()  # without the end of the body, so that the client sees that it is incomplete
        await self.response_ended(exchange)

    async def response_ended(self, exchange: Exchange) -> None:
        """A response has ended, or has been given up: go on with the next request, or close the connection."""
        if self._exchange is exchange:
            self._exchange = None
            if exchange.response.keep_alive and exchange.response.state is State.ENDED and exchange.body_complete:
                self._become_idle()
                if self._buffer:
                    self._advance()
            elif self._overloaded:
                self._transport.close()  # its place is needed
            else:
                self._close_soon()
                self._transport.end()
        await log_access(self._shared, exchange)

    # -- for the server

    @property
    def writing(self) -> bool:
        """Whether a write is waiting for the client."""
        return self._output.waiting

    def drain(self) -> None:
        """The server shuts down: a connection without a request is closed soon, any other after its response."""
        if self._exchange is None:
            self._linger_until = trio.current_time()
            self._allow(LATE_SECONDS)
        else:
            self._exchange.response.keep_alive = False

    def abort(self) -> None:
        """Close the socket at once; tasks that wait for it wake up."""
        self._transport.abort()

    def _lose(self) -> None:
        """The client has closed the connection."""
        if self._exchange is not None:
            self._exchange.disconnect()
