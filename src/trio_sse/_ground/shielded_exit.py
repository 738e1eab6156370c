"""The shielded exit: the end of an async context manager that users wrote, shielded and with a time limit.

Owns that one rule, for the steps and services of a request and for the services of the app alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio

__all__ = ("Owner", "shielded_exit")


class Owner(Protocol):
    """What a context manager belongs to: a connection, or the app."""

    @property
    def cleanup_timeout(self) -> float:
        """The time limit of its clean-up, in seconds."""
        ...

    @property
    def ending(self) -> bool:
        """Whether it is being ended from outside. A manager must not swallow the error that ends it then."""
        ...

    def log_overstay(self, who: str, detail: str) -> None:
        """Report clean-up that has not ended within its time limit."""
        ...

    def note_swallowed(self, who: str, error: BaseException) -> None:
        """Note that a manager has swallowed an error of what it surrounds."""
        ...


@asynccontextmanager
async def shielded_exit(manager: Any, owner: Owner, who: Callable[[], str]) -> AsyncGenerator[Any]:
    """Enter a context manager, and exit it shielded, with a time limit.

    The scope surrounds the manager's whole life, because a manager may hold scopes of its own around its `yield`, and
    scopes are exited in the reverse order of their entry. The shield is raised for the exit alone: until then a
    cancellation has to reach what the manager surrounds.

    A manager may swallow an error of what it surrounds. It may swallow neither what ends its owner, nor an error that
    would otherwise be hidden by the manager's own overstay.
    """
    failure: BaseException | None = None
    with trio.CancelScope() as scope:
        async with manager as value:
            try:
                yield value
            except BaseException as error:
                failure = error
                raise
            finally:
                scope.shield = True
                scope.deadline = trio.current_time() + owner.cleanup_timeout
    if scope.cancelled_caught:
        owner.log_overstay(f"leaving {who()}", "it was cancelled")
    if failure is not None:
        await _after_failure(failure, owner, who, overstayed=scope.cancelled_caught)


async def _after_failure(failure: BaseException, owner: Owner, who: Callable[[], str], *, overstayed: bool) -> None:
    """Decide what becomes of an error that the manager did not raise on."""
    if not (overstayed or owner.ending):
        owner.note_swallowed(who(), failure)
        return
    if not isinstance(failure, trio.Cancelled):
        raise failure
    # Not the same Cancelled: its scope may have exited, so nothing would catch it.
    await trio.lowlevel.checkpoint_if_cancelled()
    if owner.ending:
        raise RuntimeError(f"{who()} was cancelled by a scope of its own, and what it surrounds with it")
