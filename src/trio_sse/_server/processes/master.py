"""Several worker processes that share their listening sockets, and the master that keeps them up.

Owns the processes: how one is started, asked to end, and listened to, by the master; and what one does for its part, in
`work`. It must not know how an app is found.

The two are joined by a pair of sockets. The worker writes `READY` once it accepts; the master writes `CUT` where a
worker may take no more time. When its other end is closed, however the master has come to its own, a worker drains. So
it does on SIGTERM, any number of times: a service manager signals every process, and the master each of its workers.
"""

from __future__ import annotations

import logging
import signal
import socket as stdlib_socket
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio
from hypercorn.config import Sockets

from ..config import StreamConfig
from .channel import CUT, READY, note_early
from .pool import CLEANUP_SECONDS, MARGIN_SECONDS, Reloader, SetupError, WorkerPool, watching

__all__ = ("SetupError", "run_words", "supervise")


logger = logging.getLogger("trio_sse.server")


# -- the master


def supervise(config: StreamConfig, words: Sequence[str], workers: int, watched: Sequence[Path]) -> int:
    """Serve by several processes until SIGINT or SIGTERM; the first has them drain, a second cuts them short.

    It is the last that a process does: it ignores both afterwards.

    Args:
        config: Where to listen, and how long workers may take to end.
        words: The command line of a worker, without its binds.
        workers: How many.
        watched: The folders whose Python files are watched: when one changes, all workers are replaced.

    Returns:
        The exit status: 0, or the first of a worker that has not ended in order, or could not start.

    Raises:
        SetupError: What is asked for is not possible.
    """
    if sys.platform == "win32":
        raise SetupError("several processes and a reloader need Unix: a listening socket has to be handed over")
    if config.quic_bind:
        raise SetupError("QUIC cannot be shared: each datagram would reach any of the processes; leave out --quic-bind")
    changes = watching(watched) if watched else None
    _log_as_hypercorn_does(config)
    launcher = Launcher(words, _listen(config))
    hire = partial(WorkerPool, workers, launcher.start, _patience(config))
    with launcher, note_early(signal.SIGINT, signal.SIGTERM) as early:
        return trio.run(_master, hire() if changes is None else Reloader(hire, changes), launcher, early)


async def _master(crew: WorkerPool | Reloader, launcher: Launcher, early: set[int]) -> int:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, early, crew, launcher)
            status = await crew.run()
            nursery.cancel_scope.cancel(reason="all workers have ended")
    return status


async def _obey(signals: Any, early: set[int], crew: WorkerPool | Reloader, launcher: Launcher) -> None:
    if not early:
        await anext(signals)
    logger.info("shutting down; a second signal cuts it short")
    crew.drain()
    launcher.close()
    await anext(signals)
    crew.cut()


def _patience(config: StreamConfig) -> float:
    """How long a worker that drains may take: all that it has for it, and a margin."""
    return config.graceful_timeout + CLEANUP_SECONDS + config.shutdown_timeout + MARGIN_SECONDS


def _log_as_hypercorn_does(config: StreamConfig) -> None:
    """Send what the master has to say where a worker's hypercorn writes, unless logging has been set up otherwise."""
    errors = config.log.error_logger
    if errors is not None and not logger.hasHandlers():
        logger.handlers[:] = errors.handlers
        logger.setLevel(errors.level)


# -- starting a process


def run_words(target: str, file: str | None, options: Mapping[str, Any]) -> list[str]:
    """The command line that runs an app in a fresh interpreter with the same options, but for its binds."""
    words = [sys.executable, "-m", "trio_sse", "run", target]
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        words[1:1] = ["-P"]  # or else what lies in the current directory would hide modules from ourselves
    if file is not None:
        words.append(f"--config={file}")
    for name, value in options.items():
        if name not in ("bind", "insecure_bind"):
            words += _option_words(name.replace("_", "-"), value)
    return words


def _option_words(name: str, value: bool | str | float | list[str]) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={one}" for one in (value if isinstance(value, list) else [value])]


def bind_words(secure: Sequence[int], insecure: Sequence[int]) -> list[str]:
    """The options that have hypercorn use sockets by their descriptors. Without TLS there is only one kind of bind."""
    kinds = [("bind", secure), ("insecure-bind", insecure)] if secure else [("bind", insecure)]
    return [f"--{name}=fd://{number}" for name, numbers in kinds for number in numbers]


def _listen(config: StreamConfig) -> Sockets:
    try:
        sockets = config.create_sockets()
        for listener in (*sockets.secure_sockets, *sockets.insecure_sockets):
            listener.listen(config.backlog)
    except OSError as error:
        raise SetupError(f"cannot listen on {' '.join(config.bind + config.insecure_bind)}: {error.strerror}") from None
    return sockets


class Launcher:
    """Starts processes that share listening sockets, which it owns.

    Args:
        words: The command line of a worker, without its binds.
        sockets: Where to listen.
    """

    def __init__(self, words: Sequence[str], sockets: Sockets) -> None:
        self._words = words
        self._sockets = sockets

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no longer, as far as it is up to this process."""
        for listener in (*self._sockets.secure_sockets, *self._sockets.insecure_sockets):
            listener.close()

    async def start(self) -> WorkerProcess:
        """Start a process.

        It gets duplicates of the sockets, which are made at once: the sockets may be closed while it starts. Its
        session is its own, so that a terminal's Ctrl-C reaches the master only.
        """
        with ExitStack() as stack:
            secure, insecure = (
                [stack.enter_context(listener.dup()) for listener in listeners]
                for listeners in (self._sockets.secure_sockets, self._sockets.insecure_sockets)
            )
            ours, theirs = stdlib_socket.socketpair()
            stack.enter_context(theirs)
            numbers = [[listener.fileno() for listener in listeners] for listeners in (secure, insecure)]
            words = [*self._words, *bind_words(*numbers), f"--control-fd={theirs.fileno()}"]
            handed_over = [*numbers[0], *numbers[1], theirs.fileno()]
            with _closed_on_error(ours):
                process = await trio.lowlevel.open_process(words, pass_fds=handed_over, start_new_session=True)
        return WorkerProcess(process, ours)


@contextmanager
def _closed_on_error(channel: stdlib_socket.socket) -> Generator[None]:
    try:
        yield
    except BaseException:
        channel.close()
        raise


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(self, process: trio.Process, channel: stdlib_socket.socket) -> None:
        channel.setblocking(False)
        self.pid = process.pid
        self.ready = trio.Event()
        self._process = process
        self._channel = channel

    async def wait(self) -> int:
        """Wait until it has ended, and listen to it meanwhile."""
        with self._channel:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                status = await self._process.wait()
                nursery.cancel_scope.cancel(reason="the process has ended")
            self._hear()
        return status

    async def _listen(self) -> None:
        await trio.lowlevel.wait_readable(self._channel)
        self._hear()

    def _hear(self) -> None:
        with suppress(OSError):  # it has said nothing
            if self._channel.recv(1) == READY:
                self.ready.set()

    def drain(self) -> None:
        """Ask it to end in order. While it still imports that ends it at once: there is nothing to put in order."""
        self._process.terminate()

    def cut(self) -> None:
        """Ask it to end at once, but to clean up."""
        with suppress(OSError):  # it has gone
            self._channel.send(CUT)

    def kill(self) -> None:
        """End it."""
        self._process.kill()


# -- the worker's part
