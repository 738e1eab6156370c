"""The part of a worker process in what happens between it and its master."""

from __future__ import annotations

import os
import signal
import socket as stdlib_socket
from contextlib import suppress
from typing import Any

import trio

from ...asgi import ASGIApp
from ..config import StreamConfig
from ..serve import serve
from .channel import CUT, READY, note_early

__all__ = ("work",)


def work(app: ASGIApp, config: StreamConfig, control_fd: int) -> None:
    """Serve as one of several processes, until the master or SIGTERM has it drain. SIGINT is for the master.

    It is the last that a process does: it ignores both afterwards.

    Args:
        app: The app.
        config: hypercorn's configuration, with the master's sockets as its binds.
        control_fd: The descriptor of the socket that leads to the master.

    Raises:
        Exception: As for `serve`.
    """
    os.set_inheritable(control_fd, False)
    with (
        stdlib_socket.socket(fileno=control_fd) as channel,
        note_early(signal.SIGINT, signal.SIGTERM) as early,
    ):
        trio.run(_Part(channel).run, app, config, early)


class _Part:
    """A worker's part in what happens between it and its master."""

    def __init__(self, channel: stdlib_socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._asked = trio.Event()
        self._scope = trio.CancelScope()
        self._accepts = False

    async def run(self, app: ASGIApp, config: StreamConfig, early: set[int]) -> None:
        """Serve an app."""
        with trio.open_signal_receiver(signal.SIGTERM) as signals, self._scope:
            if signal.SIGTERM in early:
                self._drain()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey_signals, signals)
                nursery.start_soon(self._obey_master)
                await serve(app, config=config, shutdown_trigger=self._asked.wait, task_status=self)
                nursery.cancel_scope.cancel(reason="the worker has drained")

    def started(self, value: object = None) -> None:
        """Called by `serve` when it listens."""
        self._accepts = True
        with suppress(OSError):  # the master has gone, of which _obey_master hears too
            self._channel.send(READY)

    def _drain(self) -> None:
        """End in order; before anybody has been let in that is at once."""
        self._asked.set()
        if not self._accepts:
            self._scope.cancel(reason="asked to end before it was ready")

    async def _obey_signals(self, signals: Any) -> None:
        async for _ in signals:
            self._drain()

    async def _obey_master(self) -> None:
        await trio.lowlevel.wait_readable(self._channel)
        with suppress(OSError):  # it has been killed
            if self._channel.recv(1) == CUT:
                self._scope.cancel(reason="the master allows no more time")
        self._drain()
