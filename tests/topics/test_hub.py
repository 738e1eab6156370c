"""The hub of an engine that others write to: it learns of entries by the tail, and finds its way after an outage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse.topics import History
from trio_sse.topics._engine import Entry, Reset, Stored, Unavailable
from trio_sse.topics._hub import Hub, event_of
from trio_sse.topics._log import MAX_RUNS, Log
from trio_sse.topics._memory import MemoryEngine
from trio_sse.topics._names import Selection
from trio_sse.topics._position import Position, new_run
from trio_sse.topics._reader import Reader, Reading

KEEP = History(count=5)


class Shared(MemoryEngine):
    """An engine that this process shares with others, and that may be down."""

    local: ClassVar[bool] = False
    down = False
    calls = 0

    async def tail(self, after: Position) -> Sequence[Entry]:
        self.calls += 1
        if self.down:
            raise Unavailable
        return await super().tail(after)


@asynccontextmanager
async def running(engine: Shared) -> AsyncIterator[Hub]:
    hub = Hub(engine, KEEP)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        await wait_all_tasks_blocked()
        yield hub
        nursery.cancel_scope.cancel()


async def store(engine: MemoryEngine, *values: int) -> None:
    for value in values:
        await engine.append("a", Stored(b"data: %d\n\n" % value), KEEP)


async def take(reader: Reader, count: int) -> list[bytes]:
    found: list[bytes] = []
    with trio.fail_after(60):
        while len(found) < count:
            items = await reader.next()
            found += [event_of(item).frames.split(b"\n")[1] for item in items if isinstance(item, Entry)]
    return found


async def test_what_another_process_stores_reaches_who_waits_here(autojump_clock: MockClock) -> None:
    engine = Shared()
    await store(engine, 0)
    async with running(engine) as hub:
        reader = Reader(hub, Selection.of(["a"]), Reading())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store, engine, 1, 2)
            assert await take(reader, 2) == [b"data: 1", b"data: 2"]
        assert await take(Reader(hub, Selection.of(["a"]), Reading(since="oldest")), 3) == [
            b"data: 0",
            b"data: 1",
            b"data: 2",
        ]


async def test_after_an_outage_nothing_is_missing(autojump_clock: MockClock) -> None:
    engine = Shared()
    async with running(engine) as hub:
        reader = Reader(hub, Selection.of(["a"]), Reading())
        engine.down = True
        await store(engine, 1)
        await trio.sleep(60)
        assert 60 < engine.calls < 150  # it pauses a second at most, and no two processes at the same moments
        assert hub.ring.head.offset == 1  # of the call that was waiting
        await store(engine, 2, 3)
        engine.down = False
        assert await take(reader, 3) == [b"data: 1", b"data: 2", b"data: 3"]


async def test_what_the_tail_cannot_show_is_read_from_the_history(autojump_clock: MockClock) -> None:
    engine = Shared()
    async with running(engine) as hub:
        reader = Reader(hub, Selection.of(["a"]), Reading())
        engine.down = True
        await store(engine, *range(20))  # of which 5 are kept
        await trio.sleep(5)
        engine.down = False
        await trio.sleep(5)
        assert hub.ring.head.offset == 20
        assert await take(reader, 5) == [b"data: %d" % value for value in range(15, 20)]


async def test_one_that_waits_in_several_rows_is_woken_once(autojump_clock: MockClock) -> None:
    engine = Shared()
    async with running(engine) as hub:
        readers = [
            Reader(hub, Selection.of(names), Reading())
            for names in (["x/*", "x/**", "x/y/*", "a"], ["**", "*", "a"], ["a", "b"], ["a/b/*"])
        ]
        got: list[int] = []

        async def follow(number: int) -> None:
            while True:
                got.extend([number for item in await readers[number].next() if isinstance(item, Entry)])

        async with trio.open_nursery() as nursery:
            for number in range(len(readers)):
                nursery.start_soon(follow, number)
            await wait_all_tasks_blocked()
            await hub._begin_again()  # as after an outage: all of them look again
            await wait_all_tasks_blocked()
            await store(engine, 1)
            await wait_all_tasks_blocked()
            assert sorted(got) == [0, 1, 2]
            await engine.append("x/y/z", Stored(b"data: 2\n\n"), KEEP)
            await wait_all_tasks_blocked()
            assert sorted(got) == [0, 0, 1, 1, 2]
            nursery.cancel_scope.cancel()
        assert hub.waiting == 0


async def test_the_tail_returns_in_silence(autojump_clock: MockClock) -> None:
    engine = MemoryEngine()
    assert await engine.tail(engine.where_now().head) == ()
    assert trio.current_time() == 10
    with pytest.raises(Reset):
        await engine.tail(Position(new_run(), 0))


async def test_a_cancelled_hub_leaves_the_engine_as_it_is(autojump_clock: MockClock) -> None:
    engine = Shared()
    async with running(engine) as hub:
        await store(engine, 1)
        await wait_all_tasks_blocked()
        assert (await engine.where()).head == hub.ring.head


# -- the log


def test_a_run_is_begun_once() -> None:
    log = Log([("run00001", 1)])
    with pytest.raises(ValueError, match="the run 'run00001' was there already"):
        log.begin_run("run00001")


def test_of_very_many_runs_the_oldest_are_forgotten_with_their_entries() -> None:
    log = Log([("first000", 1)])
    entries = [log.append("a", Stored(b"x"), History(), 0.0) for _ in range(3)]
    for number in range(MAX_RUNS + 1):
        log.begin_run(f"run{number:05}")
        if number < 2:
            entries.append(log.append("a", Stored(b"x"), History(), 0.0))
    assert len(log.runs) == MAX_RUNS
    page = log.read(Selection.of(["a"]), entries[0].position, 10, 0.0)
    assert page.loss is not None
    assert (page.loss.reason, page.loss.to.offset, [each.position for each in page.entries]) == (
        "unknown",
        4,
        [entries[4].position],
    )
    again = log.read(Selection.of(["a"]), page.through, 10, 0.0)
    assert (again.loss, again.entries) == (None, [])
    assert log.read(Selection.of(["b"]), page.loss.resume, 10, 0.0).loss is None


def test_a_topic_whose_run_is_forgotten_is_idle() -> None:
    log = Log([("first000", 1)])
    log.append("a", Stored(b"x"), History(), 0.0)
    for number in range(MAX_RUNS):
        log.begin_run(f"run{number:05}")
    assert not log.topics["a"].entries
    assert log.gone == 1
