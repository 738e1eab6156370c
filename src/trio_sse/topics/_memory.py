"""The engine in memory: topics within one process.

Owns `MemoryTopic` and `MemoryTopics`. It does not know models beyond their class and id, nor other processes.

Theory of operation. A topic is a log: it keeps its last events once, for all subscribers, and a subscription is only a
position in it. A subscriber with a queue would have to be unregistered, but `async for` closes nothing: a handler that
breaks out of its loop would leave that to the garbage collector. A position may be dropped anywhere, it takes effect as
soon as `aiter` is called, and a slow subscriber costs neither memory nor time.
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
"""Events that a topic keeps, and so the most by which a subscriber may lag behind."""


class MemoryTopic(Generic[E]):
    """A topic within the process.

    It keeps its last events once, for all subscribers. A slow subscriber does not slow others down; it gets `Lagged`
    when events that it has not read are no longer kept.

    Args:
        name: The name in messages.
        backlog: The number of events that are kept.
    """

    def __init__(self, name: str, backlog: int = DEFAULT_BACKLOG) -> None:
        self._name = name
        self._kept: deque[E] = deque(maxlen=backlog)
        self._published = 0
        self._news = trio.Event()

    async def publish(self, event: E, /) -> None:
        """Send an event to all subscribers."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._kept.append(event)
        self._published += 1
        self._news.set()
        self._news = trio.Event()
        # A schedule point, but no cancellation point: the event is published, and a Cancelled would say that it is not.
        await trio.lowlevel.cancel_shielded_checkpoint()

    def __aiter__(self) -> AsyncIterator[E]:
        return _Subscription(self)

    def __repr__(self) -> str:
        return f"<MemoryTopic of {self._name}, {self._published} published>"

    async def _at(self, position: int) -> E:
        """Wait for the event at a position, and return it."""
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

    A topic exists as long as a bound model or a subscriber refers to it.

    Args:
        backlog: The number of events that each topic keeps for its slowest subscriber.
    """

    def __init__(self, backlog: int = DEFAULT_BACKLOG) -> None:
        if backlog < 1:
            raise ValueError(f"backlog is a number of events above 0, not {backlog!r}")
        self._backlog = backlog
        # Weak references, so that topics without users take no memory. To make a new topic in place of one that is gone
        # loses nothing: no subscriber had a position in the old one.
        self._topics: WeakValueDictionary[tuple[type[Any], object], MemoryTopic[Any]] = WeakValueDictionary()

    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]:
        """The topic of the model with an id."""
        topic = self._topics.get((model, id))
        if topic is None:
            topic = self._topics[model, id] = MemoryTopic(f"{type_name(model)} {id!r}", self._backlog)
        return cast("Topic[E_]", topic)
