"""Triggers: async functions that return when something is to happen, such as a shutdown.

Owns the wait for the first of several. It must not know what they are for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

__all__ = ("Trigger", "wait_for_first")

Trigger = Callable[[], Awaitable[object]]


async def wait_for_first(*triggers: Trigger) -> None:
    """Wait until one of them returns; the others are cancelled."""
    async with trio.open_nursery() as nursery:
        for trigger in triggers:
            nursery.start_soon(_wait_then_cancel, trigger, nursery.cancel_scope)


async def _wait_then_cancel(trigger: Trigger, scope: trio.CancelScope) -> None:
    await trigger()
    scope.cancel(reason="another trigger came first")
