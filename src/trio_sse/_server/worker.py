"""The worker: hypercorn's protocols, configuration, TLS and logging, with connections and a shutdown made for streams.

Owns the order of a server's life: lifespan, listening, draining, end. It is hypercorn's `worker_serve` in our words;
`_contract` says what it relies on.
"""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from random import randint
from typing import Any

import trio
from hypercorn.config import Sockets
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.statsd import StatsdLogger
from hypercorn.trio.udp_server import UDPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGISendEvent, ConnectionState, LifespanState
from hypercorn.utils import repr_socket_addr  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from .._runtime.server_extension import Drain
from .config import StreamConfig
from .listening import ConnectionLimit, accept_all, prepare
from .tcp import Shared, TCPConnection
from .triggers import Trigger, wait_for_first

__all__ = ("serve_worker",)

CUT_SECONDS = 1.0
"""What requests that ignore the end of the drain get on top of it, before the server itself cancels them."""


class _Lifespan(Lifespan):
    """hypercorn's, which says no different whether the app has started or failed to: its error only comes later."""

    failed = False

    async def asgi_send(self, message: ASGISendEvent) -> None:
        """Take what the app says of itself."""
        self.failed = self.failed or message["type"] == "lifespan.startup.failed"
        await super().asgi_send(message)


async def serve_worker(  # noqa: ASYNC128 - the server calls started()
    app: AppWrapper,
    config: StreamConfig,
    shutdown_trigger: Trigger,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an app until the trigger, then drain for `graceful_timeout` seconds."""
    config.set_statsd_logger_class(StatsdLogger)
    state = LifespanState({})
    lifespan = _Lifespan(app, config, state)
    most = config.max_requests
    context = WorkerContext(None if most is None else most + randint(0, config.max_requests_jitter))  # noqa: S311 - nothing to guess
    shared = Shared(app, config, context, ConnectionState(state), Drain())
    async with trio.open_nursery() as nursery:
        await nursery.start(lifespan.handle_lifespan)
        with suppress(trio.ClosedResourceError):  # the app has returned: it has no lifespan
            await lifespan.wait_for_startup()
        if lifespan.failed:
            await trio.sleep_forever()  # until its error is here
        await _Server(shared).run(shutdown_trigger, task_status.started)
        with suppress(trio.ClosedResourceError):
            await lifespan.wait_for_shutdown()
        nursery.cancel_scope.cancel(reason="the server has shut down")


class _Server:
    """The sockets, and the connections of them all."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._config = shared.config
        self._seats = ConnectionLimit(shared.config.max_connections)
        self._open: set[TCPConnection] = set()

    async def run(self, shutdown_trigger: Trigger, started: Callable[[list[str]], None]) -> None:
        """Serve until the trigger, and drain. `started` is told the addresses once they accept."""
        with ExitStack() as stack:
            sockets = self._listen(stack)
            async with trio.open_nursery() as outer:
                outer.start_soon(self._break_off_at_the_end)
                async with trio.open_nursery() as connections:
                    binds = await self._start(sockets, connections)
                    await self._accept(sockets, connections, shutdown_trigger, partial(started, binds))
                    stack.close()
                    await self._drain(outer.cancel_scope)
                outer.cancel_scope.cancel(reason="all connections have ended")

    def _listen(self, stack: ExitStack) -> Sockets:
        config = self._config
        sockets = config.create_sockets()
        for listener in (*sockets.secure_sockets, *sockets.insecure_sockets):
            stack.callback(listener.close)
            listener.listen(config.backlog)
            prepare(listener, config.peer_timeout)
        return sockets

    async def _start(self, sockets: Sockets, connections: trio.Nursery) -> list[str]:
        """Say where it listens, and start what hypercorn has of its own for QUIC."""
        shared, binds = self._shared, list[str]()
        for scheme, group in (("https", sockets.secure_sockets), ("http", sockets.insecure_sockets)):
            binds += [f"{scheme}://{_address(listener)}" for listener in group]
        for bind in binds:
            await self._announce(bind)
        for quic in sockets.quic_sockets:
            server = UDPServer(shared.app, self._config, shared.context, shared.state, quic)
            await connections.start(server.run)
            await self._announce(f"https://{_address(quic)} (QUIC)")
        return binds

    async def _announce(self, bind: str) -> None:
        await self._config.log.info("Running on %s (CTRL + C to quit)", bind)

    async def _accept(
        self,
        sockets: Sockets,
        connections: trio.Nursery,
        shutdown_trigger: Trigger,
        started: Callable[[], None],
    ) -> None:
        """Let clients in until the server is asked to stop."""
        context = self._config.create_ssl_context()
        async with trio.open_nursery() as accepting:
            for group, tls in ((sockets.secure_sockets, context), (sockets.insecure_sockets, None)):
                for listener in group:
                    accepted = partial(self._accepted, connections, tls)
                    accepting.start_soon(accept_all, listener, self._seats, accepted)
            started()
            await wait_for_first(shutdown_trigger, self._shared.context.terminate.wait)
            accepting.cancel_scope.cancel(reason="the server shuts down")

    def _accepted(
        self, connections: trio.Nursery, tls: ssl.SSLContext | None, client: stdlib_socket.socket, overloaded: bool
    ) -> None:
        connections.start_soon(self._serve, tls, client, overloaded)

    async def _serve(self, tls: ssl.SSLContext | None, client: stdlib_socket.socket, overloaded: bool) -> None:
        stream: Any = trio.SocketStream(trio.socket.from_stdlib_socket(client))
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        connection = TCPConnection(self._shared, stream, client if tls is None else None, overloaded=overloaded)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            self._seats.free()

    async def _drain(self, scope: trio.CancelScope) -> None:
        shared, seconds = self._shared, self._config.graceful_timeout
        scope.deadline = trio.current_time() + seconds + CUT_SECONDS
        shared.drain.begin(seconds)
        for connection in tuple(self._open):
            connection.end_handshake()
        await shared.context.terminated.set()

    async def _break_off_at_the_end(self) -> None:
        """When the server is cancelled, free those who wait for clients behind a shield."""
        try:
            await trio.sleep_forever()
        finally:
            for connection in tuple(self._open):
                if connection.writing:
                    connection.break_off()


def _address(listener: stdlib_socket.socket) -> str:
    return str(repr_socket_addr(listener.family, listener.getsockname()))
