"""Topics: who sees which event, and models that carry theirs."""

from __future__ import annotations

import copy
import gc
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Generic, TypeVar

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, App, Events, Get, Reference
from trio_sse.errors import Lagged, UnboundError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient
from trio_sse.topics import HasEvents, MemoryTopics, Topic, Topics
from trio_sse.topics._memory import MemoryEngine, MemoryTopic
from trio_sse.topics._topics import HubTopic
from trio_sse.wire import EncodedEvent, encode_json

T = TypeVar("T")


@attrs.frozen
class Frozen(HasEvents[str]):
    id: int
    text: str = ""


@attrs.frozen(slots=False)
class FrozenUnslotted(HasEvents[str]):
    id: int
    text: str = ""


@attrs.define  # pyright: ignore[reportGeneralTypeIssues]
class Mutable(HasEvents[str]):
    id: int
    text: str = ""


@attrs.define(slots=False)  # pyright: ignore[reportGeneralTypeIssues]
class MutableUnslotted(HasEvents[str]):
    id: int
    text: str = ""


@attrs.frozen(order=True)
class Ordered(HasEvents[str]):
    id: int
    text: str = ""


@attrs.frozen
class Filled(HasEvents[T], Generic[T]):
    id: int
    text: str = ""


@attrs.frozen
class Derived(Frozen):
    kind: ClassVar[str] = "derived"

    more: int = 0


@attrs.define
class DerivedMutable(Mutable):
    more: int = 0


KINDS: list[Any] = [
    Frozen,
    FrozenUnslotted,
    Mutable,
    MutableUnslotted,
    Ordered,
    Filled,
    Filled[str],
    Derived,
    DerivedMutable,
]
MUTABLE = [Mutable, MutableUnslotted, DerivedMutable]


def topic(backlog: int = 3) -> MemoryTopic[int]:
    return MemoryTopic("Order 5", backlog)


def engine_of(events: HubTopic[Any]) -> MemoryEngine:
    engine = events._hub.engine
    assert isinstance(engine, MemoryEngine)
    return engine


async def soon(iterator: AsyncIterator[T]) -> T:
    """The next event; one that does not come is a failure, not a test without end."""
    with trio.fail_after(60):
        return await anext(iterator)


async def take(iterator: AsyncIterator[T], count: int) -> list[T]:
    return [await soon(iterator) for _ in range(count)]


# -- publishing and subscribing


async def test_subscribing_is_effective_before_anything_is_awaited(autojump_clock: MockClock) -> None:
    events = topic()
    await events.publish(1)
    subscription = aiter(events)
    await events.publish(2)
    await events.publish(3)
    assert await take(subscription, 2) == [2, 3]


async def test_every_subscriber_sees_every_event_in_order(autojump_clock: MockClock) -> None:
    events, seen = topic(), dict[int, list[int]]()

    async def subscribe(who: int) -> None:
        seen[who] = await take(aiter(events), 3)

    async with trio.open_nursery() as nursery:
        for who in range(3):
            nursery.start_soon(subscribe, who)
        await wait_all_tasks_blocked()
        for event in (1, 2, 3):
            await events.publish(event)
    assert seen == {0: [1, 2, 3], 1: [1, 2, 3], 2: [1, 2, 3]}


async def test_each_iteration_is_a_subscription_of_its_own(autojump_clock: MockClock) -> None:
    events = topic()
    first = aiter(events)
    await events.publish(1)
    second = aiter(events)
    await events.publish(2)
    assert await take(first, 2) == [1, 2]
    assert await take(second, 1) == [2]
    assert aiter(first) is first


async def test_a_subscriber_waits_for_what_has_not_been_published(autojump_clock: MockClock) -> None:
    events = topic()
    subscription = aiter(events)

    async def later() -> None:
        await trio.sleep(5)
        await events.publish(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        assert await soon(subscription) == 1
    assert trio.current_time() == 5
    with trio.move_on_after(1) as scope:
        await soon(subscription)
    assert scope.cancelled_caught


async def test_a_cancelled_subscriber_has_missed_nothing(autojump_clock: MockClock) -> None:
    events = topic()
    subscription = aiter(events)
    with trio.move_on_after(1):
        await soon(subscription)
    await events.publish(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await soon(subscription)
    assert scope.cancelled_caught
    assert await soon(subscription) == 1


async def test_taking_what_is_there_is_a_checkpoint(autojump_clock: MockClock) -> None:
    events = topic(backlog=100)
    subscription, turns = aiter(events), []
    for event in range(100):
        await events.publish(event)

    async def other() -> None:
        for _ in range(50):
            turns.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(100):
            await soon(subscription)
            turns.append("reader")
    assert turns.index("other") < turns.index("reader") + 5
    assert turns[-1] == "reader"


async def test_publishing_goes_through_in_a_task_that_has_been_cancelled(autojump_clock: MockClock) -> None:
    events = topic()
    subscription = aiter(events)
    with trio.CancelScope() as scope:
        scope.cancel()
        await events.publish(1)
        await events.end()
    assert not scope.cancelled_caught
    assert [value async for value in subscription] == [1]


async def test_publishing_gives_others_a_turn_and_does_not_wait_for_subscribers(autojump_clock: MockClock) -> None:
    events = topic()
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    idle = aiter(events)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(3):  # the order of one turn is random
            await events.publish(1)
        turns.append("published")
    assert turns == ["other", "published"]
    assert await soon(idle) == 1


# -- slow subscribers


async def test_a_subscriber_may_be_as_far_behind_as_events_are_kept(autojump_clock: MockClock) -> None:
    events = topic(backlog=3)
    subscription = aiter(events)
    for event in (1, 2, 3):
        await events.publish(event)
    assert await take(subscription, 3) == [1, 2, 3]


async def test_one_that_is_further_behind_is_told(autojump_clock: MockClock) -> None:
    events = topic(backlog=3)
    slow, fast = aiter(events), aiter(events)
    for event in (1, 2, 3, 4):
        await events.publish(event)
        assert await soon(fast) == event
    with pytest.raises(Lagged) as caught:
        await soon(slow)
    error = caught.value
    assert error.topic == "Order 5"
    assert error.after is not None
    assert [error.after.partition(".")[2], error.to.partition(".")[2]] == ["0", "1"]
    assert str(error) == f"a subscriber of Order 5 has missed events after {error.after}, up to {error.to}"


async def test_one_that_has_been_told_may_read_on(autojump_clock: MockClock) -> None:
    events = topic(backlog=1)
    slow = aiter(events)
    await events.publish(1)
    await events.publish(2)
    with pytest.raises(Lagged):
        await soon(slow)
    assert await soon(slow) == 2
    await events.publish(3)
    assert await soon(slow) == 3


async def test_one_that_waits_is_woken_too_late_only_when_it_lags(autojump_clock: MockClock) -> None:
    events = topic(backlog=2)
    seen: list[int] = []

    async def subscribe() -> None:
        seen.append(await soon(aiter(events)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscribe)
        await wait_all_tasks_blocked()
        await events.publish(1)
        await events.publish(2)
    assert seen == [1]


async def test_memory_is_bounded_by_the_backlog_however_many_subscribe(autojump_clock: MockClock) -> None:
    events = topic(backlog=3)
    subscribers = [aiter(events) for _ in range(10)]
    for event in range(1000):
        await events.publish(event)
    assert len(events._hub.ring._entries) == 3
    assert [len(kept.entries) for kept in engine_of(events)._log.topics.values()] == [3]
    for subscriber in subscribers:
        with pytest.raises(Lagged):
            await soon(subscriber)


async def test_a_topic_says_what_it_is() -> None:
    assert repr(topic()) == "<MemoryTopic 'Order 5'>"
    assert (str(topic()), topic().name) == ("Order 5", "Order 5")


# -- topics by model


def test_everybody_who_asks_has_the_same_topic() -> None:
    topics = MemoryTopics()
    first = topics.topic(Frozen, 1)
    assert topics.topic(Frozen, 1) is first
    assert topics.topic(Frozen, 2) is not first
    assert topics.topic(Mutable, 1) is not first
    assert MemoryTopics().topic(Frozen, 1) is not first
    assert repr(first) == "<Topic 'Frozen/1'>"


async def test_a_topic_that_nobody_has_is_not_kept(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    first = topics.topic(Frozen, 1)
    subscription = aiter(first)
    del first
    gc.collect()
    await topics.topic(Frozen, 1).publish("seen")  # a subscriber has it
    assert await soon(subscription) == "seen"
    del subscription
    gc.collect()
    assert len(topics._topics) == 0


async def test_the_backlog_is_that_of_every_topic(autojump_clock: MockClock) -> None:
    events = MemoryTopics(backlog=1).topic(Frozen, 1)
    subscription = aiter(events)
    await events.publish("a")
    await events.publish("b")
    with pytest.raises(Lagged):
        await soon(subscription)


@pytest.mark.parametrize("backlog", [0, -1])
def test_a_backlog_keeps_something(backlog: int) -> None:
    with pytest.raises(ValueError, match=f"backlog is a number of events above 0, not {backlog}"):
        MemoryTopics(backlog)


# -- models that carry their topic


@pytest.mark.parametrize("kind", KINDS)
def test_an_unbound_model_says_how_to_bind_it(kind: Any) -> None:
    name = type(kind(1)).__name__
    with pytest.raises(UnboundError) as caught:
        _ = kind(1).events
    assert str(caught.value) == (
        f"this {name} has no events: no repository has loaded it. Where one is made, give it its topic: "
        f"{name}(…, events=topics.topic({name}, id))"
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bound_model_s_events_can_be_published_and_seen(autojump_clock: MockClock, kind: Any) -> None:
    topics = MemoryTopics()
    publisher = kind(1, events=topics.topic(kind, 1))
    subscriber = kind(1, events=topics.topic(kind, 1))
    subscription = aiter(subscriber.events)
    await publisher.events.publish("changed")
    assert await soon(subscription) == "changed"


@pytest.mark.parametrize("kind", KINDS)
def test_events_take_no_part_in_equality_hash_or_repr(kind: Any) -> None:
    bound, other, unbound = kind(1, events=topic()), kind(1, events=topic()), kind(1)
    assert bound == other == unbound
    assert bound != kind(2, events=bound.events)
    assert repr(bound) == repr(unbound)
    assert "events" not in repr(bound)
    if kind not in MUTABLE:
        assert hash(bound) == hash(unbound) != hash(kind(2))


def test_events_take_no_part_in_order() -> None:
    topics = MemoryTopics()
    two, one = (Ordered(id, events=topics.topic(Ordered, id)) for id in (2, 1))
    assert sorted([two, one, Ordered(1, "a")]) == [Ordered(1), Ordered(1, "a"), Ordered(2)]
    assert one <= Ordered(1) <= one


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_not_part_of_the_json(kind: Any) -> None:
    fields = json.loads(encode_json(kind(1, "x", events=topic())))
    assert fields == json.loads(encode_json(kind(1, "x")))
    assert {"id", "text"} <= fields.keys()
    assert not {name for name in fields if "events" in name}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_model_evolves_into_keeps_its_events(kind: Any) -> None:
    bound = kind(1, events=topic())
    evolved = attrs.evolve(bound, text="new")
    assert evolved.text == "new"
    assert evolved.events is bound.events
    assert copy.copy(bound).events is bound.events


@pytest.mark.parametrize("kind", KINDS)
def test_events_cannot_be_replaced_and_a_model_is_as_frozen_as_its_class_says(kind: Any) -> None:
    bound = kind(1, events=topic())
    with pytest.raises(AttributeError):
        bound.events = topic()
    if kind in MUTABLE:
        bound.text = "new"
        assert bound.text == "new"
    else:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            bound.text = "new"


# -- in an app


class Notifier:
    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    async def notify(self, id: int, text: str) -> None:
        await self._topics.topic(Frozen, id).publish(text)


def repository(topics: Topics) -> MemoryRepository[Frozen]:
    return MemoryRepository(Frozen, [Frozen(1), Frozen(2)], topics=topics)


async def stream(model: Reference[Frozen]) -> AsyncIterator[Any]:
    found = await model
    assert found is not None
    async for event in found.events:
        yield {"data": event}


async def notify(model: Reference[Frozen], notifier: Notifier) -> None:
    await notifier.notify(model.id, f"hello {model.id}")


async def test_what_a_service_publishes_reaches_the_streams_of_that_model_alone(autojump_clock: MockClock) -> None:
    app = App().provide(Topics, MemoryTopics).provide(Repository[Frozen], repository).provide(Notifier)
    app = app.add(
        SSE("/:model/events").types(model=Frozen).heartbeat(None).handle(stream),
        Get("/:model/notify").types(model=Frozen).inject(notifier=Notifier).handle(notify),
    )
    async with TestClient(app) as client:
        streams = client.stream("/1/events"), client.stream("/1/events"), client.stream("/2/events")
        async with streams[0] as first, streams[1] as again, streams[2] as second:
            await wait_all_tasks_blocked()
            await client.get("/1/notify")
            assert (await first.event()).data == (await again.event()).data == "hello 1"
            await wait_all_tasks_blocked()
            assert second.pending() == []


async def test_a_topic_carries_events_that_are_encoded_once(autojump_clock: MockClock) -> None:
    ticks: MemoryTopic[EncodedEvent] = MemoryTopic("ticks")

    async def follow() -> Events:
        async for event in ticks:
            yield event

    client = TestClient(App().add(SSE("/").handle(follow)))
    async with client.stream("/") as one, client.stream("/") as two:
        await wait_all_tasks_blocked()
        event = EncodedEvent.of({"event": "tick", "data": 1})
        await ticks.publish(event)
        assert (await one.event()).data == (await two.event()).data == "1"
        assert one.writes[-1] is two.writes[-1] is event.frames


def test_a_protocol_names_what_a_topic_has_to_be() -> None:
    events: Topic[int] = topic()
    topics: Topics = MemoryTopics()
    assert (events.name, topics.topic(Frozen, 1).name) == ("Order 5", "Frozen/1")
