"""What the kit reads of a subscription."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from trio_sse.testing import pending
from trio_sse.topics import Gap, History, MemoryTopics, PublishedEvent
from trio_sse.wire import Done


async def test_it_reads_what_there_is_and_loses_nothing(autojump_clock: MockClock) -> None:
    topics = MemoryTopics()
    topics.keep("**", History(count=2))
    topic, events = topics.topic("a"), topics.subscribe("a")
    assert await pending(events) == []
    for number in range(3):
        await topic.publish(number)
    gap, *rest = await pending(events)
    assert isinstance(gap, Gap)
    assert [event.data for event in rest if isinstance(event, PublishedEvent)] == [1, 2]
    await topic.publish(3)
    await topic.end()
    last, done = await pending(events)
    assert isinstance(last, PublishedEvent)
    assert (last.data, done) == (3, Done())
    assert await pending(events) == []
    assert trio.current_time() == 0
