"""The outgoing half of a response: one writer at a time, and a clock for the heartbeat.

Owns the ASGI messages of a response. It does not know events: bytes come in, messages go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from ..asgi import Message, Send

__all__ = ("Send", "Writer")

WriteNow = Callable[[bytes], bool]

FAIR_SHARE = 16
"""Writes after which the scheduler gets a turn. A server's `send` need not be a checkpoint (hypercorn's is none over
HTTP/2), so without this a handler that never awaits would starve every other stream."""


class Writer:
    """Sends one response.

    The driver writes; the heartbeat writes when nobody else has for a while. Both go through `write`, which lets one
    in at a time. A write is all or nothing: whether it is cancelled while waiting its turn or inside the server, the
    next one starts on a whole message.

    Args:
        send: ASGI's send.
        try_write: The server's short way for a part of the body, where it has one; see `ServerExtension`.

    Attributes:
        started: Whether the headers have gone out.
        last_write: When the last write ended, in Trio's time.
        bytes: Bytes of the body that have been written.
    """

    def __init__(self, send: Send, try_write: WriteNow | None = None) -> None:
        self._send = send
        self._write_now = try_write
        self.started = False
        self.last_write = 0.0
        self.bytes = 0
        self._when_quiet: Callable[[], None] | None = None
        self._writes = 0
        self._writing = False
        self._turn: trio.Event | None = None

    @property
    def writing(self) -> bool:
        """Whether a write is under way."""
        return self._writing

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers."""
        self.started = True
        await self._exclusively({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, data: bytes) -> None:
        """Send a part of the body: a cancellation point, and every so often a schedule point."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._writing or self._write_now is None or not self._write_now(data):
            await self._exclusively({"type": "http.response.body", "body": data, "more_body": True})
        self.last_write = trio.current_time()
        self.bytes += len(data)
        self._writes += 1
        if self._writes % FAIR_SHARE == 0:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def end(self, data: bytes = b"") -> None:
        """Send the last part of the body."""
        await self._exclusively({"type": "http.response.body", "body": data, "more_body": False})
        self.bytes += len(data)

    async def end_abruptly(self, data: bytes) -> None:
        """Send a last part of the body without saying that it is the last."""
        await self._exclusively({"type": "http.response.body", "body": data, "more_body": True})
        self.bytes += len(data)

    async def quiet(self) -> None:
        """Wait until no write is under way."""
        while self._writing:
            if self._turn is None:
                self._turn = trio.Event()
            await self._turn.wait()

    def when_quiet(self, then: Callable[[], None]) -> None:
        """Have a function called when no write is under way: between two, however soon the next one follows."""
        if self._writing:
            self._when_quiet = then
        else:
            then()

    async def _exclusively(self, message: Message) -> None:
        await self.quiet()
        self._writing = True
        try:
            await self._send(message)
        finally:
            self._writing = False
            if self._turn is not None:
                self._turn.set()
                self._turn = None
            if self._when_quiet is not None:
                then, self._when_quiet = self._when_quiet, None
                then()
