"""Subscriptions, as handlers use them: events with their ids, gaps, the end; one by one or in batches.

Owns what a subscriber sees of a `Reader`, which has the cursor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast

import trio

from ..errors import Lagged
from ..wire import Done, Gap, PublishedEvent
from ._engine import Entry
from ._hub import event_of
from ._reader import Ended, Item, Reader

__all__ = ("CursorSubscription", "Subscribed", "Subscription", "Values")

E = TypeVar("E")

Subscribed: TypeAlias = PublishedEvent[E] | Gap | Done
"""What a subscription yields: events with their ids, gaps, and `Done()` once all its topics have ended."""


class Subscription(Protocol[E]):
    """A subscription to one topic or several. `Topics.subscribe` and `Topic.subscribe` make one.

        async with topics.subscribe("rooms/kitchen", after=last_event_id) as events:
            async for event in events:
                yield event

    It takes effect when it is made. It holds nothing that has to be closed, so that the block may be left out; entering
    it finds out where to begin, for which another engine than that in memory may have to be asked. One task at a time
    reads from it.

    What it yields can be yielded by a handler as it is: a `PublishedEvent` goes out with its id, a `Gap` as an event of
    the name `gap`, and `Done()` ends the stream.
    """

    @property
    def id(self) -> str:
        """The id after which to go on: of the last item that has been handed out, or where the subscription begins."""
        ...

    async def __aenter__(self) -> Self:
        """Find out where to begin."""
        ...

    async def __aexit__(self, *error: object) -> None:
        """There is nothing to close."""
        ...

    def __aiter__(self) -> AsyncIterator[Subscribed[E]]:
        """Iterate over single items.

        Raises:
            TooSlow: From `anext`: the subscriber is too far behind, and its policy is `"disconnect"`.
        """
        ...

    async def __anext__(self) -> Subscribed[E]:
        """Wait for the next item."""
        ...

    def batches(self) -> AsyncIterator[list[Subscribed[E]]]:
        """Iterate over lists of all that there is at a time. A handler that yields a list sends it in one write."""
        ...


class CursorSubscription(Generic[E]):
    """A subscription that has a cursor.

    Args:
        reader: The cursor.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._items: deque[Subscribed[E]] = deque()
        self._finished = False
        self._id: str | None = None

    @property
    def id(self) -> str:
        """The id after which to go on."""
        return self._id if self._id is not None else str(self._reader.position)

    async def __aenter__(self) -> Self:
        await self._reader.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Subscribed[E]:
        if self._items:
            await trio.lowlevel.checkpoint()
        else:
            self._items.extend(await self._batch())
        return self._hand_out(self._items.popleft())

    def batches(self) -> AsyncIterator[list[Subscribed[E]]]:
        """Iterate over lists."""
        return Batches(self)

    async def next_batch(self) -> list[Subscribed[E]]:
        """Wait for the next items. After `Done()` it raises StopAsyncIteration."""
        if self._items:
            await trio.lowlevel.checkpoint()
        else:
            self._items.extend(await self._batch())
        batch = [*self._items]
        self._items.clear()
        self._hand_out(batch[-1])
        return batch

    async def _batch(self) -> list[Subscribed[E]]:
        if self._finished:
            raise StopAsyncIteration
        return [self._seen(item) for item in await self._reader.next()]

    def _seen(self, item: Item) -> Subscribed[E]:
        if isinstance(item, Entry):
            return event_of(item)
        if isinstance(item, Ended):
            self._finished = True
            return Done()
        return item

    def _hand_out(self, item: Subscribed[E]) -> Subscribed[E]:
        if not isinstance(item, Done):
            self._id = item.id
        return item


class Batches(Generic[E]):
    """The batches of a subscription. An iterator, and not a generator, because nothing would close it."""

    def __init__(self, subscription: CursorSubscription[E]) -> None:
        self._subscription = subscription

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Subscribed[E]]:
        return await self._subscription.next_batch()


class Values(Generic[E]):
    """What was published, without ids: the iteration over a topic itself. It ends with the topic."""

    def __init__(self, name: str, reader: Reader) -> None:
        self._name = name
        self._reader = reader
        self._items: deque[Item] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """Wait for the next value.

        Raises:
            Lagged: Events that it has not read are no longer kept. It may be called again, for what is kept.
        """
        if self._items:
            await trio.lowlevel.checkpoint()
        else:
            self._items.extend(await self._reader.next())
        item = self._items.popleft()
        if isinstance(item, Gap):
            raise Lagged(self._name, item.after, item.to)
        if isinstance(item, Ended):
            self._items.append(item)
            raise StopAsyncIteration
        return cast("E", _given(item))


def _given(entry: Entry) -> Any:
    """What was published: of an engine that keeps bytes alone, the event."""
    return event_of(entry) if entry.stored.framed is None else entry.stored.given
