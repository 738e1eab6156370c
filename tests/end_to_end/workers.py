"""A server of several processes, run by a test, and all of its processes: none outlives its test."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil
import trio

from .programs import TESTS, Program, running, server_command
from .sockets import Peer, connected

__all__ = ("Master", "supervised")

POLL_SECONDS = 0.02


class Master:
    """A master, its workers, and the marks that its app has made.

    Attributes:
        program: The master.
        port: Where the workers listen.
    """

    def __init__(self, program: Program, marks: Path) -> None:
        self.program = program
        self.pid = program.process.pid
        self._marks = marks
        self._known: dict[int, psutil.Process] = {}

    @property
    def port(self) -> int:
        return self.program.port

    def workers(self) -> set[int]:
        """The processes that it has started, and that are there still."""
        with suppress(psutil.NoSuchProcess):
            self._known |= {child.pid: child for child in psutil.Process(self.pid).children() if is_worker(child)}
        return {pid for pid, process in self._known.items() if is_there(process)}

    async def ready(self, count: int) -> set[int]:
        """Wait until so many workers have said that they accept; who they are."""
        found = set[int]()
        while len(found) < count:
            line = await self.program.line_with(r"\[(\d+)\] \[INFO\] Running on https?://127\.0\.0\.1:(\d+)")
            found.add(int(line[1]))
            self.program.port = int(line[2])
        self.workers()
        return found

    async def streams(self, stack: AsyncExitStack, workers: Collection[int]) -> dict[int, Peer]:
        """Open streams until there is one from each of some workers; all are closed with the stack."""
        opened: dict[int, Peer] = {}
        while not opened.keys() >= set(workers):
            peer = await stack.enter_async_context(connected(self.port))
            assert (await peer.get("/count")).status == 200
            opened[int((await peer.event())["data"])] = peer
        return opened

    def marks(self, word: str) -> list[int]:
        """The processes in which something happened, once for each time."""
        lines = self._marks.read_text().splitlines() if self._marks.exists() else []
        return sorted(int(line.split()[1]) for line in lines if line.split()[0] == word)

    async def any_started(self) -> None:
        """Wait until there is a worker, though it may not accept yet."""
        while not self.workers():  # noqa: ASYNC110 - of a process that is not ours only looking tells
            await trio.sleep(POLL_SECONDS)

    async def all_gone(self) -> None:
        """Wait until no worker is left."""
        while self.workers():  # noqa: ASYNC110 - of a process that is not ours only looking tells
            await trio.sleep(POLL_SECONDS)

    async def end(self) -> None:
        """Whatever the test has found, leave no process behind."""
        self.workers()
        with trio.move_on_after(5), suppress(ProcessLookupError):
            if self.program.process.poll() is None:
                self.program.terminate()
            await self.program.process.wait()
            await self.all_gone()
        if self.program.process.poll() is None:
            self.program.process.kill()
        for pid in self.workers():
            self._known[pid].send_signal(signal.SIGKILL)


@asynccontextmanager
async def supervised(
    target: str, *options: str, marks: Path, workers: int | None = 2, cwd: Path = TESTS
) -> AsyncIterator[Master]:
    """Serve an app by several processes while the block lasts.

    Args:
        target: The app.
        *options: Further options of `trio-sse run`.
        marks: Where the app makes its marks.
        workers: How many.
        cwd: Where the app is found.
    """
    count = () if workers is None else ("--workers", str(workers))
    command = server_command("trio-sse", target, *count, *options)
    environment = {"MARKS": str(marks), "PYTHONPATH": str(TESTS)}
    async with running(*command, cwd=cwd, environment=environment) as program:
        master = Master(program, marks)
        try:
            yield master
        finally:
            with trio.CancelScope(shield=True):
                await master.end()


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker, and already that: importing Trio starts a process, too."""
    try:
        return any(word.startswith("--control-fd") for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def is_there(process: psutil.Process) -> bool:
    """Whether a process has not ended; one whose parent has not looked yet counts as ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
