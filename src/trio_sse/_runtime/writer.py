"""The writer of one response: one message at a time, each with a time limit, and a clock for the heartbeat.

Owns the ASGI messages of a response, who may send, and for how long. It does not know events: bytes come in, messages
go out. It tells of a client that is gone or too slow through the function that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import trio

from .._ground.writes import PIECE, WRITES_PER_TURN, time_for
from ..asgi import Message, Send
from .abort import AbortReason
from .server_extension import BODY_FOLLOWS

__all__ = ("TryWrite", "Writer")

TryWrite = Callable[[bytes], bool]


def _ignore(_reason: AbortReason) -> None:
    """Used where nothing has to be aborted."""


class Writer:
    """Sends one response.

    The driver writes, and so does the heartbeat when the stream is silent. One message is sent at a time. A write is
    all or nothing: whether it is cancelled while it waits its turn or inside the server, the next one starts with a
    whole message.

    Args:
        send: ASGI's send.
        try_write: The server's direct writer for a part of the body, where it has one; see `ServerExtension`.
        timeout: Seconds that the client may take for a write of up to 64 KiB.
        abort: Called when the client is gone or too slow, before anything else can be sent.
        break_off: Called when a body has ended that is not complete; see `ServerExtension`.

    Attributes:
        timeout: As above; a route may set its own before the response starts.
        started: Whether the headers have been sent.
        writing: Whether a message is being sent.
        last_write: When the last write ended, in Trio's time.
        bytes: How many bytes of the body have been written.
    """

    def __init__(
        self,
        send: Send,
        try_write: TryWrite | None = None,
        *,
        timeout: float = math.inf,
        abort: Callable[[AbortReason], None] = _ignore,
        break_off: Callable[[], None] | None = None,
    ) -> None:
        self._asgi_send = send
        self._try_write = try_write
        self._abort = abort
        self._break_off = break_off
        self.timeout = timeout
        self.started = False
        self.writing = False
        self.last_write = 0.0
        self.bytes = 0
        self._writes = 0
        self._limit: trio.CancelScope | None = None
        self._idle: trio.Event | None = None
        self._when_idle: Callable[[], None] | None = None

    @property
    def late(self) -> bool:
        """Whether the last message that was sent did not end in time."""
        return self._limit is not None and self._limit.cancel_called

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]], *, body_follows: bool = False) -> None:
        """Send the status and the headers; `body_follows` says that they may leave together with the first write."""
        self.started = True
        message: Message = {"type": "http.response.start", "status": status, "headers": list(headers)}
        if body_follows:
            message[BODY_FOLLOWS] = True
        await self._send(message, 0)

    async def write(self, data: bytes) -> None:
        """Send a part of the body: a cancellation point, and every so often a schedule point."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.writing or self._try_write is None or not self._try_write(data):
            await self._send({"type": "http.response.body", "body": data, "more_body": True}, len(data))
        self.last_write = trio.current_time()
        self.bytes += len(data)
        self._writes += 1
        # A server's send need not be a checkpoint (hypercorn's is none over HTTP/2): without this a handler that never
        # awaits anything else would starve every other task.
        if self._writes % WRITES_PER_TURN == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def end(self, data: bytes = b"", *, complete: bool = True) -> None:
        """Send the last part of the body; one that is not complete is not said to be the last.

        Some middlewares (Starlette's BaseHTTPMiddleware) send a proper end in that case, so the server is told as well.
        """
        await self._send({"type": "http.response.body", "body": data, "more_body": not complete}, len(data))
        self.bytes += len(data)
        if not complete and self._break_off is not None:
            self._break_off()

    @property
    def breaks_off(self) -> bool:
        """Whether the server itself sees to it that a body without its proper end shows to the client."""
        return self._break_off is not None

    async def wait_idle(self) -> None:
        """Wait until no message is being sent."""
        while self.writing:
            if self._idle is None:
                self._idle = trio.Event()
            await self._idle.wait()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call a function when no message is being sent: between two of them, however soon the next one follows."""
        if self.writing:
            self._when_idle = call
        else:
            call()

    async def _send(self, message: Message, size: int) -> None:
        if self.writing:
            await self.wait_idle()
        self.writing = True
        seconds = self.timeout if size <= PIECE else time_for(self.timeout, size)
        try:
            with trio.move_on_after(seconds) as self._limit:
                await self._asgi_send(message)
            if self._limit.cancelled_caught:
                self._abort(AbortReason.TOO_SLOW)
                await trio.lowlevel.checkpoint_if_cancelled()
        except OSError:  # a server may say so that the client is gone (ASGI 2.4); hypercorn drops the message instead
            self._abort(AbortReason.CLIENT_GONE)
        finally:
            self._release()

    def _release(self) -> None:
        self.writing = False
        if self._idle is not None:
            self._idle.set()
            self._idle = None
        if self._when_idle is not None:
            call, self._when_idle = self._when_idle, None
            call()
