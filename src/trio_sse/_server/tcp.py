"""A client's connection: hypercorn's, with writes that can be cancelled and have a time limit.

Owns the socket: which task writes to it, for how long, and how it is closed. It must not know what the bytes mean.

A write goes to the socket directly, without a turn of the scheduler, if the kernel accepts all of it. Otherwise the
rest waits for the socket, under a lock. Over HTTP/1.1 the wait is for one response, so a cancellation ends it. If a
part of the bytes has been sent by then, the client could not parse what follows, and the connection is aborted. Over
HTTP/2 many streams share the connection, and an incomplete frame would break all of them, so the write is shielded,
with `peer_timeout` as its limit.
"""

from __future__ import annotations

import logging
import socket as stdlib_socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2CProtocolRequiredError, H2ProtocolAssumedError
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from .._ground.writes import WRITES_PER_TURN, time_for
from .._runtime.server_extension import ServerExtension
from .http2 import HTTP2
from .hypercorn_http1 import HTTP1, ChunkWriter
from .requests import RequestTasks
from .shared import CLOSED, LATE_SECONDS, Shared
from .tls import TransportStream
from .transport import RESET

__all__ = ("TCPConnection",)

CLOSE_SECONDS = 1.0
"""Seconds that the orderly close of a connection may take before it is aborted."""

logger = logging.getLogger("trio_sse.server")

Stream = trio.SocketStream | TransportStream


class Protocol(ProtocolWrapper):
    """hypercorn's choice between HTTP/1.1 and HTTP/2, with the subclasses of this package."""

    def __init__(self, tcp: TCPConnection, tasks: TaskGroup, alpn: str | None) -> None:
        shared = tcp.shared
        peer, own = tcp.addresses
        arguments = (
            shared.app,
            shared.config,
            shared.context,
            tasks,
            ConnectionState(shared.state.copy()),
            tcp.encrypted,
            peer,
            own,
            tcp.protocol_send,
        )
        super().__init__(*arguments, alpn)
        self._arguments = arguments
        self._tcp = tcp
        self.protocol = HTTP2(*arguments) if alpn == "h2" else HTTP1(tcp, *arguments)

    @property
    def is_shared(self) -> bool:
        """Whether several requests share the connection at a time."""
        return isinstance(self.protocol, H2Protocol)

    async def handle(self, event: Event) -> None:
        """Handle an event of the connection. A client may switch to HTTP/2 without TLS."""
        try:
            await self.protocol.handle(event)
        except H2ProtocolAssumedError as switch:
            await self._switch(switch.data)
        except H2CProtocolRequiredError as switch:
            await self._switch(switch.data, switch.headers, switch.settings)

    async def _switch(self, rest: bytes, *upgrade: Any) -> None:
        self.protocol = protocol = HTTP2(*self._arguments)
        await protocol.initiate(*upgrade)
        if rest:
            await protocol.handle(RawData(data=rest))
        if protocol.idle:  # hypercorn has counted the preface of HTTP/2 as a request
            await self._tcp.wait_for_a_request()


class TCPConnection(TCPServer):
    """One connection.

    Args:
        shared: What all connections have in common.
        stream: The connection.
        plain: The socket, if the connection is not encrypted.
        alpn: The protocol that the TLS handshake has agreed on.
        overloaded: Whether its requests are to be refused.
        begun: What has been read of it already.
    """

    protocol: Protocol

    def __init__(  # noqa: PLR0913 - most are keywords
        self,
        shared: Shared,
        stream: Stream,
        plain: stdlib_socket.socket | None,
        *,
        alpn: str | None = None,
        overloaded: bool = False,
        begun: bytes = b"",
    ) -> None:
        super().__init__(shared.app, shared.config, shared.context, shared.state, stream)  # type: ignore[arg-type]  # a plain one is taken too
        self.shared = shared
        self.overloaded = overloaded
        self._alpn = alpn
        self._begun = begun
        self._plain = plain
        self._transport = stream if isinstance(stream, trio.SocketStream) else stream.transport_stream
        self._aborted = False
        self._read_all = False
        self._writes = 0
        self._rest: bytes | memoryview = b""

    async def run(self) -> None:
        """Serve the connection until it is closed. An error is logged, because it must not end other connections."""
        try:
            await self._serve()
        except* CLOSED:
            pass  # the client has closed the connection
        except* Exception as group:
            logger.error("a connection has been aborted", exc_info=group)  # noqa: TRY400 - the group, not the last one
        finally:
            await self._close()  # noqa: ASYNC102 - shields itself, with a time limit

    async def _serve(self) -> None:
        async with RequestTasks(self.extension_for) as self._task_group:
            self.protocol = Protocol(self, self._task_group, self._alpn)  # pyright: ignore[reportIncompatibleVariableOverride]
            await self.protocol.initiate()
            await self.wait_for_a_request()
            await self._read_data()

    @property
    def encrypted(self) -> bool:
        """Whether it uses TLS."""
        return self._plain is None

    @property
    def addresses(self) -> tuple[Any, Any]:
        """The client's address and the server's, in ASGI's form."""
        socket = self._transport.socket
        peer, own = socket.getpeername(), socket.getsockname()
        return parse_socket_addr(socket.family, peer), parse_socket_addr(socket.family, own)

    def extension_for(self, scope: Any, stream: HTTPStream) -> ServerExtension:
        """The server's ASGI extension for a request."""
        direct = (
            self._plain is not None and scope["http_version"] == "1.1" and scope["method"] not in ("HEAD", "CONNECT")
        )
        try_write = ChunkWriter(self, stream) if direct else None
        http = self.protocol.protocol
        break_off: Callable[[], None] | None = None
        if isinstance(http, HTTP2):
            break_off = partial(http.break_off, stream.stream_id)
        elif isinstance(http, HTTP1):
            break_off = http.break_off
        return ServerExtension(self.shared.drain, self.overloaded, try_write, stream.app_send, break_off)

    # -- reading

    async def wait_for_a_request(self) -> None:
        """Start the time limit of an idle connection."""
        await self.idle_task.restart(self._task_group, self._idle_timeout)  # pyright: ignore[reportUnknownMemberType]

    async def _read_data(self) -> None:
        """Read until the client closes the connection, after which no request can follow."""
        if self._begun:
            await self.protocol.handle(RawData(data=self._begun))
        await super()._read_data()
        self._read_all = True
        await self.idle_task.stop()

    # -- writing

    async def protocol_send(self, event: Event) -> None:
        """Handle what the protocol sends: bytes, or a change of the connection."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated) and event.idle and self.overloaded:
            await self._initiate_server_close()
        elif isinstance(event, Closed):
            await self._close()
            await self.protocol.handle(Closed())
        elif isinstance(event, Updated) and event.idle and self._read_all:
            pass  # the client has closed its side: no request can follow that the connection could wait for
        else:
            # When a response ends, the app receives its disconnect first. Starlette's responses, and others, then
            # cancel the task that has sent the end, which is in here. Without the shield, HTTP/1.1 would close the
            # connection, and HTTP/2 would keep it idle without a time limit.
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await super().protocol_send(event)

    def try_write(self, data: bytes) -> bool:
        """Write to the socket without waiting; True if all has been sent. A rest is kept for `write_rest`."""
        if self._aborted or self._rest or self.send_lock.locked():
            return False
        assert self._plain is not None  # noqa: S101 - with TLS there is no ChunkWriter
        try:
            sent = self._plain.send(data)
        except OSError:  # it would block, or the client has closed the connection: `_exclusively` finds out which
            return False
        if sent < len(data):
            self._rest = data[sent:]
            return False
        return True

    @property
    def has_rest(self) -> bool:
        """Whether only a part of a write has been sent."""
        return bool(self._rest)

    async def write_rest(self) -> None:
        """Write the rest of it."""
        await self._exclusively(b"")

    async def _write(self, data: bytes) -> None:
        if not self._aborted:
            had_rest = self.has_rest
            if self._plain is None or not self.try_write(data):
                await self._exclusively(b"" if self.has_rest and not had_rest else data)
        self._writes += 1
        if self._writes % WRITES_PER_TURN == 0:
            # After the write, not before it: another task's write would otherwise overtake this one.
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _exclusively(self, data: bytes) -> None:
        """Write with a time limit, one task at a time. A client that accepts nothing is treated as closed."""
        limit = trio.CancelScope(shield=self.protocol.is_shared)
        limit.deadline = trio.current_time() + time_for(self.shared.config.peer_timeout, len(data))
        with limit:
            async with self.send_lock:
                await self._send_all(data)
        if limit.cancelled_caught:
            self.abort()
        if self._aborted:
            await self.protocol.handle(Closed())

    async def _send_all(self, data: bytes) -> None:
        try:
            if self._plain is None:
                await self.stream.send_all(data)
            else:
                await self._send_plain(self._plain, data)
        except CLOSED:
            self.abort()
        except trio.Cancelled:
            if self._plain is None or self.has_rest:
                self.abort()
            raise

    async def _send_plain(self, plain: stdlib_socket.socket, data: bytes) -> None:
        """Write the rest of an earlier write, then this."""
        for whole in (self._rest, data):
            part = memoryview(whole)
            while part:
                if plain.fileno() < 0:
                    raise trio.ClosedResourceError("closed by another task of the connection")
                await trio.lowlevel.wait_writable(plain)
                with suppress(BlockingIOError):
                    part = part[plain.send(part) :]
                    self._rest = part

    # -- closing

    @property
    def writing(self) -> bool:
        """Whether a write is waiting for the client."""
        return self.send_lock.locked()

    def abort(self) -> None:
        """Close the socket at once; a task that waits for it wakes up."""
        if self._aborted:
            return
        self._aborted = True
        with suppress(OSError):
            self._transport.socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, RESET)
        self._transport.socket.close()

    def drain(self) -> None:
        """The server shuts down: hypercorn tells the connection."""

    async def _close(self) -> None:
        with trio.move_on_after(CLOSE_SECONDS, shield=True) as limit, suppress(*CLOSED):
            await super()._close()
        if limit.cancelled_caught:
            self.abort()

    async def _idle_timeout(self) -> None:
        with trio.move_on_after(self.config.keep_alive_timeout):
            await self.context.terminated.wait()
            await trio.sleep(LATE_SECONDS)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._initiate_server_close()

    async def _initiate_server_close(self) -> None:
        await self.protocol.handle(Closed())
        await self._close()
