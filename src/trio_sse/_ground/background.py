"""The background nursery: a nursery in a separate task, which its owner can end at any moment and continue.

Owns that one pattern, for the tasks of a request and for those of the app. It does not know which tasks run in it.
"""

from __future__ import annotations

from typing import cast

import trio

__all__ = ("BackgroundNursery", "alone")


class BackgroundNursery:
    """A nursery that stays open until `end` is called.

    Args:
        shield: Whether a cancellation from outside leaves its tasks alone, so that only `end` cancels them.
    """

    def __init__(self, *, shield: bool = False) -> None:
        self._shield = shield
        self._nursery: trio.Nursery | None = None
        self._ended = trio.Event()

    async def run_in_background(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Open the nursery and wait; `nursery.start` returns it.

        Raises:
            BaseException: The error of a task that has failed; a group, if several have.
        """
        failures: list[BaseException] = []
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                # Its owner would not receive a nursery that is cancelled already, and so would never end it.
                await trio.lowlevel.checkpoint_if_cancelled()
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
        """Cancel its tasks and wait for them, shielded and with a time limit.

        Returns:
            The names of the tasks that are still running.
        """
        if self._nursery is None:
            return ()
        self._nursery.cancel_scope.cancel(reason=reason)
        with trio.move_on_after(seconds, shield=True) as limit:
            await self._ended.wait()
        return tuple(sorted(task.name for task in self._nursery.child_tasks)) if limit.cancelled_caught else ()


def alone(error: BaseException) -> BaseException:
    """The error inside a group of one, which is how a nursery raises it; any other error unchanged."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.exceptions[0] if len(group.exceptions) == 1 else group
    return error
