"""An exchange: one request and its response, as an ASGI app sees them.

Owns `receive` and `send` of one request: the body that waits for the app, and the framing of what the app sends. The
connection that carries the bytes is behind `Carrier`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import trio

from ..._ground.writes import WRITES_PER_TURN
from ..._runtime.server_extension import BODY_FOLLOWS
from .head import RequestHead
from .output import Output
from .response import FramingError, Response, State

__all__ = ("BODY_HIGH_WATER", "Carrier", "Exchange")

BODY_HIGH_WATER: Final = 64 * 1024
"""Bytes of a body that wait for the app, beyond which the connection is not read."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Carrier(Protocol):
    """What an exchange needs of its connection."""

    @property
    def own_headers(self) -> Callable[[], bytes]:
        """Makes the server's own headers, as lines."""
        ...

    def body_taken(self) -> None:
        """Note that the app has taken the body that was waiting for it."""
        ...

    async def response_ended(self, exchange: Exchange) -> None:
        """Note that the end of a response has been sent. The app may go on for a while."""
        ...


class Exchange:
    """One request and its response.

    Args:
        carrier: The connection.
        output: What it sends.
        request: The head of the request.
        keep_alive: Whether the server would keep the connection open after it.

    Attributes:
        response: The framing of the response.
        body_complete: Whether all of the request's body has come.
        gone: Whether the client has gone, or nothing more may be written.
        broken_off: Whether the app has asked for a response without its proper end.
        scope: The ASGI scope.
        began: When the request came, by the monotonic clock.
    """

    __slots__ = (
        "_body",
        "_carrier",
        "_news",
        "_output",
        "_told_complete",
        "_wants_continue",
        "_writes",
        "began",
        "body_complete",
        "broken_off",
        "gone",
        "request",
        "response",
        "scope",
    )

    def __init__(self, carrier: Carrier, output: Output, request: RequestHead, *, keep_alive: bool) -> None:
        self.request = request
        self.response = Response(request, keep_alive=keep_alive)
        self.body_complete = request.length == 0
        self.gone = False
        self.broken_off = False
        self._carrier = carrier
        self._output = output
        self._body = bytearray()
        self._news: trio.Event | None = None
        self._told_complete = False
        self._wants_continue = request.expects_continue and not self.body_complete
        self._writes = 0
        self.scope: dict[str, Any] = {}
        self.began = time.monotonic()

    # -- the request

    @property
    def waiting(self) -> int:
        """Bytes of the body that wait for the app."""
        return len(self._body)

    @property
    def waited_for(self) -> bool:
        """Whether the app waits for the body, and nothing has been answered."""
        return self._news is not None and self.response.state is State.NEW

    def add_body(self, data: bytes, complete: bool) -> None:
        """Add a part of the body."""
        self._body += data
        self.body_complete = complete
        self._wants_continue = False
        self._wake()

    def disconnect(self) -> None:
        """Note that the client has gone, or that nothing more may be written: the app receives its disconnect."""
        self.gone = True
        self._wake()

    async def receive(self) -> dict[str, Any]:
        """ASGI's receive."""
        while True:
            if self.gone or self.response.state is State.ENDED:
                await trio.lowlevel.checkpoint()
                return {"type": "http.disconnect"}
            if self._has_part():
                await trio.lowlevel.checkpoint()  # before the part is taken: what is cancelled loses nothing
                if self._has_part():  # no other task has taken it
                    return self._take_part()
                continue
            if self._wants_continue and self.response.state is State.NEW:
                self._wants_continue = False
                await self._output.write(CONTINUE)
                continue
            if self._news is None:
                self._news = trio.Event()
            await self._news.wait()

    def _has_part(self) -> bool:
        return not self.gone and (bool(self._body) or (self.body_complete and not self._told_complete))

    def _take_part(self) -> dict[str, Any]:
        body, self._body = bytes(self._body), bytearray()
        self._told_complete = self.body_complete
        self._carrier.body_taken()
        return {"type": "http.request", "body": body, "more_body": not self.body_complete}

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    # -- the response

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI's send. What is sent to a client that has gone is dropped.

        Raises:
            FramingError: It cannot be framed.
        """
        if self.gone:
            await trio.lowlevel.checkpoint()  # otherwise an app that sends in a loop would never wait
            return
        kind = message["type"]
        if kind == "http.response.body":
            await self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            await self._start(message)
        else:
            raise FramingError(f"{kind} is not a message that this server knows")

    async def _start(self, message: dict[str, Any]) -> None:
        response, before = self.response, self.response.mark()
        if not self.body_complete:
            response.keep_alive = False  # what is left of the body would have to be read in front of the next request
        response.start(message["status"], message.get("headers", ()), self._carrier.own_headers())
        if message.get(BODY_FOLLOWS, False):
            return
        try:
            await self._output.write(response.take_head())
        except trio.Cancelled:
            response.back_to(before)  # nothing of it has been sent, or the connection is closed
            raise

    async def _send_body(self, data: bytes, more: bool) -> None:
        output, response = self._output, self.response
        if not more and self.broken_off:
            self.gone = True  # the connection is closed when the app has returned, since the response has no end
            await trio.lowlevel.checkpoint()
            return
        if output.has_rest:
            await output.write_rest()  # of this part, which `try_write` has begun
            if more:
                return
            data = b""
        before = response.mark()
        framed = response.body(data, more)
        try:
            if not framed:
                await trio.lowlevel.checkpoint()
            elif not output.try_write(framed):
                await (output.write_rest() if output.has_rest else output.write(framed))
        except trio.Cancelled:
            response.back_to(before)  # nothing of it has been sent, or the connection is closed
            raise
        if not more:
            self._wake()
            await self._carrier.response_ended(self)
        self._writes += 1
        if self._writes % WRITES_PER_TURN == 0:
            # After the write, not before it: another task's write would otherwise overtake this one.
            await trio.lowlevel.cancel_shielded_checkpoint()

    def try_write(self, data: bytes) -> bool:
        """Write a part of the body if that needs no waiting; True if all of it has been sent.

        Nothing is written before the response has started, when it is not chunked, and while another write waits: the
        part then goes through `send`.
        """
        output, response = self._output, self.response
        if self.gone or response.state is not State.STARTED or not response.chunked or not data:
            return False
        before = response.mark()
        if output.try_write(response.body(data, more=True)):
            return True
        if not output.has_rest:
            response.back_to(before)
        return False

    def break_off(self) -> None:
        """End the response that has started by closing the connection, without the proper end of its body."""
        self.broken_off = True
