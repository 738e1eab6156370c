"""What a handler may yield, as a type. Owns nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeAlias

from ._encoded import EncodedEvent
from ._event import Done, EventLike
from ._published import Gap, PublishedEvent

__all__ = ("EventItem", "Events")

EventItem: TypeAlias = EventLike | EncodedEvent | PublishedEvent[Any] | Gap | Done
"""One item that a handler may yield."""

Events: TypeAlias = AsyncGenerator[EventItem | Sequence[EventItem], None]
"""What a handler that is an async generator returns: ``async def clock() -> Events``.

Type checkers then check what it yields: events, mappings of their fields, `EncodedEvent`, what a subscription yields,
`Done`, and lists of these, which are sent in one write.  Plain values, which ``.events(tick=Tick)`` allows, are not
among them: annotate such a handler with what it yields, as in ``AsyncIterator[Tick]``.
"""
