"""Sockets as connections use them: reads and writes that never wait, and waits that can be cancelled.

Owns the socket, and how it is closed. It must not know what the bytes mean.
"""

from __future__ import annotations

import socket as stdlib_socket
import struct
from contextlib import suppress
from typing import Any, Final, Protocol

import trio
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

__all__ = ("RECEIVE_SIZE", "RESET", "PlainTransport", "Transport")

RECEIVE_SIZE: Final = 64 * 1024

RESET: Final = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing discards what the client has not received, and sends it a reset."""

UNSENT: Final = 16 * 1024
"""Bytes that the kernel takes beyond what it can send. More would be old when it is sent, and hide a stalled client."""

TCP_NOTSENT_LOWAT: Final[int | None] = getattr(trio.socket, "TCP_NOTSENT_LOWAT", None)
"""The option that limits it, where the system has it."""


class Transport(Protocol):
    """A connected socket, with or without TLS."""

    @property
    def pending(self) -> bool:
        """Whether bytes that have been taken wait for the socket."""
        ...

    def flush(self) -> bool:
        """Send what waits; True if nothing is left."""
        ...

    def receive(self) -> bytes | None:
        """What has come; empty at the end, None if nothing has come."""
        ...

    def send(self, data: bytes | memoryview) -> int:
        """Send, or at least take, what is possible without waiting; the number of bytes."""
        ...

    async def wait_readable(self) -> None:
        """Wait until something has come, or the connection has ended."""
        ...

    async def wait_writable(self) -> None:
        """Wait until the socket takes more."""
        ...

    def addresses(self) -> tuple[Any, Any]:
        """The client's address and the server's, in ASGI's form."""
        ...

    def end(self) -> None:
        """Send the end of the stream; what the client still sends can be received."""
        ...

    def abort(self) -> None:
        """Close the socket, and reset the connection."""
        ...

    def close(self) -> None:
        """Close the socket; tasks that wait for it wake up."""
        ...


class PlainTransport:
    """A connected socket that does not block.

    Attributes:
        socket: The socket.
        closed: Whether it has been closed on this side.
        pending: Nothing waits for the socket here: what has not been sent has not been taken.
    """

    __slots__ = ("closed", "socket")

    pending = False

    def __init__(self, socket: stdlib_socket.socket) -> None:
        socket.setblocking(False)
        with suppress(OSError):  # a Unix socket has neither
            socket.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
            if TCP_NOTSENT_LOWAT is not None:
                socket.setsockopt(stdlib_socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)
        self.socket = socket
        self.closed = False

    def flush(self) -> bool:
        """There is nothing that could wait."""
        return True

    def addresses(self) -> tuple[Any, Any]:
        """The client's address and the server's, in ASGI's form.

        Raises:
            OSError: The client has gone.
        """
        socket = self.socket
        client, server = socket.getpeername(), socket.getsockname()
        return parse_socket_addr(socket.family, client), parse_socket_addr(socket.family, server)

    def receive(self) -> bytes | None:
        """What has come; empty at the end, None if nothing has come.

        Raises:
            OSError: The client has reset the connection, or it has been closed.
        """
        try:
            return self.socket.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return None

    def send(self, data: bytes | memoryview) -> int:
        """Send what the socket takes without waiting; the number of bytes.

        Raises:
            OSError: The client has closed the connection, or it has been closed.
        """
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    async def wait_readable(self) -> None:
        """Wait until something has come, or the connection has ended.

        Raises:
            ClosedResourceError: It has been closed.
        """
        if self.closed or self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by another task of the connection")
        await trio.lowlevel.wait_readable(self.socket)

    async def wait_writable(self) -> None:
        """Wait until the socket takes more.

        Raises:
            ClosedResourceError: It has been closed.
        """
        if self.closed or self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by another task of the connection")
        await trio.lowlevel.wait_writable(self.socket)

    def end(self) -> None:
        """Send the end of the stream; what the client still sends can be received."""
        with suppress(OSError):
            self.socket.shutdown(stdlib_socket.SHUT_WR)

    def abort(self) -> None:
        """Close the socket, and reset the connection: the client takes nothing as complete."""
        with suppress(OSError):
            self.socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        """Close the socket; tasks that wait for it wake up."""
        if not self.closed:
            self.closed = True
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
