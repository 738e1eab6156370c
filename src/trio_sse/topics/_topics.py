"""Topics on top of a hub: what all engines have in common for those who publish and subscribe.

Owns the names of the topics of models, and the arguments of `subscribe`. Must not know which engine it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, get_origin, overload
from weakref import WeakValueDictionary

from ..errors import TopicNameError
from ._history import History
from ._hub import Hub
from ._names import Selection, join
from ._reader import LAG, Reader, Reading, Since, Slow
from ._subscription import CursorSubscription, Subscription, Values
from ._topic import HasTopic, Topic

__all__ = ("HubTopic", "HubTopics")

E = TypeVar("E")
E_ = TypeVar("E_")


class HubTopic(Generic[E]):
    """What the topics of all engines have in common."""

    _name: str
    _hub: Hub

    @property
    def name(self) -> str:
        """The name, such as `rooms/kitchen`."""
        return self._name

    async def publish(self, event: E, /, *, key: str | None = None) -> str:
        """Store an event, and send it to all subscribers. Returns its id."""
        return await self._hub.publish(self._name, event, key)

    async def end(self) -> None:
        """End the topic: subscribers get what they have not read, and then `Done()`."""
        await self._hub.end(self._name)

    def subscribe(
        self, *, after: str | None = None, since: Since = "now", slow: Slow = "drop_oldest", lag: int = LAG
    ) -> Subscription[E]:
        """Subscribe to the topic; see `Topics.subscribe`."""
        return CursorSubscription[E](_reader(self._hub, (self._name,), Reading(after, since, slow, lag)))

    def __aiter__(self) -> AsyncIterator[E]:
        return Values[E](self._name, _reader(self._hub, (self._name,), Reading()))

    def __truediv__(self, segment: object) -> Topic[Any]:
        return NamedTopic(join(self._name, (segment,)), self._hub)

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"<{type(self).__name__.removeprefix('Named')} {self._name!r}>"


class NamedTopic(HubTopic[E], Generic[E]):
    """One of the topics of a hub."""

    def __init__(self, name: str, hub: Hub) -> None:
        self._name = name
        self._hub = hub


class HubTopics:
    """What all engines have in common for those who publish and subscribe."""

    _hub: Hub

    def _serve(self, hub: Hub) -> None:
        """Use a hub. The constructor of each engine calls it."""
        self._hub = hub
        # Weak references, so that topics without users take no memory. What is stored of a topic is the engine's.
        self._topics: WeakValueDictionary[str, NamedTopic[Any]] = WeakValueDictionary()
        self._models: dict[str, type[Any]] = {}

    @overload
    def topic(self, name: str, /, *segments: object) -> Topic[Any]: ...
    @overload
    def topic(self, model: type[HasTopic[E_]], id: object, /) -> Topic[E_]: ...
    def topic(self, name: Any, /, *segments: object) -> Any:
        """The topic of a name, or that of the model with an id."""
        full = join(name if isinstance(name, str) else self._name_of(name), segments)
        topic = self._topics.get(full)
        if topic is None:
            topic = self._topics[full] = NamedTopic(full, self._hub)
        return topic

    def subscribe(
        self,
        *topics: str | Topic[Any],
        after: str | None = None,
        since: Since = "now",
        slow: Slow = "drop_oldest",
        lag: int = LAG,
    ) -> Subscription[Any]:
        """Subscribe to topics and patterns."""
        return CursorSubscription(_reader(self._hub, tuple(map(str, topics)), Reading(after, since, slow, lag)))

    def keep(self, pattern: str, history: History) -> None:
        """Set what the topics of a pattern keep."""
        self._hub.keep(pattern, history)

    def _name_of(self, model: type[Any]) -> str:
        """The first segment of the topics of a model: its class's name, so that it is the same in every process."""
        cls = get_origin(model) or model
        if not isinstance(cls, type):
            raise TopicNameError(f"topic() takes a name or a class, not {model!r}")
        other = self._models.setdefault(cls.__name__, cls)
        if other is not cls:
            raise TopicNameError(
                f"the topics of {cls.__module__}.{cls.__qualname__} would be those of "
                f"{other.__module__}.{other.__qualname__}, which has the same name; name the one or the other: "
                f"topics.topic('other-{cls.__name__.lower()}', id)"
            )
        return cls.__name__


def _reader(hub: Hub, topics: tuple[str, ...], options: Reading) -> Reader:
    return Reader(hub, Selection.of(topics), options)
