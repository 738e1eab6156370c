"""Hosting: a nursery in a task of its own, so that its tasks can be ended at a chosen moment while its owner goes on.

Owns that one pattern, for the tasks of a request and for those of the app. Who has failed is told as it has failed.
"""

from __future__ import annotations

from typing import cast

import trio

__all__ = ("BackgroundNursery", "alone")


class BackgroundNursery:
    """A nursery that waits until it is ended.

    Args:
        shield: Whether only `end` cancels its tasks, and no cancellation from outside.
    """

    def __init__(self, *, shield: bool = False) -> None:
        self._shield = shield
        self._nursery: trio.Nursery | None = None
        self._ended = trio.Event()

    async def run_in_background(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Open it and wait; `nursery.start` gives it.

        Raises:
            BaseException: What a task has failed with, alone if it is alone.
        """
        failures: list[BaseException] = []
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                await trio.lowlevel.checkpoint_if_cancelled()  # its owner does not get it then, and would not end it
                nursery.cancel_scope.shield = self._shield  # until `end`, which has a time limit
                self._nursery = nursery
                task_status.started(nursery)
                await trio.sleep_forever()
        except BaseExceptionGroup as group:
            failures.append(alone(group))
        finally:
            self._ended.set()
        if failures:  # outside of the `except`: raising it there would replace its own context
            raise failures[0]

    async def end(self, seconds: float, reason: str) -> tuple[str, ...]:
        """Cancel its tasks and wait for them, shielded and with a time limit; the names of those that are left."""
        if self._nursery is None:
            return ()
        self._nursery.cancel_scope.cancel(reason=reason)
        with trio.move_on_after(seconds, shield=True) as limit:
            await self._ended.wait()
        return tuple(sorted(task.name for task in self._nursery.child_tasks)) if limit.cancelled_caught else ()


def alone(error: BaseException) -> BaseException:
    """The error in a group of one, as a nursery raises it; a larger group stays as it is."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.exceptions[0] if len(group.exceptions) == 1 else group
    return error
