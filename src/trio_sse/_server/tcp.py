"""A client's connection: hypercorn's, with sends that can be cancelled and have a time limit.

Owns the socket: who writes to it, for how long, and how it is closed. What the bytes mean is the protocol's.

A write goes to the socket at once, without a turn of the scheduler, if the kernel takes it whole; what it does not take
waits for the socket under a lock. Over HTTP/1.1 that wait belongs to one response, so a cancellation ends it: where a
part of the bytes has gone, nothing sensible can follow, and the connection is broken off. Over HTTP/2 many streams
share the connection; there a write is shielded, within `peer_timeout`.
"""

from __future__ import annotations

import logging
import socket as stdlib_socket
import struct
from contextlib import suppress
from typing import Any

import attrs
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H2CProtocolRequiredError, H2ProtocolAssumedError
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from .._ground.writes import time_for
from .._runtime.server_extension import Drain, ServerExtension
from .apps import Tasks
from .config import StreamConfig
from .http1 import HTTP1, ChunkWriter
from .http2 import HTTP2

__all__ = ("Shared", "TCPConnection")

CLOSE_SECONDS = 1.0
"""How long the orderly end of a connection may take before it is broken off."""

LATE_SECONDS = 0.25
"""How long an idle connection is kept when the server shuts down, for a request that is on its way already."""

FAIR_SHARE = 16
"""Writes of a connection after which the scheduler gets a turn."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing drops what the client has not taken, and tells it so."""

GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)
"""What reading and writing raise when the connection is closed, by whichever side."""

logger = logging.getLogger("trio_sse.server")

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@attrs.frozen
class Shared:
    """What all connections of a server have in common.

    Attributes:
        app: The app, wrapped by hypercorn.
        config: The configuration.
        context: hypercorn's own note of the shutdown.
        state: What the lifespan has left.
        drain: The shutdown, as requests see it.
    """

    app: AppWrapper
    config: StreamConfig
    context: WorkerContext
    state: ConnectionState
    drain: Drain


class Protocol(ProtocolWrapper):
    """hypercorn's choice between HTTP/1.1 and HTTP/2, of our own versions."""

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
        """Take what has happened. A client may go over to HTTP/2 without TLS."""
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
        if protocol.idle:  # the preface counted as a request
            await self._tcp.wait_for_a_request()


class TCPConnection(TCPServer):
    """One connection.

    Args:
        shared: What all connections have in common.
        stream: The connection.
        plain: The socket itself, where nothing has to be encrypted.
        overloaded: Whether its requests are to be turned away.
    """

    protocol: Protocol

    def __init__(
        self, shared: Shared, stream: Stream, plain: stdlib_socket.socket | None, *, overloaded: bool = False
    ) -> None:
        super().__init__(shared.app, shared.config, shared.context, shared.state, stream)  # type: ignore[arg-type]  # a plain one is taken too
        self.shared = shared
        self.overloaded = overloaded
        self._plain = plain
        self._transport = stream if isinstance(stream, trio.SocketStream) else stream.transport_stream
        self._shaking_hands = False
        self._broken = False
        self._read_all = False
        self._writes = 0
        self._rest: bytes | memoryview = b""

    async def run(self) -> None:
        """Serve the connection until it is closed. What goes wrong with it is logged and stays with it."""
        try:
            await self._serve()
        except* GONE:
            pass  # the client, that is
        except* Exception as group:
            logger.error("a connection has been broken off", exc_info=group)  # noqa: TRY400 - the group, not the last one
        finally:
            await self._close()  # noqa: ASYNC102 - shields itself, with a time limit

    async def _serve(self) -> None:
        alpn: str | None = "http/1.1"
        if self._plain is None:
            self._shaking_hands = True
            with trio.move_on_after(self.config.ssl_handshake_timeout) as limit:
                await self.stream.do_handshake()
            self._shaking_hands = False
            if limit.cancelled_caught:
                return
            alpn = self.stream.selected_alpn_protocol()
        async with Tasks(self.link) as self._task_group:
            self.protocol = Protocol(self, self._task_group, alpn)  # pyright: ignore[reportIncompatibleVariableOverride]
            await self.protocol.initiate()
            await self.wait_for_a_request()
            await self._read_data()

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self._plain is None

    @property
    def addresses(self) -> tuple[Any, Any]:
        """The client's and our own, as ASGI wants them."""
        socket = self._transport.socket
        peer, own = socket.getpeername(), socket.getsockname()
        return parse_socket_addr(socket.family, peer), parse_socket_addr(socket.family, own)

    def link(self, scope: Any, stream: HTTPStream) -> ServerExtension:
        """What a request is told of the server, and offered by it."""
        direct = (
            self._plain is not None and scope["http_version"] == "1.1" and scope["method"] not in ("HEAD", "CONNECT")
        )
        try_write = ChunkWriter(self, stream) if direct else None
        return ServerExtension(self.shared.drain, self.overloaded, try_write, stream.app_send)

    # -- reading

    async def wait_for_a_request(self) -> None:
        """Wait for a request, for as long as the connection may be idle."""
        await self.idle_task.restart(self._task_group, self._idle_timeout)  # pyright: ignore[reportUnknownMemberType]

    async def _read_data(self) -> None:
        """Read until the client has gone. There is no next request to wait for then."""
        await super()._read_data()
        self._read_all = True
        await self.idle_task.stop()

    # -- writing

    async def protocol_send(self, event: Event) -> None:
        """Do what the protocol asks for."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated) and event.idle and self.overloaded:
            await self._initiate_server_close()
        elif isinstance(event, Closed):
            await self._close()
            await self.protocol.handle(Closed())
        elif isinstance(event, Updated) and event.idle and self._read_all:
            pass  # nothing is left that it could be idle for
        else:
            await super().protocol_send(event)

    def try_write(self, data: bytes) -> bool:
        """Write to the socket itself; True if it has taken all. What it has not taken is kept for `write_rest`."""
        if self._broken or self._rest or self.send_lock.locked():
            return False
        assert self._plain is not None  # noqa: S101 - only who knows that there is one asks
        try:
            sent = self._plain.send(data)
        except OSError:  # it would block, or the client has gone: the long way finds out which
            return False
        if sent < len(data):
            self._rest = data[sent:]
            return False
        return True

    @property
    def has_rest(self) -> bool:
        """Whether the socket has taken a part of a write only."""
        return bool(self._rest)

    async def write_rest(self) -> None:
        """Write what is left."""
        await self._exclusively(b"")

    async def _write(self, data: bytes) -> None:
        if not self._broken:
            had_rest = self.has_rest
            if self._plain is None or not self.try_write(data):
                await self._exclusively(b"" if self.has_rest and not had_rest else data)
        self._writes += 1
        if self._writes % FAIR_SHARE == 0:  # not before the write: what another task has to write would overtake it
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _exclusively(self, data: bytes) -> None:
        """Write with a time limit, one at a time. A client that has gone, or takes nothing, is as good as closed."""
        limit = trio.CancelScope(shield=self.protocol.is_shared)
        limit.deadline = trio.current_time() + time_for(self.shared.config.peer_timeout, len(data))
        with limit:
            async with self.send_lock:
                await self._send_all(data)
        if limit.cancelled_caught:
            self.break_off()
        if self._broken:
            await self.protocol.handle(Closed())

    async def _send_all(self, data: bytes) -> None:
        try:
            if self._plain is None:
                await self.stream.send_all(data)
            else:
                await self._send_plain(self._plain, data)
        except GONE:
            self.break_off()
        except trio.Cancelled:
            if self._plain is None or self.has_rest:
                self.break_off()
            raise

    async def _send_plain(self, plain: stdlib_socket.socket, data: bytes) -> None:
        """Write what is left of another write, then this."""
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

    def break_off(self) -> None:
        """Close the socket at once; whatever waits for it is woken."""
        if self._broken:
            return
        self._broken = True
        with suppress(OSError):
            self._transport.socket.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, RESET)
        self._transport.socket.close()

    def end_handshake(self) -> None:
        """Break the connection off if TLS has not been agreed on: the server shuts down."""
        if self._shaking_hands:
            self.break_off()

    async def _close(self) -> None:
        with trio.move_on_after(CLOSE_SECONDS, shield=True) as limit, suppress(*GONE):
            await super()._close()
        if limit.cancelled_caught:
            self.break_off()

    async def _idle_timeout(self) -> None:
        with trio.move_on_after(self.config.keep_alive_timeout):
            await self.context.terminated.wait()
            await trio.sleep(LATE_SECONDS)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._initiate_server_close()

    async def _initiate_server_close(self) -> None:
        await self.protocol.handle(Closed())
        await self._close()
