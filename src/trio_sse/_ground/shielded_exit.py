"""The shielded exit: the exit of a user's async context manager, shielded and with a time limit.

Owns that one rule, for the steps and services of a request and for the services of the app.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio

__all__ = ("Owner", "shielded_exit")


class Owner(Protocol):
    """The owner of a context manager: a connection, or the app."""

    @property
    def cleanup_timeout(self) -> float:
        """The time limit of its clean-up, in seconds."""
        ...

    @property
    def ending(self) -> bool:
        """Whether something outside ends it. A manager must not swallow the exception that does."""
        ...

    def log_overstay(self, who: str, detail: str) -> None:
        """Report clean-up that has exceeded its time limit."""
        ...

    def note_swallowed(self, who: str, error: BaseException) -> None:
        """Note that a manager has swallowed an error that was raised inside it."""
        ...


@asynccontextmanager
async def shielded_exit(manager: Any, owner: Owner, who: Callable[[], str]) -> AsyncGenerator[Any]:
    """Enter a context manager, and exit it shielded, with a time limit.

    The cancel scope is entered before the manager, because the manager may hold scopes around its `yield`, and Trio
    requires that scopes exit in the reverse order of their entry. The shield is set for the exit only: until then a
    cancellation has to reach the code inside the manager.

    A manager may swallow an error that was raised inside it. It may swallow neither the exception that ends its owner,
    nor an error that would be lost because the manager was cancelled at its time limit.
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
    """Raise an error that the manager has swallowed and must not, or note that it has swallowed it."""
    if not (overstayed or owner.ending):
        owner.note_swallowed(who(), failure)
        return
    if not isinstance(failure, trio.Cancelled):
        raise failure
    # Not the same Cancelled: its scope may have exited, so nothing would catch it.
    await trio.lowlevel.checkpoint_if_cancelled()
    if owner.ending:
        raise RuntimeError(f"{who()} was cancelled by its own scope, and with it the code inside it")
