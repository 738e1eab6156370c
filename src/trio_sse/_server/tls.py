"""A socket with TLS: reads and writes that never wait, over the SSL object's memory buffers.

Trio's SSLStream takes two locks and several turns of the scheduler for each write, which is most of what an event costs
over TLS. Here an event is encrypted into a buffer, and what the socket takes of it is sent: the rest waits, and has to
be sent before anything else, because a record that has been begun cannot be taken back.

Owns the SSL object and the bytes between it and the socket. It must not know what the bytes mean.
"""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from contextlib import suppress
from typing import Any, Final

import trio

from .transport import RECEIVE_SIZE, PlainTransport

__all__ = ("Handshake", "TLSTransport", "TransportStream")

WRITE_SIZE: Final = 64 * 1024
"""The most bytes that are encrypted before the socket has taken them."""


class TLSTransport:
    """A connected socket with TLS, of a server.

    Attributes:
        plain: The socket.
        pending: Whether encrypted bytes wait for the socket.
    """

    __slots__ = ("_encrypted", "_incoming", "_maybe_more", "_outgoing", "_ssl", "plain")

    def __init__(self, socket: stdlib_socket.socket, context: ssl.SSLContext) -> None:
        self.plain = PlainTransport(socket)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._encrypted = b""
        self._maybe_more = False  # whether something may have come together with the end of the handshake

    @property
    def socket(self) -> stdlib_socket.socket:
        """The socket."""
        return self.plain.socket

    @property
    def closed(self) -> bool:
        """Whether it has been closed on this side."""
        return self.plain.closed

    @property
    def pending(self) -> bool:
        """Whether encrypted bytes wait for the socket."""
        return bool(self._encrypted) or bool(self._outgoing.pending)

    async def handshake(self) -> str | None:
        """Agree on the encryption. Returns the protocol that was agreed on with it (ALPN).

        Raises:
            OSError: The client has gone, or does not agree.
        """
        while True:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush_all()
                await self._read_more()
            except ssl.SSLError:
                self.flush()  # the alert that says why
                raise
            else:
                await self._flush_all()
                self._maybe_more = True
                return self._ssl.selected_alpn_protocol()

    async def _flush_all(self) -> None:
        while not self.flush():
            await self.wait_writable()

    async def _read_more(self) -> None:
        data = None
        while data is None:
            await self.wait_readable()
            data = self.plain.receive()
        if not data:
            raise ConnectionError("the client has closed the connection during the handshake")
        self._incoming.write(data)

    def receive(self) -> bytes | None:
        """What has come; empty at the end, None if nothing has come.

        Raises:
            OSError: The client has reset the connection, or it has been closed.
        """
        data = self.plain.receive()
        if data is None and not self._maybe_more:
            return None
        self._maybe_more = False
        if data == b"":
            return b""  # without a close_notify, which many clients leave out: the end of a body is framed by HTTP
        self._incoming.write(data or b"")
        decrypted: list[bytes] = []
        ended = False
        try:
            while part := self._ssl.read(RECEIVE_SIZE):
                decrypted.append(part)
            ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # an alert, the end, or nonsense: nothing can follow
            ended = True
        with suppress(OSError):
            self.flush()  # an answer of the TLS protocol itself, such as to a key update
        if decrypted:
            if ended:
                self._incoming.write_eof()
            return b"".join(decrypted)
        return b"" if ended else None

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt, and send what the socket takes without waiting. Returns how much of `data` has been encrypted.

        Nothing is encrypted while earlier bytes wait. What has been encrypted has to be sent; see `pending`, `flush`.

        Raises:
            OSError: The client has closed the connection, or it has been closed.
        """
        if not self.flush():
            return 0
        count = self._ssl.write(data[:WRITE_SIZE])
        self.flush()
        return count

    def flush(self) -> bool:
        """Send what waits; True if nothing is left.

        Raises:
            OSError: The client has closed the connection, or it has been closed.
        """
        if self._outgoing.pending:
            self._encrypted += self._outgoing.read()
        if self._encrypted:
            self._encrypted = self._encrypted[self.plain.send(self._encrypted) :]
        return not self._encrypted

    async def wait_readable(self) -> None:
        """As `PlainTransport.wait_readable`."""
        if self._maybe_more:
            await trio.lowlevel.checkpoint()
        else:
            await self.plain.wait_readable()

    async def wait_writable(self) -> None:
        """As `PlainTransport.wait_writable`."""
        await self.plain.wait_writable()

    def addresses(self) -> tuple[Any, Any]:
        """As `PlainTransport.addresses`."""
        return self.plain.addresses()

    def end(self) -> None:
        """Send the end of the stream, encrypted and not; what the client still sends can be received."""
        with suppress(OSError):  # ssl.SSLError, which wants the client's close_notify, is one
            self._ssl.unwrap()
        with suppress(OSError):
            self.flush()
        self.plain.end()

    def abort(self) -> None:
        """As `PlainTransport.abort`."""
        self.plain.abort()

    def close(self) -> None:
        """As `PlainTransport.close`."""
        self.plain.close()


class Handshake:
    """A connection whose TLS handshake has not ended."""

    writing = False

    def __init__(self, transport: TLSTransport) -> None:
        self._transport = transport

    async def run(self, seconds: float) -> str | None:
        """Do it. Returns the protocol that was agreed on, `http/1.1` without ALPN; None if the connection has ended."""
        alpn: str | None = None
        with trio.move_on_after(seconds):
            with suppress(OSError, trio.ClosedResourceError):  # the client has gone, or does not speak TLS like this
                alpn = await self._transport.handshake() or "http/1.1"
        if alpn is None:
            self._transport.close()
        return alpn

    def drain(self) -> None:
        """The server shuts down: nothing has been asked yet."""
        self._transport.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        self._transport.abort()


class TransportStream(trio.abc.Stream):
    """A transport as Trio's stream, for hypercorn's protocols.

    Args:
        transport: The connection.

    Attributes:
        transport_stream: Trio's stream of the socket underneath, which hypercorn asks for its addresses.
    """

    def __init__(self, transport: TLSTransport) -> None:
        self._transport = transport
        self.transport_stream = trio.SocketStream(trio.socket.from_stdlib_socket(transport.socket))

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what has come; the whole of it, whatever `max_bytes` says."""
        while True:
            try:
                await self._transport.wait_readable()
                data = self._transport.receive()
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            if data is not None:
                return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything."""
        rest = memoryview(data)
        try:
            rest = rest[self._transport.send(rest) :]
            while rest or self._transport.pending:
                await self._transport.wait_writable()
                if self._transport.flush() and rest:
                    rest = rest[self._transport.send(rest) :]
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes more."""
        await self._transport.wait_writable()

    async def aclose(self) -> None:
        """Close the connection."""
        self._transport.end()
        self.transport_stream.socket.close()
        await trio.lowlevel.checkpoint()
