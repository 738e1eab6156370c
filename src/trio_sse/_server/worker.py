"""The worker: hypercorn's protocols, configuration, TLS and logging, with connections and a shutdown made for streams.

Owns the phases of a server: lifespan, listening, draining, end. It replaces hypercorn's `worker_serve`; `contract`
lists the parts of hypercorn that it relies on. It must not know what bytes mean, or what an app does.
"""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from random import randint
from typing import Any

import trio
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.udp_server import UDPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGISendEvent, ConnectionState, LifespanState
from hypercorn.utils import repr_socket_addr  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from .._runtime.server_extension import Drain
from .accepting import accept_all
from .config import StreamConfig
from .connection_limit import ConnectionLimit
from .errors import ListenError
from .http1.connection import HTTP1Connection
from .listeners import Listeners, set_keep_alive
from .shared import Shared
from .tcp import TCPConnection
from .tls import Handshake, TLSTransport, TransportStream
from .transport import PlainTransport
from .triggers import Trigger, wait_for_first

__all__ = ("serve_worker",)

Connection = HTTP1Connection | TCPConnection | Handshake

CANCEL_SECONDS = 1.0
"""Seconds after `graceful_timeout`, at which an `App` ends its requests, until all that are left are cancelled."""


class _Lifespan(Lifespan):
    """hypercorn's lifespan, which also notes whether the app has failed to start.

    `wait_for_startup` returns in both cases; hypercorn raises the error of a failed start later.
    """

    failed = False

    async def asgi_send(self, message: ASGISendEvent) -> None:
        """ASGI's send, for the app."""
        self.failed = self.failed or message["type"] == "lifespan.startup.failed"
        await super().asgi_send(message)


async def serve_worker(  # noqa: ASYNC128 - the server calls started()
    app: AppWrapper,
    config: StreamConfig,
    shutdown_trigger: Trigger,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an app until the trigger, then drain for `graceful_timeout` seconds.

    Raises:
        SetupError: The certificate cannot be used, or an address cannot be listened on. It is not in a group.
    """
    tls = config.create_ssl_context()  # before the app starts, so that a mistake here is found without its services
    state = LifespanState({})
    lifespan = _Lifespan(app, config, state)
    most = config.max_requests
    context = WorkerContext(None if most is None else most + randint(0, config.max_requests_jitter))  # noqa: S311 - nothing to guess
    shared = Shared(app, config, context, ConnectionState(state), Drain())
    listen_error: ListenError | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(lifespan.handle_lifespan)
        with suppress(trio.ClosedResourceError):  # the app has returned, because it has no lifespan
            await lifespan.wait_for_startup()
        if lifespan.failed:
            await trio.sleep_forever()  # until the app's error is here, which cancels this
        try:
            await _Server(shared, tls).run(shutdown_trigger, task_status.started)
        except ListenError as error:
            listen_error = error
        with suppress(trio.ClosedResourceError):
            await lifespan.wait_for_shutdown()
        nursery.cancel_scope.cancel(reason="the server has shut down")
    if listen_error is not None:
        raise listen_error


class _Server:
    """The listening sockets, and the connections of all of them."""

    def __init__(self, shared: Shared, tls: ssl.SSLContext | None) -> None:
        self._shared = shared
        self._tls = tls
        self._config = shared.config
        self._limit = ConnectionLimit(shared.config.max_connections)
        self._open: set[Connection] = set()

    async def run(self, shutdown_trigger: Trigger, started: Callable[[list[str]], None]) -> None:
        """Serve until the trigger, and drain. `started` is called with the addresses when they accept connections."""
        with Listeners.open(self._config) as listeners:
            for listener in listeners.streams:
                set_keep_alive(listener, self._config.peer_timeout)
            async with trio.open_nursery() as outer:
                outer.start_soon(self._abort_writes_at_the_end)
                async with trio.open_nursery() as connections:
                    binds = await self._start(listeners, connections)
                    await self._accept(listeners, connections, shutdown_trigger, partial(started, binds))
                    listeners.close()
                    await self._drain(outer.cancel_scope)
                outer.cancel_scope.cancel(reason="all connections have ended")

    async def _start(self, listeners: Listeners, connections: trio.Nursery) -> list[str]:
        """Log the addresses, and start hypercorn's server for QUIC. Returns the addresses, without those of QUIC."""
        shared, binds = self._shared, list[str]()
        for scheme, group in (("https", listeners.secure), ("http", listeners.insecure)):
            binds += [f"{scheme}://{_address(listener)}" for listener in group]
        for bind in binds:
            await self._log_address(bind)
        for quic in listeners.quic:
            server = UDPServer(shared.app, self._config, shared.context, shared.state, quic)
            await connections.start(server.run)
            await self._log_address(f"https://{_address(quic)} (QUIC)")
        return binds

    async def _log_address(self, bind: str) -> None:
        await self._config.log.info("Running on %s (CTRL + C to quit)", bind)

    async def _accept(
        self,
        listeners: Listeners,
        connections: trio.Nursery,
        shutdown_trigger: Trigger,
        started: Callable[[], None],
    ) -> None:
        """Accept connections until the server is asked to stop."""
        async with trio.open_nursery() as accepting:
            for group, tls in ((listeners.secure, self._tls), (listeners.insecure, None)):
                for listener in group:
                    on_accept = partial(self._start_connection, connections, tls)
                    accepting.start_soon(accept_all, listener, self._limit, on_accept)
            started()
            await wait_for_first(shutdown_trigger, self._shared.context.terminate.wait)
            accepting.cancel_scope.cancel(reason="the server shuts down")

    def _start_connection(
        self, connections: trio.Nursery, tls: ssl.SSLContext | None, client: stdlib_socket.socket, overloaded: bool
    ) -> None:
        connections.start_soon(self._serve, tls, client, overloaded)

    async def _serve(self, tls: ssl.SSLContext | None, client: stdlib_socket.socket, overloaded: bool) -> None:
        try:
            if tls is None:
                await self._speak(PlainTransport(client), "http/1.1", overloaded=overloaded)
                return
            transport = TLSTransport(client, tls)
            handshake = Handshake(transport)
            with self._counted(handshake):
                alpn = await handshake.run(self._config.ssl_handshake_timeout)
            if alpn is not None:
                await self._speak(transport, alpn, overloaded=overloaded)
        finally:
            self._limit.release()

    async def _speak(self, transport: PlainTransport | TLSTransport, alpn: str, *, overloaded: bool) -> None:
        """Serve a connection by the protocol that was agreed on."""
        config, begun = self._config, b""
        plain = transport.socket if isinstance(transport, PlainTransport) else None
        if alpn != "h2" and config.http1 == "httptools" and not config.h11_pass_raw_headers:
            fast = HTTP1Connection(self._shared, transport, encrypted=plain is None, overloaded=overloaded)
            with self._counted(fast):
                begun = await fast.run()
            if not begun:
                return
        if isinstance(transport, PlainTransport):
            stream: Any = trio.SocketStream(trio.socket.from_stdlib_socket(transport.socket))
        else:
            stream = TransportStream(transport)
        connection = TCPConnection(self._shared, stream, plain, alpn=alpn, overloaded=overloaded, begun=begun)
        with self._counted(connection):
            await connection.run()

    @contextmanager
    def _counted(self, connection: Connection) -> Generator[None]:
        """Have a connection among those that are told of the shutdown."""
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    async def _drain(self, scope: trio.CancelScope) -> None:
        shared, seconds = self._shared, self._config.graceful_timeout
        scope.deadline = trio.current_time() + seconds + CANCEL_SECONDS
        shared.drain.begin(seconds)
        for connection in tuple(self._open):
            connection.drain()
        await shared.context.terminated.set()

    async def _abort_writes_at_the_end(self) -> None:
        """When the server is cancelled, close the connections whose writes wait: a write over HTTP/2 is shielded."""
        try:
            await trio.sleep_forever()
        finally:
            for connection in tuple(self._open):
                if connection.writing:
                    connection.abort()


def _address(listener: stdlib_socket.socket) -> str:
    return str(repr_socket_addr(listener.family, listener.getsockname()))
