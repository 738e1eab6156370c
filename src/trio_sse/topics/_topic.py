"""The protocols of topics, and the base class of models that carry theirs.

Owns `Topic`, `Topics`, `HasTopic` and `HasEvents`; it does not know any engine. There is no global state: topics belong
to a `Topics`, which is provided and injected like any other service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, Protocol, TypeVar, overload

import attrs

from ..errors import UnboundError
from ._history import History
from ._reader import LAG, Since, Slow
from ._subscription import Subscription

__all__ = ("HasEvents", "HasTopic", "Topic", "Topics")

E = TypeVar("E")
E_ = TypeVar("E_")


class Topic(Protocol[E]):
    """A topic: what is published to it is stored, and goes to all subscribers.

    Iterating over it subscribes from now on, and yields what was published. `subscribe` tells more.
    """

    @property
    def name(self) -> str:
        """The name, such as `rooms/kitchen`."""
        ...

    async def publish(self, event: E, /, *, key: str | None = None) -> str:
        """Store an event, and send it to all subscribers. It never waits for a slow subscriber.

        In memory it goes through even if the task has been cancelled, so that a handler's `finally` may say goodbye: it
        is a schedule point, and no cancellation point. From another thread, call it with `trio.from_thread.run`.

        Args:
            event: What a handler may yield as one event: an event, a mapping of its fields, an `EncodedEvent`, or plain
                data. The topic gives it its id; one that it has is left out. It is encoded here, once for all
                subscribers.
            key: What it is the newest value of, for subscribers with `slow="latest"`: such as the price of a level.

        Returns:
            The id.

        Raises:
            EventError: It cannot be sent.
            TopicEnded: The topic has ended.
        """
        ...

    async def end(self) -> None:
        """End the topic: subscribers get what they have not read, and then `Done()`. Nothing can be published after.

        Whoever comes back later gets the rest and then `Done()` too, for as long as the topic is remembered.
        """
        ...

    def subscribe(
        self, *, after: str | None = None, since: Since = "now", slow: Slow = "drop_oldest", lag: int = LAG
    ) -> Subscription[E]:
        """Subscribe to the topic; see `Topics.subscribe`."""
        ...

    def __aiter__(self) -> AsyncIterator[E]:
        """Subscribe: the iterator returns what is published after this call, in order. It ends with the topic.

        The iterator holds no resources, so it need not be closed.

        Raises:
            Lagged: From `anext`: the subscriber has fallen further behind than the topic keeps events. It may read on.
        """
        ...

    def __truediv__(self, segment: object) -> Topic[Any]:
        """The topic below this one: `topic / "typing"`."""
        ...


class HasTopic(Protocol[E]):
    """A model class whose instances carry a topic of events of type `E`."""

    @property
    def events(self) -> Topic[E]:
        """The topic."""
        ...


class Topics(Protocol):
    """All topics of an app. Engines are provided and injected under this type."""

    @overload
    def topic(self, name: str, /, *segments: object) -> Topic[Any]: ...
    @overload
    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]: ...
    def topic(self, name: Any, /, *segments: object) -> Any:
        """The topic of a name, or that of the model with an id: `topic("rooms", room)`, `topic(Order, 17)`.

        Args:
            name: The name, which may have several segments: `"rooms"`, `"rooms/kitchen"`. The topics of a model are
                below the name of its class: `Order/17`.
            *segments: Values that become one further segment each. What has a meaning in a name is percent-encoded.

        Raises:
            TopicNameError: There is no topic of this name.
        """
        ...

    def subscribe(
        self,
        *topics: str | Topic[Any],
        after: str | None = None,
        since: Since = "now",
        slow: Slow = "drop_oldest",
        lag: int = LAG,
    ) -> Subscription[Any]:
        """Subscribe to several topics, in the order in which is published. It takes effect at once.

        Args:
            *topics: Names, topics, and patterns: in `"rooms/*"` the `*` stands for one segment, and in `"rooms/**"` the
                `**` for all that follow.
            after: The id after which to go on, as a client has sent it: any text will do. What is missing, or may be,
                is told as a `Gap`.
            since: Where to begin without such an id: `"now"`, `"oldest"` for all that is kept, or a number of last
                events.
            slow: What becomes of a subscriber that is behind. `"drop_oldest"`: it reads on from the history, and a
                `Gap` tells what the history no longer has. `"latest"`: if it is behind by more than `lag` events, it
                gets the newest one of each key, and a `Gap` tells how many are left out. `"disconnect"`: then it gets
                `TooSlow`, which ends a stream with the reason `too_slow`.
            lag: How many events it may be behind.

        Raises:
            TopicNameError: A name or a pattern is none.
            ValueError: Another argument is none of its values.
        """
        ...

    def keep(self, pattern: str, history: History) -> None:
        """Set what the topics of a pattern keep from now on. Of several patterns the first one that matches counts."""
        ...


@attrs.frozen
class HasEvents(Generic[E]):
    """A base for attrs models that carry the topic of their events.

    A repository binds the topic when it loads a model: `Order(row.id, row.item, events=topics.topic(Order, row.id))`.
    The topic takes no part in equality, order, hash, repr or JSON, and `attrs.evolve` keeps it.
    """

    # Private, because JSON has the public fields: an order that a handler returns must not try to write its topic.
    _events: Topic[E] | None = attrs.field(
        default=None, alias="events", kw_only=True, eq=False, order=False, hash=False, repr=False
    )

    @property
    def events(self) -> Topic[E]:
        """The model's topic: `async for event in order.events`, `await order.events.publish(event)`.

        Raises:
            UnboundError: No repository has bound the model to its topic.
        """
        if self._events is None:
            name = type(self).__name__
            raise UnboundError(
                f"this {name} has no events: no repository has loaded it. Where one is made, give it its topic: "
                f"{name}(…, events=topics.topic({name}, id))"
            )
        return self._events


# attrs.frozen gives the class a __setattr__ that raises, and subclasses would inherit it: also those that their authors
# declare with attrs.define, whose instances may change.
HasEvents.__setattr__ = object.__setattr__  # type: ignore[method-assign]
