"""Subscriptions: where they begin, what they yield, what they tell of what is missing, and what they leave behind."""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse.errors import EventError, Lagged, TooSlow, TopicEnded, TopicNameError
from trio_sse.topics import Gap, HasEvents, History, MemoryTopic, MemoryTopics, PublishedEvent, Subscription, Topics
from trio_sse.topics._hub import MAX_EVENT
from trio_sse.topics._memory import MemoryEngine
from trio_sse.topics._names import Selection
from trio_sse.topics._subscription import CursorSubscription
from trio_sse.wire import Done, EncodedEvent, ServerSentEvent


def offset(id: str | None) -> int:
    assert id is not None
    return int(id.partition(".")[2])


async def pending(events: Subscription[Any]) -> list[Any]:
    """What there is to read, each event as its data, without waiting for more."""
    found: list[Any] = []
    with trio.move_on_after(0.001):
        async for item in events:
            found.append(item.data if isinstance(item, PublishedEvent) else item)
    return found


async def published(topics: MemoryTopics, *events: tuple[str, object]) -> list[str]:
    return [await topics.topic(name).publish(event) for name, event in events]


def selection_of(events: Subscription[Any]) -> Selection:
    assert isinstance(events, CursorSubscription)
    return events._reader.selection


def engine_of(topics: MemoryTopics) -> MemoryEngine:
    engine = topics._hub.engine
    assert isinstance(engine, MemoryEngine)
    return engine


# -- ids


async def test_publishing_returns_the_id_with_which_the_event_goes_out(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    async with topics.subscribe("news") as events:
        first, second = await published(topics, ("news", "a"), ("other", "b"))
        event = await anext(events)
        assert isinstance(event, PublishedEvent)
        assert (event.id, event.topic, event.data, event.event, event.key) == (first, "news", "a", None, None)
        assert event.frames == f"id: {first}\ndata: a\n\n".encode()
    assert offset(second) == offset(first) + 1
    assert first.partition(".")[0] == second.partition(".")[0]


async def test_each_process_has_a_run_of_its_own() -> None:
    (one,), (other,) = await published(MemoryTopics(), ("a", 1)), await published(MemoryTopics(), ("a", 1))
    assert one != other
    assert offset(one) == offset(other)


async def test_what_is_published_is_framed_once(autojump_clock: MockClock) -> None:
    encoded: list[object] = []

    def json(value: object) -> str:
        encoded.append(value)
        return "1"

    topics = MemoryTopics(json=json)
    subscriptions = [topics.subscribe("news", slow=slow) for slow in ("drop_oldest", "latest", "disconnect")]
    await topics.topic("news").publish({"event": "x", "data": {"a": 1}})
    items = [await anext(events) for events in subscriptions]
    assert items[0] is items[1] is items[2]
    assert encoded == [{"a": 1}]


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        ("text", "data: text\n\n"),
        (17, "data: 17\n\n"),
        (None, "data: null\n\n"),
        ({"event": "x", "data": [1]}, "event: x\ndata: [1]\n\n"),
        ({"event": "x", "retry": 5}, "event: x\nretry: 5\n\n"),
        (ServerSentEvent("a\nb", event="y"), "event: y\ndata: a\ndata: b\n\n"),
        (EncodedEvent("event: z\r\ndata: 1\r\n\r\n"), "event: z\r\ndata: 1\r\n\r\n"),
        ({"id": "7", "data": 1}, "data: 1\n\n"),  # the topic's id in place of its own
        (ServerSentEvent(1, id="7", event="a"), "event: a\ndata: 1\n\n"),
        (ServerSentEvent(event="a", comment="c"), ": c\nevent: a\n\n"),
        (EncodedEvent("id: 7\rdata: 1\r\r"), "data: 1\r\r"),
    ],
)
async def test_what_a_handler_may_yield_can_be_published(event: object, frame: str, autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events, plain = topics.subscribe("a"), aiter(topics.topic("a"))
    id = await topics.topic("a").publish(event)
    assert (await anext(events)).frames == f"id: {id}\n{frame}".encode()  # type: ignore[union-attr]
    assert await anext(plain) is event


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (EncodedEvent(":\n"), "has neither data nor a name"),
        ({"id": "7"}, "has neither data nor a name"),
        ({"retry": 7}, "has neither data nor a name"),
        ({"comment": "x"}, "has neither data nor a name"),
        ([{"data": 1}], "publish its items"),
        (Done(), r"await topic.end\(\)"),
        (object(), "cannot write"),
        ({"text": "x"}, "there is no such field; to publish a mapping as data, write {'data': …}"),
        ("x" * MAX_EVENT, "has more than 262144 bytes"),
    ],
)
async def test_what_cannot_be_an_event_is_refused_where_it_is_published(event: object, message: str) -> None:
    topics = MemoryTopics()
    with pytest.raises(EventError, match=message):
        await topics.topic("a").publish(event)
    assert engine_of(topics).where_now().head.offset == 0


async def test_several_events_that_are_framed_together_have_the_id_at_their_end(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("a")
    id = await topics.topic("a").publish(EncodedEvent("id: 7\ndata: 1\n\n:\ndata: 2\r\n\r\nid\ndata: 3\n\n"))
    expected = f"data: 1\n\n:\ndata: 2\r\n\r\nid: {id}\ndata: 3\n\n".encode()
    assert (await anext(events)).frames == expected  # type: ignore[union-attr]


# -- several topics, patterns, batches


async def test_several_topics_and_patterns_are_read_in_the_order_of_publishing(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    subscriptions = [
        topics.subscribe("a", "rooms/1"),
        topics.subscribe("rooms/*"),
        topics.subscribe("rooms/**", "a"),
        topics.subscribe("**"),
    ]
    await published(topics, ("a", 1), ("rooms/1", 2), ("rooms/1/typing", 3), ("b", 4), ("rooms/2", 5), ("a", 6))
    expected = [[1, 2, 6], [2, 5], [1, 2, 3, 5, 6], [1, 2, 3, 4, 5, 6]]
    assert [await pending(events) for events in subscriptions] == expected
    first = [topics.subscribe(*selection_of(events).all, since="oldest") for events in subscriptions]
    assert [await pending(events) for events in first] == expected


async def test_one_that_waits_gets_what_is_published_to_any_of_its_topics(autojump_clock: MockClock) -> None:
    topics, seen = MemoryTopics(), list[Any]()

    async def follow(*names: str) -> None:
        async for event in topics.subscribe(*names):
            seen.append((names, event.data))  # type: ignore[union-attr]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, "a", "b")
        nursery.start_soon(follow, "*")
        await wait_all_tasks_blocked()
        for number, name in enumerate(("a", "c", "b")):
            await topics.topic(name).publish(number)
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert sorted(seen) == [(("*",), 0), (("*",), 1), (("*",), 2), (("a", "b"), 0), (("a", "b"), 2)]
    assert topics._hub.waiting == 0


async def test_a_publish_looks_only_at_patterns_that_begin_like_the_topic(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()

    async def follow(number: int) -> None:
        async for _ in topics.subscribe(f"users/{number}/*"):
            seen.append(number)

    seen: list[int] = []
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(follow, number)
        await wait_all_tasks_blocked()
        assert topics._hub.waiting == 50
        assert [len(rows) for rows in topics._hub._by_pattern.values()] == [1] * 50
        await topics.topic("users/7/mail").publish(1)
        await topics.topic("users/8").publish(1)
        await wait_all_tasks_blocked()
        assert seen == [7]
        nursery.cancel_scope.cancel()
    assert topics._hub.waiting == 0


async def test_batches_have_all_that_there_is(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("a")
    await published(topics, *(("a", number) for number in range(3)))
    batches = events.batches()
    assert [event.data for event in await anext(batches)] == [0, 1, 2]  # type: ignore[union-attr]
    assert events.id == f"{events.id.partition('.')[0]}.3"
    await topics.topic("a").publish(3)
    await topics.topic("a").end()
    assert [[getattr(event, "data", event) for event in batch] async for batch in batches] == [[3], [Done()]]


async def test_what_was_taken_one_by_one_is_not_in_a_batch(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("a")
    await published(topics, *(("a", number) for number in range(3)))
    assert (await anext(events)).data == 0  # type: ignore[union-attr]
    async for batch in events.batches():
        assert [event.data for event in batch] == [1, 2]  # type: ignore[union-attr]
        break


# -- where it begins


async def test_a_subscriber_begins_where_it_says(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    ids = await published(topics, *(("a", number) for number in range(5)), ("b", 5))
    assert await pending(topics.subscribe("a")) == []
    assert await pending(topics.subscribe("a", since="oldest")) == [0, 1, 2, 3, 4]
    assert await pending(topics.subscribe("a", since=2)) == [3, 4]
    assert await pending(topics.subscribe("a", "b", since=2)) == [4, 5]
    assert await pending(topics.subscribe("a", since=99)) == [0, 1, 2, 3, 4]
    assert await pending(topics.subscribe("c", since=2)) == []
    assert await pending(topics.subscribe("a", after=ids[2])) == [3, 4]
    assert await pending(topics.subscribe("a", after=ids[-1], since="oldest")) == []
    assert await pending(topics.subscribe("a", after="", since=1)) == [4]


async def test_what_has_been_dropped_before_is_no_gap_for_one_that_begins(autojump_clock: MockClock) -> None:
    topics = MemoryTopics(backlog=2)
    await published(topics, ("b", 0), *(("a", number) for number in range(5)))
    events = topics.subscribe("a", "b", since="oldest")
    assert await pending(events) == [0, 3, 4]
    await published(topics, ("a", 5), ("a", 6), ("a", 7))
    gap, *rest = await pending(events)
    assert (gap.reason, offset(gap.after), offset(gap.to)) == ("trimmed", 6, 7)
    assert rest == [6, 7]


async def test_a_subscription_knows_the_id_to_go_on_from(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    async with topics.subscribe("a") as events:
        await published(topics, ("b", 1), ("a", 2), ("a", 3))
        assert offset(events.id) == 0
        await anext(events)
        assert offset(events.id) == 2
        assert await pending(topics.subscribe("a", after=events.id)) == [3]


@pytest.mark.parametrize(
    ("after", "reason", "sent"),
    [
        ("{run}.3", None, [3, 4]),
        ("{run}.0", None, [0, 1, 2, 3, 4]),
        ("{run}.5", None, []),
        ("", None, []),
        ("{run}.6", "diverged", []),  # beyond the head
        ("{run}.999999999999999999", "diverged", []),
        ("{run}.9999999999999999999", "malformed", []),
        ("k3Jx9QpL.3", "unknown", [0, 1, 2, 3, 4]),  # of a run that is not known
        ("k3Jx9QpL.0", "unknown", [0, 1, 2, 3, 4]),
        ("{run}.03", "malformed", []),
        ("{run}.-1", "malformed", []),
        ("{run}.+1", "malformed", []),
        ("{run}.1_0", "malformed", []),
        ("{run}.٣", "malformed", []),
        ("{run}.3 ", "malformed", []),
        ("{run}.3\n", "malformed", []),
        ("{run}", "malformed", []),
        (".3", "malformed", []),
        ("3", "malformed", []),
        ("trio-sse.done", "malformed", []),
        ("' OR 1=1 --", "malformed", []),
        ("\0", "malformed", []),
        ("ü" * 60, "malformed", []),
        ("x" * 129, "malformed", []),
        ("{run}." + "0" * 200, "malformed", []),
        ("x" * 100_000, "malformed", []),
    ],
)
async def test_an_id_of_a_stranger_is_told_as_a_gap_or_begins_afresh(
    after: str, reason: str | None, sent: list[int], autojump_clock: MockClock
) -> None:
    topics = MemoryTopics()
    *_, last = await published(topics, *(("a", number) for number in range(5)))
    run = last.partition(".")[0]
    got = await pending(topics.subscribe("a", after=after.replace("{run}", run)))
    gaps = [item for item in got if isinstance(item, Gap)]
    assert [gap.reason for gap in gaps] == ([] if reason is None else [reason])
    assert got[len(gaps) :] == sent
    for gap in gaps:
        assert gap.topics == ("a",)
        assert gap.frames().startswith(b"event: gap\nid: " + gap.id.encode() + b"\ndata: {")
        assert await pending(topics.subscribe("a", after=gap.id)) == sent


async def test_an_id_of_another_topic_shows_nothing_of_it(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    mine, theirs = await published(topics, ("users/1", "mine"), ("users/2", "theirs"))
    assert await pending(topics.subscribe("users/1", after=theirs)) == []
    assert await pending(topics.subscribe("users/2", after=mine)) == ["theirs"]
    assert await pending(topics.subscribe("users/1", after=theirs.partition(".")[0] + ".0")) == ["mine"]


# -- histories


async def test_a_topic_keeps_what_its_pattern_says(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    topics.keep("rooms/*", History(count=2))
    topics.keep("rooms/big", History(count=3))  # the first that matches counts
    topics.keep("sizes", History(bytes=30))
    await published(topics, *((name, "x" * 10) for name in ("rooms/big", "sizes", "other") for _ in range(4)))
    names = "rooms/big", "sizes", "other"
    assert [len(await pending(topics.subscribe(name, since="oldest"))) for name in names] == [2, 1, 4]


async def test_events_are_dropped_by_age_in_the_time_of_trio(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    topics.keep("a", History(seconds=10))
    ids = await published(topics, ("a", 1))
    await trio.sleep(6)
    ids += await published(topics, ("a", 2))
    await trio.sleep(5)
    assert await pending(topics.subscribe("a", since="oldest")) == [2]
    gap, event = await pending(topics.subscribe("a", after=f"{ids[0].partition('.')[0]}.0"))
    assert (gap.reason, gap.to, event) == ("trimmed", ids[0], 2)
    await trio.sleep(5)
    assert await pending(topics.subscribe("a", after=ids[1])) == []
    assert [gap.to for gap in await pending(topics.subscribe("a", after=ids[0]))] == [ids[1]]


async def test_topics_that_are_no_longer_used_leave_nothing_but_what_resuming_needs(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    log = engine_of(topics)._log
    log.idle_topics = 10
    for number in range(100):
        await topics.topic("jobs", number).publish("x" * 100)
        await trio.sleep(100)
    await trio.sleep(4000)
    for _ in range(40):
        await topics.topic("tick").publish(1)
    gc.collect()
    assert len(log.topics) == 11
    assert sum(len(kept.entries) for kept in log.topics.values()) == 40
    assert len(log._expiries) == 1
    assert len(topics._topics) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, r"History\(count=…\) is a whole number above 0, not 0"),
        ({"count": True}, "not True"),
        ({"bytes": 1.5}, r"History\(bytes=…\) is a whole number above 0, not 1.5"),
        ({"seconds": 0}, r"History\(seconds=…\) is a number above 0, or math.inf, not 0"),
        ({"seconds": math.nan}, "not nan"),
    ],
)
def test_a_history_has_bounds_that_make_sense(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        History(**arguments)


async def test_a_history_without_an_age_keeps_for_ever(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    topics.keep("**", History(count=1, seconds=math.inf))
    await published(topics, ("a", 1))
    await trio.sleep(80_000)
    assert await pending(topics.subscribe("a", since="oldest")) == [1]


# -- slow subscribers


async def test_one_that_is_slow_reads_on_from_the_history(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("a", lag=1)
    await published(topics, *(("a", number) for number in range(999)), ("b", 0), ("b", 0))
    assert await pending(events) == [*range(999)]


async def test_one_that_is_slower_than_the_history_is_told_once(autojump_clock: MockClock) -> None:
    topics = MemoryTopics(backlog=3)
    events = topics.subscribe("a")
    ids = await published(topics, *(("a", number) for number in range(10)))
    gap, *rest = await pending(events)
    assert (gap.reason, gap.to, gap.id, gap.dropped, rest) == ("trimmed", ids[6], ids[6], None, [7, 8, 9])


async def test_the_latest_of_each_key_is_what_one_that_is_behind_gets(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("book", slow="latest", lag=4)
    book = topics.topic("book")
    start = events.id
    for price, size in ((1, 10), (2, 20), (1, 11)):
        await book.publish({"data": size}, key=str(price))
    assert await pending(events) == [10, 20, 11]  # not behind by more than 4
    for size in range(300):
        await book.publish({"data": size}, key=str(size % 3))
    gap, *rest = await pending(events)
    assert rest == [297, 298, 299]
    assert (gap.reason, gap.dropped, offset(gap.after), offset(gap.to)) == ("slow", 297, 3, 303)
    assert offset(start) == 0
    for _ in range(9):
        await book.publish(1)
    await book.end()
    assert [getattr(item, "dropped", item) for item in await pending(events)] == [8, 1, Done()]


async def test_one_of_which_each_event_has_its_key_is_told_of_nothing_left_out(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    events = topics.subscribe("a", slow="latest", lag=2)
    for number in range(5):
        await topics.topic("a").publish(number, key=str(number))
    assert await pending(events) == [0, 1, 2, 3, 4]


async def test_one_that_is_too_slow_is_disconnected_where_the_policy_says_so(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    await published(topics, *(("a", number) for number in range(9)))
    events = topics.subscribe("a", slow="disconnect", lag=2, since="oldest")
    assert await pending(events) == [*range(9)]  # it was never up to date, so it is not slow
    await published(topics, ("a", 9), ("a", 10))
    assert await pending(events) == [9, 10]
    await published(topics, ("a", 11), ("a", 12), ("a", 13))
    with pytest.raises(TooSlow, match=r"a subscriber of a is too far behind, at .*\.11"):
        await anext(events)
    assert issubclass(TooSlow, Lagged)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"since": "start"}, "since is 'now', 'oldest', or a number of events above 0, not 'start'"),
        ({"since": 0}, "not 0"),
        ({"since": True}, "not True"),
        ({"slow": "block"}, "slow is 'drop_oldest', 'latest' or 'disconnect', not 'block'"),
        ({"lag": 0}, "lag is a number of events above 0, not 0"),
        ({"lag": 1.5}, "lag is a number of events above 0, not 1.5"),
    ],
)
def test_what_a_subscription_takes_is_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MemoryTopics().subscribe("a", **arguments)


# -- the end of a topic


async def test_a_topic_that_ends_ends_its_subscriptions(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    job, waiting = topics.topic("jobs", 7), list[Any]()

    async def wait() -> None:
        waiting.extend([getattr(item, "data", item) async for item in job.subscribe()])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        id = await job.publish("token")
        await job.end()
    assert waiting == ["token", Done()]
    late = [topics.subscribe("jobs/7", **more) for more in ({}, {"since": "oldest"}, {"after": id})]  # type: ignore[arg-type]
    assert [await pending_to_the_end(events) for events in late] == [[Done()], ["token", Done()], [Done()]]
    assert [value async for value in job] == []
    with pytest.raises(TopicEnded, match="the topic 'jobs/7' has ended"):
        await job.publish("more")


async def pending_to_the_end(events: Subscription[Any]) -> list[Any]:
    with trio.fail_after(60):
        return [getattr(item, "data", item) async for item in events]


async def test_a_subscription_to_several_topics_ends_with_the_last_one(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    both, pattern = topics.subscribe("a", "b"), topics.subscribe("*")
    await topics.topic("a").end()
    await topics.topic("b").publish(1)
    assert await pending(both) == [1]
    await topics.topic("b").end()
    assert await pending_to_the_end(both) == [Done()]
    assert await pending(pattern) == [1]


# -- publishing from elsewhere


async def test_a_thread_publishes(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    topic = topics.topic("a")
    id = await trio.to_thread.run_sync(lambda: trio.from_thread.run(topic.publish, {"data": 1}))
    assert await pending(topics.subscribe("a", since="oldest")) == [1]
    assert offset(id) == 1


async def test_a_handler_that_is_cancelled_says_goodbye(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    seen = topics.subscribe("room")

    async def present() -> None:
        await topics.topic("room").publish("joined")
        try:
            await trio.sleep_forever()
        finally:
            await topics.topic("room").publish("left")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(present)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await pending(seen) == ["joined", "left"]


# -- names


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("rooms", "kitchen"), "rooms/kitchen"),
        (("rooms/kitchen",), "rooms/kitchen"),
        (("rooms", 17), "rooms/17"),
        (("rooms", "a/b"), "rooms/a%2Fb"),
        (("rooms", "*"), "rooms/%2A"),
        (("rooms", "100%"), "rooms/100%25"),
        (("rooms", "a\nb"), "rooms/a%0Ab"),
        (("rooms", "\x85"), "rooms/%C2%85"),
        (("rooms", "Tee & Küche"), "rooms/Tee & Küche"),
    ],
)
def test_values_become_segments_of_a_name(parts: tuple[Any, ...], name: str) -> None:
    topics = MemoryTopics()
    topic = topics.topic(*parts)
    assert (topic.name, str(topic), repr(topic)) == (name, name, f"<Topic {name!r}>")
    assert str(topic / "typing") == f"{name}/typing"
    assert topics.topic(*parts) is topic


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "no segment is empty"),
        ("a//b", "no segment is empty"),
        ("a/", "no segment is empty"),
        ("a\n", "it has a control character"),
        ("\ud800", "cannot be written as UTF-8"),
        ("x" * 256, "more than 255 bytes"),
        ("ü" * 128, "more than 255 bytes"),
        ("rooms/*", "is a pattern"),
        (17, "topic\\(\\) takes a name or a class, not 17"),
    ],
)
def test_a_topic_cannot_have_every_name(name: Any, message: str) -> None:
    with pytest.raises(TopicNameError, match=message):
        MemoryTopics().topic(name)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a*", "'a\\*' is no pattern"),
        ("**/a", "is no pattern"),
        ("a/***", "is no pattern"),
        ("", "no segment is empty"),
        (17, "the name of a topic is text, not 17"),
    ],
)
def test_a_pattern_has_whole_segments(pattern: Any, message: str) -> None:
    with pytest.raises(TopicNameError, match=message):
        MemoryTopics().keep(pattern, History())


def test_a_subscription_is_to_something() -> None:
    with pytest.raises(TopicNameError, match="at least one"):
        MemoryTopics().subscribe()
    with pytest.raises(TopicNameError, match="is empty text"):
        MemoryTopics().topic("rooms", "")


def test_topics_and_their_names_can_be_subscribed_to() -> None:
    topics = MemoryTopics()
    selection = selection_of(topics.subscribe(topics.topic("a"), "b", "a", "c/*"))
    assert (selection.names, selection.patterns) == (("a", "b"), ("c/*",))


@attrs.frozen
class Order(HasEvents[str]):
    id: int


def test_two_models_of_one_name_are_told_apart() -> None:
    topics = MemoryTopics()
    other: Any = type("Order", (), {})
    assert topics.topic(Order, 17).name == "Order/17"
    with pytest.raises(TopicNameError, match="which has the same name; name the one or the other"):
        topics.topic(other, 17)


async def test_a_model_s_events_can_be_subscribed_to_by_name(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    order = Order(17, events=topics.topic(Order, 17))
    by_name, typed = topics.subscribe("Order/*"), order.events.subscribe()
    await order.events.publish("shipped")
    assert await pending(by_name) == await pending(typed) == ["shipped"]


# -- what is left behind


class CancelAt(trio.abc.Instrument):
    """Cancels a scope before a given step of the task that is in it."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.scope = trio.CancelScope()
        self.task: trio.lowlevel.Task | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


async def read_all(topics: MemoryTopics) -> None:
    async with topics.subscribe("a", "b/*", since=3, slow="latest", lag=1) as events:
        for _ in range(4):
            await anext(events)


async def read_batches(topics: MemoryTopics) -> None:
    async for _ in topics.subscribe("a", after="nonsense").batches():
        pass


async def iterate(topics: MemoryTopics) -> None:
    async for _ in topics.topic("a"):
        pass


async def publish(topics: MemoryTopics) -> None:
    for _ in range(3):
        await topics.topic("a").publish("x")
    await topics.topic("c").end()


@pytest.mark.parametrize("work", [read_all, read_batches, iterate, publish])
async def test_cancelled_at_any_point_a_subscriber_leaves_nothing(
    work: Callable[[MemoryTopics], Awaitable[None]], autojump_clock: MockClock
) -> None:
    for step in range(1, 25):
        topics, instrument = MemoryTopics(), CancelAt(step)

        async def main(topics: MemoryTopics = topics, instrument: CancelAt = instrument) -> None:
            instrument.task = trio.lowlevel.current_task()
            with instrument.scope:
                await work(topics)

        trio.lowlevel.add_instrument(instrument)
        try:
            async with trio.open_nursery() as nursery:
                await published(topics, ("a", 0), ("b/1", 0))
                nursery.start_soon(main)
                for number in range(3):
                    await wait_all_tasks_blocked()
                    await published(topics, ("a", number), ("b/2", number))
                await wait_all_tasks_blocked()
                instrument.scope.cancel()
        finally:
            trio.lowlevel.remove_instrument(instrument)
        assert topics._hub.waiting == 0
        gc.collect()
        assert len(topics._topics) == 0
        assert {*engine_of(topics)._log.topics} <= {"a", "b/1", "b/2", "c"}


async def test_cancelled_at_any_point_a_subscriber_has_missed_nothing(autojump_clock: MockClock) -> None:
    for step in range(1, 12):
        topics, instrument, got = MemoryTopics(), CancelAt(step), list[Any]()
        events = topics.subscribe("a")

        async def main(
            topics: MemoryTopics = topics, instrument: CancelAt = instrument, got: list[Any] = got, events: Any = events
        ) -> None:
            instrument.task = trio.lowlevel.current_task()
            with instrument.scope:
                while True:
                    got.append((await anext(events)).data)

        trio.lowlevel.add_instrument(instrument)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(main)
                for number in range(4):
                    await published(topics, ("a", 2 * number), ("a", 2 * number + 1))
                    await wait_all_tasks_blocked()
                instrument.scope.cancel()
        finally:
            trio.lowlevel.remove_instrument(instrument)
        assert [*got, *await pending(events)] == [*range(8)]


async def test_subscribing_alone_makes_no_topic(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    await pending(topics.subscribe("a", "b/*", after="k3Jx9QpL.7"))
    assert engine_of(topics)._log.topics == {}


async def test_ten_thousand_reconnects_while_publishing_miss_and_repeat_nothing(autojump_clock: MockClock) -> None:
    topics, seen, total = MemoryTopics(), list[int](), 10_000

    async def publish() -> None:
        for number in range(total):
            await published(topics, ("a", number), ("b", "other"))
            while number - len(seen) > 400:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        last = ""
        while len(seen) < total:
            event = await anext(topics.subscribe("a", after=last, since="oldest"))
            assert isinstance(event, PublishedEvent)
            seen.append(event.data)
            last = event.id
    assert seen == [*range(total)]


async def test_ten_thousand_random_subscribers_come_and_go_and_leave_nothing(autojump_clock: MockClock) -> None:
    topics = MemoryTopics(backlog=50)
    engine_of(topics)._log.idle_topics = 1

    async def come_and_go(number: int) -> None:
        after: str | None = None
        for turn in range(10):
            with trio.move_on_after(0.1 * (1 + (number * 7 + turn) % 5)):
                previous = 0
                async with topics.subscribe(f"t/{number % 7}", "t/*", after=after) as events:
                    async for item in events:
                        assert isinstance(item, PublishedEvent)
                        assert offset(item.id) > previous
                        previous, after = offset(item.id), item.id

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(come_and_go, number)
        for turn in range(20):
            await topics.topic("t", turn % 7).publish(turn)
            await trio.sleep(0.13)
    assert topics._hub.waiting == 0


def test_the_protocol_has_what_the_engine_in_memory_has() -> None:
    topics: Topics = MemoryTopics()
    topics.keep("a", History())
    alone: MemoryTopic[int] = MemoryTopic("alone")
    assert [topics.topic("a").name, alone.name] == ["a", "alone"]
