"""A worker process: it serves until its master or SIGTERM ends it.

Owns the worker's end of the channel to the master, and its signals. It must not know how an app is loaded.
"""

from __future__ import annotations

import os
import signal
import socket as stdlib_socket
from collections.abc import AsyncIterator
from contextlib import suppress

import trio

from ...asgi import ASGIApp
from ..config import StreamConfig
from ..serve import serve_configured
from .channel import CANCEL, READY, record_early_signals

__all__ = ("run_worker",)


def run_worker(app: ASGIApp, config: StreamConfig, control_fd: int) -> None:
    """Serve as one of several processes, until the master or SIGTERM asks it to drain. SIGINT has no effect.

    Call it as the last thing that a process does: both signals are ignored afterwards.

    Args:
        app: The app.
        config: hypercorn's configuration, with the master's sockets as its binds.
        control_fd: The descriptor of the worker's end of the channel.

    Raises:
        Exception: As for `serve`.
    """
    os.set_inheritable(control_fd, False)
    with (
        stdlib_socket.socket(fileno=control_fd) as channel,
        record_early_signals(signal.SIGINT, signal.SIGTERM) as early,
    ):
        trio.run(_Worker(channel).run, app, config, early)


class _Worker:
    """Serves an app, and drains or cancels when the master or a signal asks it to."""

    def __init__(self, channel: stdlib_socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._draining = trio.Event()
        self._scope = trio.CancelScope()
        self._accepts = False

    async def run(self, app: ASGIApp, config: StreamConfig, early: set[int]) -> None:
        """Serve an app."""
        error: Exception | None = None
        with trio.open_signal_receiver(signal.SIGTERM) as signals, self._scope:
            if signal.SIGTERM in early:
                self._drain()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._handle_signals, signals)
                nursery.start_soon(self._handle_master)
                try:
                    await serve_configured(app, config, self._draining.wait, self, receives_signals=True)
                except Exception as raised:  # noqa: BLE001 - raised below, outside the nursery, and so not in a group
                    error = raised
                nursery.cancel_scope.cancel(reason="the worker has drained")
        if error is not None:
            raise error

    def started(self, value: object = None) -> None:
        """Called by the server when it accepts connections: it is also the server's `task_status`."""
        self._accepts = True
        with suppress(OSError):  # the master has ended: _handle_master sees that too
            self._channel.send(READY)

    def _drain(self) -> None:
        """Shut down gracefully. Before the server accepts connections, no request could need time to end."""
        self._draining.set()
        if not self._accepts:
            self._scope.cancel(reason="it was asked to drain before it was ready")

    async def _handle_signals(self, signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            self._drain()

    async def _handle_master(self) -> None:
        await trio.lowlevel.wait_readable(self._channel)
        with suppress(OSError):  # the master has been killed
            if self._channel.recv(1) == CANCEL:
                self._scope.cancel(reason="the master asked it to cancel its requests")
        self._drain()
