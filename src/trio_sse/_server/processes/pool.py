"""When workers are replaced: because one has died, or because the source has changed.

Owns the crew of workers, its end, and the delays in between. It must not know that workers are processes: a test has
it work with others, under virtual time.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import attrs
import trio

__all__ = (
    "CLEANUP_SECONDS",
    "MARGIN_SECONDS",
    "End",
    "Reloader",
    "SetupError",
    "Worker",
    "WorkerPool",
    "next_delay",
    "watching",
)

CLEANUP_SECONDS = 5.0
"""How long what the library shields in an app may take (`cleanup_timeout`, unless set)."""
MARGIN_SECONDS = 5.0
"""For the end of an interpreter on a machine that is busy with the ends of others."""

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
"""Seconds before a worker that has died is replaced: doubled each time that one dies soon after its start."""
STEADY_SECONDS = 10.0
"""A worker that has lived that long did not die of its start."""

RELOAD_SECONDS = 0.5
"""How long open requests may go on when the source has changed: whoever develops is waiting."""

Changes = Callable[..., AsyncGenerator[Collection[tuple[object, str]]]]
"""Called with `stop_event`, gives what has changed, each with its path, until that is set."""

logger = logging.getLogger("trio_sse.server")


class SetupError(Exception):
    """What was asked for cannot be served by several processes, or not here."""


class Worker(Protocol):
    """A worker, as its master sees it. None of these raises when it has gone."""

    @property
    def pid(self) -> int:
        """The number of its process."""
        ...

    @property
    def ready(self) -> trio.Event:
        """Set when it accepts connections. Once it has been waited for: whether it ever did."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended; its status, which is negative for a signal."""
        ...

    def drain(self) -> None:
        """Ask it to end in order."""
        ...

    def cut(self) -> None:
        """Ask it to end at once, but to clean up."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


# -- a crew of workers


@attrs.frozen
class End:
    """How a worker has ended: in words, as an exit status, and whether that was its app's doing."""

    text: str
    code: int
    was_ready: bool = False
    was_asked: bool = False

    @property
    def was_in_order(self) -> bool:
        """Whether it had served what it was to serve: it was asked to drain, or has had `max_requests`."""
        return self.was_ready and not self.code

    @classmethod
    def of(cls, pid: int, status: int, *, was_ready: bool) -> End:
        """What a status says. SIGTERM ends a worker only while it imports: it has been asked to, by whomever."""
        was_asked = status == -signal.SIGTERM and not was_ready
        how = "has ended" if status == 0 else f"has ended with status {status}"
        if status < 0:
            how = f"was killed by {_name_of(-status)}"
        when = "" if was_ready else " before it was ready"
        code = 0 if was_asked else 128 - status if status < 0 else status
        return cls(f"worker {pid} {how}{when}", code, was_ready, was_asked)


class WorkerPool:
    """So many workers, each replaced when it dies, until they are asked to end.

    The first one has to be ready before the others are started, so that a mistake in the app is said once.

    Args:
        size: How many.
        start: Starts one.
        seconds: How long one may take to end before it is killed.
    """

    def __init__(self, size: int, start: Callable[[], Awaitable[Worker]], seconds: float) -> None:
        self._size = size
        self._start = start
        self._seconds = seconds
        self._status = 0
        self._first_tried = trio.Event()
        self._draining = trio.Event()
        self._cutting = trio.Event()

    def drain(self) -> None:
        """Ask all to end in order."""
        self._draining.set()
        self._first_tried.set()

    def cut(self) -> None:
        """Ask all to end at once."""
        self.drain()
        self._cutting.set()

    async def run(self) -> int:
        """Work until asked to end, or until a worker ends before it was ready at its first start.

        Returns:
            0 if all have then ended in order, or else the first status of one that has not.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_one)
            await self._first_tried.wait()
            for _ in range(self._size - 1):
                nursery.start_soon(self._keep_one)
        return self._status

    async def _keep_one(self) -> None:
        delay, proven = 0.0, False
        while not self._draining.is_set():
            began = trio.current_time()
            end = await self._employ()
            if self._draining.is_set():
                self._status = self._status or end.code
                return
            proven = proven or end.was_ready
            if not proven and not end.was_asked:
                self._give_up(end)
                return
            delay = next_delay(0 if end.was_in_order else delay, trio.current_time() - began)
            logger.warning("%s; starting another in %.1f s", end.text, delay)
            with trio.move_on_after(delay):
                await self._draining.wait()

    async def _employ(self) -> End:
        """Start a worker, and stay with it to its end."""
        try:
            worker = await self._start()
        except OSError as error:
            return End(f"no worker can be started ({error.strerror})", 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_the_first, worker)
            nursery.start_soon(self._see_out, worker)
            status = await worker.wait()
            nursery.cancel_scope.cancel(reason="the worker has ended")
        return End.of(worker.pid, status, was_ready=worker.ready.is_set())

    async def _note_the_first(self, worker: Worker) -> None:
        await worker.ready.wait()
        self._first_tried.set()

    async def _see_out(self, worker: Worker) -> None:
        """When the time has come, have a worker end; the later, the less gently."""
        await self._draining.wait()
        worker.drain()
        asked = trio.current_time()
        with trio.move_on_after(self._seconds):
            await self._cutting.wait()
            worker.cut()
            await trio.sleep(CLEANUP_SECONDS + MARGIN_SECONDS)
        logger.error("worker %d has not ended after %.1f s: killing it", worker.pid, trio.current_time() - asked)
        worker.kill()

    def _give_up(self, end: End) -> None:
        logger.error("%s", end.text)
        self._status = self._status or end.code or 1
        self.drain()


def next_delay(previous: float, lived: float) -> float:
    """The seconds to wait before the next worker, by those before the last one and those for which that lived."""
    return FIRST_DELAY if lived >= STEADY_SECONDS or not previous else min(previous * 2, LONGEST_DELAY)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# -- one crew after another


class Reloader:
    """Replaces a whole crew when something changes.

    A mistake in the first one ends it, as without a reloader. After one in a later crew it waits for the next change.

    Args:
        hire: Makes a crew.
        changes: What is watched.
    """

    def __init__(self, hire: Callable[[], WorkerPool], changes: Changes) -> None:
        self._hire = hire
        self._changes = changes
        self._crew = hire()
        self._asked = False
        self._news = trio.Event()

    def drain(self) -> None:
        """Ask all to end in order, for good."""
        self._asked = True
        self._news.set()
        self._crew.drain()

    def cut(self) -> None:
        """Ask all to end at once, for good."""
        self.drain()
        self._crew.cut()

    async def run(self) -> int:
        """Work until asked to end, or until the first crew gives up; the status is that of the last crew."""
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, stop)
            try:
                status = await self._crew.run()
                while self._news.is_set() and not self._asked:
                    status = await self._again()
            finally:
                stop.set()  # a thread watches, which hears of no cancellation
        return status

    async def _again(self) -> int:
        self._news = trio.Event()
        self._crew = self._hire()
        status = await self._crew.run()
        if self._news.is_set():
            return status
        logger.error("waiting for the next change")
        await self._news.wait()
        return 0

    async def _watch(self, stop: trio.Event) -> None:
        async with aclosing(self._changes(stop_event=stop)) as changes:
            async for found in changes:
                if not self._asked:
                    logger.info("reloading: %s", ", ".join(sorted({_relative(path) for _, path in found})))
                    await self._end(self._crew)

    async def _end(self, crew: WorkerPool) -> None:
        crew.drain()
        self._news.set()
        await trio.sleep(RELOAD_SECONDS)
        crew.cut()


def _relative(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def watching(folders: Sequence[Path]) -> Changes:
    """What changes among the Python files in some folders.

    Raises:
        SetupError: Nothing can be watched.
    """
    try:
        from watchfiles import PythonFilter, awatch  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise SetupError("--reload needs watchfiles: pip install trio-sse[reload]") from None
    for folder in folders:
        if not folder.is_dir():
            raise SetupError(f"there is no folder {str(folder)!r} to watch")
    return partial(awatch, *folders, watch_filter=PythonFilter())
