"""The launcher: it starts worker processes that share the master's listening sockets.

Owns the start of a process, and the master's end of the channel to it. It must not know when one is started or ended.
"""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import trio

from ..listeners import Listeners
from .channel import CANCEL, READY
from .command import bind_arguments

__all__ = ("Launcher", "WorkerProcess")


class Launcher:
    """Starts worker processes that share listening sockets.

    Args:
        command: The command line of a worker, without its binds.
        listeners: The sockets.
    """

    def __init__(self, command: Sequence[str], listeners: Listeners) -> None:
        self._command = command
        self._listeners = listeners

    async def start(self) -> WorkerProcess:
        """Start a process.

        Raises:
            OSError: The limit of processes or of descriptors has been reached.
        """
        with ExitStack() as stack:
            # The worker gets duplicates, made before the first await: the sockets may be closed while it starts.
            secure, insecure = (
                [stack.enter_context(listener.dup()) for listener in group]
                for group in (self._listeners.secure, self._listeners.insecure)
            )
            ours, theirs = stdlib_socket.socketpair()
            stack.enter_context(theirs)
            numbers = [[listener.fileno() for listener in group] for group in (secure, insecure)]
            command = [*self._command, *bind_arguments(*numbers), f"--control-fd={theirs.fileno()}"]
            inherited = [*numbers[0], *numbers[1], theirs.fileno()]
            with _closed_on_error(ours):
                # In a new session, so that Ctrl-C in a terminal reaches only the master.
                process = await trio.lowlevel.open_process(command, pass_fds=inherited, start_new_session=True)
        return WorkerProcess(process, ours)


@contextmanager
def _closed_on_error(channel: stdlib_socket.socket) -> Generator[None]:
    try:
        yield
    except BaseException:
        channel.close()
        raise


class WorkerProcess:
    """A worker in a process: implements `Worker` of the pool.

    Args:
        process: The process.
        channel: The master's end of the channel to it.
    """

    def __init__(self, process: trio.Process, channel: stdlib_socket.socket) -> None:
        channel.setblocking(False)
        self.pid = process.pid
        self.ready = trio.Event()
        self._process = process
        self._channel = channel

    async def wait(self) -> int:
        """Wait until it has ended. If it becomes ready before, `ready` is set."""
        with self._channel:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wait_until_ready)
                status = await self._process.wait()
                nursery.cancel_scope.cancel(reason="the process has ended")
            self._read()  # it may have become ready just before it ended
        return status

    async def _wait_until_ready(self) -> None:
        await trio.lowlevel.wait_readable(self._channel)
        self._read()

    def _read(self) -> None:
        with suppress(OSError):  # nothing has been sent, or the process has ended
            if self._channel.recv(1) == READY:
                self.ready.set()

    def drain(self) -> None:
        """Tell it to shut down gracefully. SIGTERM ends it at once while it imports the app."""
        self._process.terminate()

    def cancel(self) -> None:
        """Tell it to cancel all requests, which still run their clean-up."""
        with suppress(OSError):  # it has ended
            self._channel.send(CANCEL)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
