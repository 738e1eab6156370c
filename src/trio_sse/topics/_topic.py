"""Topics: what an engine has to give, and how a model carries its topic.

Owns the protocols `Topic` and `Topics`, and `HasEvents`. Nothing here is global: topics belong to a `Topics`, which is
a service like any other.
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
    """The events of one model. An async iterable: each iteration is a subscription of its own."""

    async def publish(self, event: E, /) -> None:
        """Hand an event to all subscribers. It never waits for a slow one."""
        ...

    def __aiter__(self) -> AsyncIterator[E]:
        """Subscribe: what is published from this call on will be seen, in order.

        The iterator holds nothing that would have to be closed, so it may be left where it is.

        Raises:
            Lagged: From `anext`: the subscriber has fallen further behind than events are kept.
        """
        ...


class HasTopic(Protocol[E]):
    """A model class whose instances carry a topic of such events."""

    @property
    def events(self) -> Topic[E]:
        """The topic."""
        ...


class Topics(Protocol):
    """Where topics come from: the token by which an engine is provided and injected."""

    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]:
        """The topic of the model with an id; it is the same one for everybody who asks."""
        ...


@attrs.frozen
class HasEvents(Generic[E]):
    """A base for attrs models that carry the topic of their events.

    A repository binds it when it loads a model: `Order(row.id, row.item, events=topics.topic(Order, row.id))`. The
    field takes no part in equality, order, hash, repr or JSON, and `attrs.evolve` keeps it.
    """

    _events: Topic[E] | None = attrs.field(
        default=None, alias="events", kw_only=True, eq=False, order=False, hash=False, repr=False
    )

    @property
    def events(self) -> Topic[E]:
        """The model's topic: `async for event in order.events`, `await order.events.publish(event)`.

        Raises:
            UnboundError: No repository has bound it.
        """
        if self._events is None:
            name = type(self).__name__
            raise UnboundError(
                f"this {name} has no events: no repository has loaded it. Where one is made, give it its topic: "
                f"{name}(…, events=topics.topic({name}, id))"
            )
        return self._events


HasEvents.__setattr__ = object.__setattr__  # type: ignore[method-assign] # attrs would freeze all that derives from it
