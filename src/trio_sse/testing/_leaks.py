"""Leaks: what a test leaves running, or leaves to the garbage collector.

Owns the comparison of before and after. It looks at Trio's tasks and at async generators, and so also at the async
context managers that `asynccontextmanager` makes of them. It does not know apps or requests.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import trio

__all__ = ("no_leaks", "tasks_in")

Hook = Callable[[AsyncGenerator[Any, Any]], None]


@contextmanager
def no_leaks() -> Generator[None]:
    """Fail if the block leaves something behind that was not there before it.

    That is: a task that still runs; an async generator that was started, but neither finished nor closed (also an async
    context manager that was entered and not exited); and one that was left to the garbage collector.

    Raises:
        AssertionError: It names what was left behind. An exception of the block itself takes precedence.
    """
    tasks = set(_all_tasks())
    watch = _GeneratorWatch()
    with watch:
        yield
    left = [f"task {task.name}" for task in _all_tasks() if task not in tasks]
    left += watch.left()
    assert not left, "the block has left behind: " + ", ".join(sorted(left))


class _GeneratorWatch:
    """Notes each async generator that starts, and then calls Trio's own hooks."""

    def __init__(self) -> None:
        self._begun: WeakSet[Any] = WeakSet()
        self._collected: list[str] = []
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = before = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._noting(self._begun.add, before.firstiter),
            finalizer=self._noting(self._collect, before.finalizer),
        )

    def __exit__(self, *_: object) -> None:
        sys.set_asyncgen_hooks(*self._before)

    def left(self) -> list[str]:
        """What was started and has not ended in order."""
        suspended = [f"{_name(each)}, not closed" for each in self._begun if each.ag_frame is not None]
        return suspended + self._collected

    def _collect(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._begun.discard(generator)
        self._collected.append(f"{_name(generator)}, left to the garbage collector")

    @staticmethod
    def _noting(note: Hook, go_on: Hook | None) -> Hook:
        def hook(generator: AsyncGenerator[Any, Any]) -> None:
            note(generator)
            if go_on is not None:
                go_on(generator)

        return hook


def _name(generator: Any) -> str:
    code = generator.ag_code
    return f"async generator {generator.__qualname__} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"


def _all_tasks() -> Iterator[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    nurseries = () if root is None else root.child_nurseries
    return (task for nursery in nurseries for task in tasks_in(nursery))


def tasks_in(nursery: trio.Nursery) -> Iterator[trio.lowlevel.Task]:
    """The tasks of a nursery, those in their own nurseries, and so on."""
    for task in nursery.child_tasks:
        yield task
        for inner in task.child_nurseries:
            yield from tasks_in(inner)
