"""The protocols that an engine implements, and the base class of models that carry their topic.

Owns `Topic`, `Topics`, `HasTopic` and `HasEvents`; it does not know any engine. There is no global state: topics belong
to a `Topics`, which is provided and injected like any other service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, Protocol, TypeVar

import attrs

from ..errors import UnboundError

__all__ = ("HasEvents", "HasTopic", "Topic", "Topics")

E = TypeVar("E")
E_ = TypeVar("E_")


class Topic(Protocol[E]):
    """The events of one model. An async iterable: each iteration is a separate subscription."""

    async def publish(self, event: E, /) -> None:
        """Send an event to all subscribers. It never waits for a slow subscriber."""
        ...

    def __aiter__(self) -> AsyncIterator[E]:
        """Subscribe: the iterator returns every event that is published after this call, in order.

        The iterator holds no resources, so it need not be closed.

        Raises:
            Lagged: From `anext`: the subscriber has fallen further behind than the topic keeps events.
        """
        ...


class HasTopic(Protocol[E]):
    """A model class whose instances carry a topic of events of type `E`."""

    @property
    def events(self) -> Topic[E]:
        """The topic."""
        ...


class Topics(Protocol):
    """An engine: makes topics. Engines are provided and injected under this type."""

    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]:
        """The topic of the model with an id; all callers share it."""
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
