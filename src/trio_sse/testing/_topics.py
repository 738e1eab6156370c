"""Topics in tests: what a subscription has, without waiting for more.

Owns nothing else: a test publishes, subscribes and reconnects by what the app itself uses.
"""

from __future__ import annotations

from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from ..topics import Subscribed, Subscription

__all__ = ("pending",)

E = TypeVar("E")


async def pending(subscription: Subscription[E]) -> list[Subscribed[E]]:
    """Read what a subscription has, until it waits: events, gaps, and `Done()` after the end of its topics.

    What comes later can be read by the next call. No time passes, also under a real clock.
    """
    found: list[Subscribed[E]] = []

    async def read() -> None:
        async for item in subscription:
            found.append(item)  # noqa: PERF401 - a comprehension that is cancelled would lose them

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return found
