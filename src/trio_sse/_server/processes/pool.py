"""The pool of workers: it starts workers, replaces those that die, and ends all of them.

Owns the number of workers, the delays before one is replaced, and the time limits of their end. It must not know that
workers are processes: the tests run it with fake workers, under virtual time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from ..._ground.time_limits import CLEANUP_TIMEOUT
from .worker_exit import WorkerExit

__all__ = ("EXIT_SECONDS", "Worker", "WorkerPool", "next_delay")

EXIT_SECONDS = 5.0
"""Seconds that an interpreter may take to exit while other workers exit at the same moment."""

FIRST_DELAY, LONGEST_DELAY = 0.1, 10.0
"""Seconds before a worker that has died is replaced: doubled each time that one dies soon after its start."""
STEADY_SECONDS = 10.0
"""Seconds after which the death of a worker is not attributed to its start."""

logger = logging.getLogger("trio_sse.server")


class Worker(Protocol):
    """A worker, as the pool sees it. No method raises an error when the worker has ended already."""

    @property
    def pid(self) -> int:
        """The number of its process."""
        ...

    @property
    def ready(self) -> trio.Event:
        """Set when it accepts connections. After `wait`: whether it ever did."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended; its status, which is negative for a signal."""
        ...

    def drain(self) -> None:
        """Tell it to shut down gracefully."""
        ...

    def cancel(self) -> None:
        """Tell it to cancel all requests, which still run their clean-up."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class WorkerPool:
    """A fixed number of workers, each replaced when it dies, until the pool is drained.

    The first worker has to be ready before the others are started, so that a mistake in the app is reported once.

    Args:
        size: The number of workers.
        start: Starts one.
        exit_timeout: Seconds that a worker may take to end before it is killed.
    """

    def __init__(self, size: int, start: Callable[[], Awaitable[Worker]], exit_timeout: float) -> None:
        self._size = size
        self._start = start
        self._exit_timeout = exit_timeout
        self._status = 0
        self._first_is_ready = trio.Event()
        self._draining = trio.Event()
        self._cancelling = trio.Event()

    def drain(self) -> None:
        """Tell all workers to shut down gracefully."""
        self._draining.set()
        self._first_is_ready.set()

    def cancel(self) -> None:
        """Tell all workers to cancel their requests."""
        self.drain()
        self._cancelling.set()

    async def run(self) -> int:
        """Run until drained, or until a worker ends before it was ready at its first start.

        Returns:
            0 if all workers have ended with status 0, otherwise the first other status.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_one_running)
            await self._first_is_ready.wait()
            for _ in range(self._size - 1):
                nursery.start_soon(self._keep_one_running)
        return self._status

    async def _keep_one_running(self) -> None:
        delay, proven = 0.0, False
        while not self._draining.is_set():
            began = trio.current_time()
            ended = await self._run_one()
            if self._draining.is_set():
                self._status = self._status or ended.code
                return
            proven = proven or ended.was_ready
            if not proven and not ended.was_terminated_early:
                self._give_up(ended)
                return
            delay = next_delay(0 if ended.was_in_order else delay, trio.current_time() - began)
            logger.warning("%s; starting another in %.1f s", ended.text, delay)
            with trio.move_on_after(delay):
                await self._draining.wait()

    async def _run_one(self) -> WorkerExit:
        try:
            worker = await self._start()
        except OSError as error:
            return WorkerExit(f"no worker can be started ({error.strerror})", 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_until_ready, worker)
            nursery.start_soon(self._end_when_draining, worker)
            status = await worker.wait()
            nursery.cancel_scope.cancel(reason="the worker has ended")
        return WorkerExit.of(worker.pid, status, was_ready=worker.ready.is_set())

    async def _wait_until_ready(self, worker: Worker) -> None:
        await worker.ready.wait()
        self._first_is_ready.set()

    async def _end_when_draining(self, worker: Worker) -> None:
        """Drain a worker when the pool drains, cancel it when the pool is cancelled, and kill it at its time limit."""
        await self._draining.wait()
        worker.drain()
        began = trio.current_time()
        # One deadline for both: a worker that is cancelled shortly before the limit gets no more time.
        with trio.move_on_after(self._exit_timeout):
            await self._cancelling.wait()
            worker.cancel()
            await trio.sleep(CLEANUP_TIMEOUT + EXIT_SECONDS)
        logger.error("worker %d has not ended after %.1f s: killing it", worker.pid, trio.current_time() - began)
        worker.kill()

    def _give_up(self, ended: WorkerExit) -> None:
        logger.error("%s", ended.text)
        self._status = self._status or ended.code or 1
        self.drain()


def next_delay(previous: float, lived: float) -> float:
    """The seconds to wait before the next worker.

    Args:
        previous: The seconds that were waited before the last worker; 0 if it was the first one, or ended in order.
        lived: The seconds that the last worker lived.
    """
    return FIRST_DELAY if lived >= STEADY_SECONDS or not previous else min(previous * 2, LONGEST_DELAY)
