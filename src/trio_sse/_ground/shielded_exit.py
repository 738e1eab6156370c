"""Leaving: the end of an async context manager that somebody else wrote, shielded and with a time limit.

Owns that one rule, for the steps and services of a request and for the services of the app alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio

__all__ = ("Owner", "leaving")


class Owner(Protocol):
    """Whose context manager it is: a connection, or the app."""

    @property
    def cleanup_timeout(self) -> float:
        """The time limit of its clean-up."""
        ...

    @property
    def ending(self) -> bool:
        """Whether it is being ended from outside, so that nobody may swallow what ends it."""
        ...

    def log_overstay(self, who: str, detail: str) -> None:
        """Report clean-up that has not ended within its time limit."""
        ...


@asynccontextmanager
async def leaving(manager: Any, owner: Owner, who: Callable[[], str]) -> AsyncGenerator[Any]:
    """Enter a context manager, and leave it shielded, with a time limit.

    The scope surrounds the manager's whole life, since a manager may hold scopes of its own around its `yield`: it can
    only be left from where it was entered. The shield is raised for the leaving alone. A manager may swallow an error
    of what it surrounds, but neither what ends its owner nor an error that its own overrunning would hide.
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
    if failure is None or not (scope.cancelled_caught or owner.ending):
        return
    if not isinstance(failure, trio.Cancelled):
        raise failure
    await trio.lowlevel.checkpoint_if_cancelled()  # raised anew: one of a scope that has been left is nobody's
    if owner.ending:
        raise RuntimeError(f"{who()} was cancelled by a scope of its own, and what it surrounds with it")
