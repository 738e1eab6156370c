"""The limit of connections: how many may be open, and from which number on requests are refused.

Owns the count of connections against the limit of open files. It must not know how connections are accepted.
"""

from __future__ import annotations

import os
from contextlib import suppress

import trio

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ("ConnectionLimit",)

RESERVED = 24
"""Descriptors that are reserved for the app, log files and so on, beyond those that are open when the server starts."""

UNLIMITED = 1 << 20
"""The most connections if the system has no limit of open files, or does not report it."""


class ConnectionLimit:
    """Counts the open connections. The last eighth of them, at most 64, is reserved for requests that are refused.

    A server that has used up its descriptors cannot accept a client, not even to answer 503. Therefore it stops
    accepting before that, and reserves some connections for refusals.

    Args:
        limit: The most connections; by default what the limit of open files allows.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = max(1, _descriptors_left() - RESERVED) if limit is None else limit
        self.for_refusals = min(64, max(1, self.limit // 8))
        self.count = 0
        self._released = trio.Event()

    @property
    def overloaded(self) -> bool:
        """Whether only connections for refusals are left."""
        return self.count > self.limit - self.for_refusals

    @property
    def reached(self) -> bool:
        """Whether no connection is left."""
        return self.count >= self.limit

    async def wait_until_below(self) -> None:
        """Wait until another connection may be opened."""
        while self.reached:
            await self._released.wait()

    async def wait_for_a_release(self, seconds: float) -> None:
        """Wait until a connection is closed, or until `seconds` have passed."""
        with trio.move_on_after(seconds):
            await self._released.wait()

    def acquire(self) -> None:
        """Count a connection that has been opened."""
        self.count += 1

    def release(self) -> None:
        """Count a connection that has been closed."""
        self.count -= 1
        self._released.set()
        self._released = trio.Event()


def _descriptors_left() -> int:
    if resource is None:
        return UNLIMITED
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return UNLIMITED
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return limit - len(os.listdir(folder))  # noqa: PTH208 - names are enough
    return limit - 16
