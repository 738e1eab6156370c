"""Topics: what happens to one model, published to and subscribed to.

Owns `Topic` and `Topics` (what an engine has to give), those in memory, and `HasEvents`, by which a model carries its
topic. Nothing here is global: topics belong to a `Topics`, which is a service like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

import trio

from .._ground.naming import type_name
from ..errors import Lagged
from ._topic import HasTopic, Topic

__all__ = ("MemoryTopic", "MemoryTopics")

E = TypeVar("E")
E_ = TypeVar("E_")

DEFAULT_BACKLOG = 1000
"""Events that a subscriber may be behind."""


class MemoryTopic(Generic[E]):
    """A topic within the process.

    It keeps the last events for all its subscribers together, and each subscriber is only a position among them: one
    that is slow costs nothing, waits for nobody, and is told by `Lagged` when what it has not read is gone.

    Args:
        name: How messages call it.
        backlog: The number of events that are kept.
    """

    def __init__(self, name: str, backlog: int = DEFAULT_BACKLOG) -> None:
        self._name = name
        self._kept: deque[E] = deque(maxlen=backlog)
        self._published = 0
        self._news = trio.Event()

    async def publish(self, event: E, /) -> None:
        """Hand an event to all subscribers."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._kept.append(event)
        self._published += 1
        self._news.set()
        self._news = trio.Event()
        await trio.lowlevel.cancel_shielded_checkpoint()  # it has been published: to be cancelled now would deny it

    def __aiter__(self) -> AsyncIterator[E]:
        return _Subscription(self)

    def __repr__(self) -> str:
        return f"<MemoryTopic of {self._name}, {self._published} published>"

    async def _at(self, position: int) -> E:
        """The event at a position, once it is there."""
        if position < self._published:
            await trio.lowlevel.checkpoint()
        while position >= self._published:
            await self._news.wait()
        behind = self._published - position
        if behind > len(self._kept):
            raise Lagged(self._name, behind, len(self._kept))
        return self._kept[-behind]


class _Subscription(Generic[E]):
    """A position in a topic."""

    def __init__(self, topic: MemoryTopic[E]) -> None:
        self._topic = topic
        self._next = topic._published  # pyright: ignore[reportPrivateUsage]

    def __aiter__(self) -> _Subscription[E]:
        return self

    async def __anext__(self) -> E:
        event = await self._topic._at(self._next)  # pyright: ignore[reportPrivateUsage]
        self._next += 1
        return event


class MemoryTopics:
    """Topics within the process: `.provide(Topics, MemoryTopics)`.

    A topic exists as long as somebody has it, a bound model or a subscriber: one that nobody has, nobody can miss.

    Args:
        backlog: The number of events that each topic keeps for its slowest subscriber.
    """

    def __init__(self, backlog: int = DEFAULT_BACKLOG) -> None:
        if backlog < 1:
            raise ValueError(f"backlog is a number of events above 0, not {backlog!r}")
        self._backlog = backlog
        self._topics: WeakValueDictionary[tuple[type[Any], object], MemoryTopic[Any]] = WeakValueDictionary()

    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]:
        """The topic of the model with an id."""
        topic = self._topics.get((model, id))
        if topic is None:
            topic = self._topics[model, id] = MemoryTopic(f"{type_name(model)} {id!r}", self._backlog)
        return cast("Topic[E_]", topic)
