"""The reloader: it replaces a whole pool of workers when the source has changed.

Owns the watch over the source, and one pool after another. It must not know how workers are started.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import trio

from ..errors import SetupError
from .pool import WorkerPool

__all__ = ("Reloader", "watch")

RELOAD_SECONDS = 0.5
"""Seconds that open requests get to end when the source has changed. Few, because a developer waits for the reload."""

Changes = Callable[..., AsyncGenerator[Collection[tuple[object, str]]]]
"""Called with `stop_event`; yields what has changed, each with its path, until the event is set."""

logger = logging.getLogger("trio_sse.server")


class Reloader:
    """Runs one pool after another: the next one when the source changes.

    If the first pool fails to start, so does the reloader. If a later one does, it waits for the next change.

    Args:
        make_pool: Makes a pool.
        changes: Watches the source.
    """

    def __init__(self, make_pool: Callable[[], WorkerPool], changes: Changes) -> None:
        self._make_pool = make_pool
        self._changes = changes
        self._pool = make_pool()
        self._ending = False
        self._changed = trio.Event()

    def drain(self) -> None:
        """Tell all workers to shut down gracefully, and start no others."""
        self._ending = True
        self._changed.set()
        self._pool.drain()

    def cancel(self) -> None:
        """Tell all workers to cancel their requests, and start no others."""
        self.drain()
        self._pool.cancel()

    async def run(self) -> int:
        """Run until drained, or until the first pool fails to start. Returns the status of the last pool."""
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, stop)
            try:
                status = await self._pool.run()
                while self._changed.is_set() and not self._ending:
                    status = await self._run_next()
            finally:
                stop.set()  # watchfiles waits in a thread, which a cancellation does not reach
        return status

    async def _run_next(self) -> int:
        self._changed = trio.Event()
        self._pool = self._make_pool()
        status = await self._pool.run()
        if self._changed.is_set():
            return status
        logger.error("waiting for the next change")
        await self._changed.wait()
        return 0

    async def _watch(self, stop: trio.Event) -> None:
        async with aclosing(self._changes(stop_event=stop)) as changes:
            async for found in changes:
                if not self._ending:
                    logger.info("reloading: %s", ", ".join(sorted({_relative(path) for _, path in found})))
                    await self._end(self._pool)

    async def _end(self, pool: WorkerPool) -> None:
        pool.drain()
        self._changed.set()
        await trio.sleep(RELOAD_SECONDS)
        pool.cancel()


def _relative(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def watch(folders: Sequence[Path]) -> Changes:
    """Watch the Python files in some folders.

    Raises:
        SetupError: watchfiles is not installed, or a folder does not exist.
    """
    try:
        from watchfiles import PythonFilter, awatch  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        raise SetupError("--reload needs watchfiles: pip install trio-sse[reload]") from None
    for folder in folders:
        if not folder.is_dir():
            raise SetupError(f"there is no folder {str(folder)!r} to watch")
    return partial(awatch, *folders, watch_filter=PythonFilter())
