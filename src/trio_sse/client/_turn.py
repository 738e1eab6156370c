"""The turn: which task uses a source's connection, and how another task ends its wait.

Owns that rule alone. It does not know connections or events.
"""

from __future__ import annotations

import math

import trio

__all__ = ("Turn",)


class Turn:
    """A context manager that admits one task at a time.

    An async generator that one task is advancing cannot be closed by another one: Python raises a RuntimeError. So a
    task that wants to close a connection while another one is using it interrupts that one, which then closes the
    connection itself.

    Raises:
        trio.BusyResourceError: On entry, if another task has the turn.
    """

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._scope: trio.CancelScope | None = None
        self._interrupted = False
        self._waiting = trio.lowlevel.ParkingLot()

    def __enter__(self) -> None:
        if self._task is not None:
            raise trio.BusyResourceError("another task is iterating over this source")
        self._task = trio.lowlevel.current_task()

    def __exit__(self, *_: object) -> None:
        self._task = None
        if self._waiting:
            self._waiting.unpark_all()

    @property
    def is_free(self) -> bool:
        """Whether no task has the turn."""
        return self._task is None

    def interruptible(self, seconds: float = math.inf) -> trio.CancelScope:
        """A scope for one wait of the task that has the turn. It ends after a time, or by `interrupt`."""
        self._scope = trio.CancelScope(relative_deadline=seconds)
        if self._interrupted:
            self._scope.cancel()
        return self._scope

    def interrupt(self) -> None:
        """End the wait of the task that has the turn, and each later one."""
        self._interrupted = True
        if self._scope is not None:
            self._scope.cancel()

    async def until_free(self) -> None:
        """Wait until no other task has the turn."""
        while self._task not in (None, trio.lowlevel.current_task()):
            await self._waiting.park()
