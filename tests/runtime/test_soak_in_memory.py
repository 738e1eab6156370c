"""An hour of virtual time: clients come, misbehave and go, and what the app holds does not grow.

The hour has four shifts. At the end of each one everybody leaves, and the app has to hold what it held before: nothing.
Objects are counted then and held against those of the first shifts; memory is traced from half-time on.
"""

from __future__ import annotations

import gc
import logging
import random
import signal
import tracemalloc
import types
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from trio_sse import SSE, Aborted, AbortReason, App, Controller, Done, Get, Limits, Post, Reference, required
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient, TestStream
from trio_sse.topics import HasEvents, MemoryTopics, Topics

SHIFTS = 4
SHIFT_SECONDS = 15 * 60.0
CLIENTS = 100
STREAMS = 40
VISIT_SECONDS = 150.0
PAUSE_SECONDS = 20.0
CLEANUP_SECONDS = 5.0
SEND_TIMEOUT = 10.0
ROOMS = 20
EPOCH = 1_000_000.0

GROWTH = 64 * 1024
"""Bytes that may be left of a shift, with its four hundred visits: the test's own notes, and what has been replaced
since memory is traced. An object that stays for each visit is seen by its type long before."""
SPARE_OBJECTS = 10
"""Objects of a type that may have come to stay in the second half: one in a hundred visits would be more."""


class Broken(Exception):
    """What handlers, tasks and the server fail with, on purpose."""


@frozen
class Room(HasEvents[str]):
    id: int


class Session:
    pass


class Ledger:
    """What has been entered and left, and by what the clients' visits have ended."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.overstays = 0
        self.open: set[object] = set()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        entry = object()
        self.entered[name] += 1
        self.open.add(entry)
        try:
            yield
        finally:
            self.left[name] += 1
            self.open.remove(entry)  # raises where it has been left already

    async def wait(self, seconds: float) -> None:
        await trio.sleep(self.random.uniform(0.5, 1.5) * seconds)

    async def clean_up(self) -> None:
        """Take some time, and now and then far more than there is."""
        if self.random.random() < 0.1:
            self.overstays += 1
            await trio.sleep(3 * CLEANUP_SECONDS)
        await trio.sleep(self.random.random())


def app_of(ledger: Ledger, topics: MemoryTopics) -> App:
    @asynccontextmanager
    async def open_session(nursery: trio.Nursery) -> AsyncIterator[Session]:
        with ledger.held("session"):
            nursery.start_soon(work, "task of a service")
            try:
                yield Session()
            finally:
                await ledger.clean_up()

    async def work(name: str) -> None:
        with ledger.held(name):
            await trio.sleep_forever()

    async def fail_soon() -> None:
        with ledger.held("task that fails"):
            await ledger.wait(VISIT_SECONDS)
            raise Broken("a task")

    @asynccontextmanager
    async def step(session: Session) -> AsyncIterator[None]:
        with ledger.held("step"):
            try:
                yield
            finally:
                await ledger.clean_up()

    def until_soon(expire_at: Callable[[float], None]) -> None:
        expire_at(EPOCH + trio.current_time() + ledger.random.uniform(1, 2 * VISIT_SECONDS))

    def as_somebody(user: int, count_as: Callable[[int], None]) -> None:
        count_as(user)

    async def ticks(last_event_id: str | None, aborted: Aborted) -> AsyncIterator[Any]:
        with ledger.held("ticks"):
            try:
                for number in range(int(last_event_id or 0) + 1, 1 << 40):
                    yield {"id": str(number), "data": {"number": number}}
                    await ledger.wait(30)
            finally:
                ledger.reasons[str(aborted.reason)] += 1

    async def batches() -> AsyncIterator[Any]:
        with ledger.held("batches"):
            for _ in range(ledger.random.randrange(20)):
                yield [{"event": "tick", "data": each} for each in range(10)]
                await ledger.wait(30)
            yield Done()

    async def idle() -> AsyncIterator[Any]:
        with ledger.held("idle"):
            yield {"data": "here I am"}
            await trio.sleep_forever()

    async def failing() -> AsyncIterator[Any]:
        with ledger.held("failing"):
            yield {"data": 1}
            await ledger.wait(VISIT_SECONDS / 3)
            raise Broken("a handler")

    async def working(session: Session, nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(work, "task of a handler")
        if ledger.random.random() < 0.3:
            nursery.start_soon(fail_soon)
        with ledger.held("working"):
            while True:
                yield {"data": "x"}
                await ledger.wait(30)

    async def follow(room: Room, other: Reference[Room]) -> AsyncIterator[Any]:
        with ledger.held("follow"):
            assert await other == Room(other.id)
            async for said in room.events:
                yield {"data": said}

    async def say(room: Room) -> None:
        await room.events.publish("something")

    async def answer(session: Session) -> int:
        await ledger.wait(1)
        if ledger.random.random() < 0.2:
            raise Broken("a plain handler")
        return 1

    def rooms(topics: Topics) -> Repository[Room]:
        return MemoryRepository(Room, [Room(id) for id in range(ROOMS)], topics=topics)

    routes = Controller("/").routes(
        ticks=SSE("/ticks").heartbeat(None).handle(ticks),
        batches=SSE("/batches").heartbeat(90).handle(batches),
        idle=SSE("/idle").heartbeat(45).handle(idle),
        expiring=SSE("/expiring").use(until_soon).heartbeat(90).handle(idle),
        short=SSE("/short").lifetime(VISIT_SECONDS).heartbeat(None).handle(ticks),
        patient=SSE("/patient").send_timeout(2 * SEND_TIMEOUT).heartbeat(None).handle(ticks),
        failing=SSE("/failing").heartbeat(90).handle(failing),
        working=SSE("/working").inject(session=Session).use(step).heartbeat(90).handle(working),
        counted=SSE("/users/:user").use(as_somebody).heartbeat(90).handle(idle),
        follow=SSE("/rooms/:room/:other").types(required(Room), other=Room).heartbeat(90).handle(follow),
        say=Post("/rooms/:room").types(required(Room)).handle(say),
        answer=Get("/answer").inject(session=Session).use(step).handle(answer),
    )
    return (
        App(
            cleanup_timeout=CLEANUP_SECONDS,
            send_timeout=SEND_TIMEOUT,
            wall_clock=lambda: EPOCH + trio.current_time(),
            limits=Limits(streams=STREAMS, streams_per_client=CLIENTS),
        )
        .provide(Topics, value=topics)
        .provide(rooms)
        .provide(open_session, scope="request")
        .add(routes)
    )


PATHS = (
    "/ticks",
    "/batches",
    "/idle",
    "/expiring",
    "/short",
    "/patient",
    "/failing",
    "/working",
    "/users/{}",
    "/rooms/{}/1",
    "/answer",
)

GONE = {"x-gone": "already"}


def telling_at_once(app: App) -> Any:
    """The app under a server that has nothing to wait for before it says that a client has gone."""

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint_if_cancelled()
        return {"type": "http.disconnect"}

    async def wrapped(scope: Any, given: Any, send: Any) -> None:
        gone = (b"x-gone", b"already") in scope.get("headers", ())
        await app(scope, receive if gone else given, send)

    return wrapped


Way = Callable[["Crowd", TestStream, trio.CancelScope], Awaitable[None]]


class Crowd:
    """The clients. Each makes one visit after the other until the shift is over, and then leaves."""

    def __init__(self, ledger: Ledger, client: TestClient) -> None:
        self.ledger = ledger
        self.random = ledger.random
        self.client = client
        self.visits: Counter[str] = Counter()
        self.statuses: Counter[int | None] = Counter()
        self.end = 0.0

    async def work_a_shift(self, seconds: float) -> None:
        self.end = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(self.come_and_go)
            nursery.start_soon(self.talk)

    async def come_and_go(self) -> None:
        await self.ledger.wait(VISIT_SECONDS / 2)
        while trio.current_time() < self.end:
            if self.random.random() < 0.1:
                await self.retry()
            else:
                await self.visit()
            await self.ledger.wait(VISIT_SECONDS)

    async def talk(self) -> None:
        while trio.current_time() < self.end:
            await self.client.post(f"/rooms/{self.random.randrange(ROOMS)}")
            await self.ledger.wait(20)

    async def visit(self) -> None:
        path = self.random.choice(PATHS).format(self.random.randrange(ROOMS))
        way = self.random.choice(WAYS)
        self.visits[way.__name__] += 1
        try:
            await self.visit_one(path, way)
        except* Broken:  # of a request that was cancelled before its error was out
            assert way is is_cancelled

    async def visit_one(self, path: str, way: Way) -> None:
        with trio.CancelScope() as server:
            headers = GONE if way is has_gone_already else {}
            async with self.client.stream(path, headers=headers, wait=False) as stream:
                await way(self, stream, server)
                stream.disconnect()
                await stream.ended()
                error, stream.error = stream.error, None
            self.statuses[stream.status] += 1
            assert error is None or has_only_broken(error), error

    async def retry(self) -> None:
        """Take some ticks, leave, and go on after the last one; refused, try again later."""
        self.visits["retry"] += 1
        last: str | None = None
        for _ in range(4):
            headers = {} if last is None else {"last-event-id": last}
            async with self.client.stream("/ticks", headers=headers) as stream:
                if stream.status == 200:
                    events = await stream.events(self.random.randint(1, 3))
                    first = 1 if last is None else int(last) + 1
                    assert [each.id for each in events] == [str(first + index) for index in range(len(events))]
                    last = stream.last_event_id
            await self.ledger.wait(5)

    async def stay(self, stream: TestStream) -> None:
        """Until the stream ends, or the shift, but not for ever."""
        with trio.move_on_at(min(self.end, trio.current_time() + self.random.expovariate(1 / VISIT_SECONDS))):
            await stream.ended()


async def leaves(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.stay(stream)


async def half_closes(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.stay(stream)
    stream.half_close()
    await stream.ended()


async def leaves_at_once(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.ledger.wait(0.3)


async def leaves_in_the_same_moment(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    for _ in range(crowd.random.randrange(12)):
        await trio.lowlevel.checkpoint()


async def has_gone_already(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    """Which the server knows before the app has begun; see `telling_at_once`."""
    await stream.ended()


async def pauses(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    for _ in range(3):
        stream.pause()
        await trio.sleep(crowd.random.uniform(0, 1) * SEND_TIMEOUT)
        stream.resume()
        await crowd.ledger.wait(PAUSE_SECONDS)


async def stalls(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.ledger.wait(PAUSE_SECONDS)
    stream.pause()
    await crowd.stay(stream)


async def loses_its_connection(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.ledger.wait(PAUSE_SECONDS)
    stream.fail_send(ConnectionResetError("gone"))
    await crowd.stay(stream)


async def meets_a_server_that_cannot_send(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.ledger.wait(PAUSE_SECONDS)
    stream.fail_send(Broken("sending"))
    await crowd.stay(stream)


async def meets_a_server_that_cannot_receive(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    await crowd.ledger.wait(PAUSE_SECONDS)
    stream.fail_receive(Broken("receiving"))
    await stream.ended()


async def is_cancelled(crowd: Crowd, stream: TestStream, server: trio.CancelScope) -> None:
    server.deadline = trio.current_time() + crowd.random.random() * VISIT_SECONDS
    await stream.ended()


WAYS: tuple[Way, ...] = (
    leaves,
    leaves,
    half_closes,
    leaves_at_once,
    leaves_in_the_same_moment,
    has_gone_already,
    pauses,
    stalls,
    loses_its_connection,
    meets_a_server_that_cannot_send,
    meets_a_server_that_cannot_receive,
    is_cancelled,
)


def has_only_broken(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(has_only_broken(each) for each in error.exceptions)
    return isinstance(error, Broken)


def living() -> Counter[str]:
    """The objects that hold something: the library's and Trio's, by type; coroutines, generators, errors, by name."""
    gc.collect()
    return Counter(filter(None, map(kind_of, gc.get_objects())))


def kind_of(found: Any) -> str:
    if isinstance(found, types.CoroutineType | types.AsyncGeneratorType | types.GeneratorType):
        return f"{type(found).__name__} {found.__qualname__}"
    cls: type[Any] = type(found)
    if issubclass(cls, BaseException | types.TracebackType | types.FrameType | types.MethodType):
        return f"{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}" if cls.__module__.partition(".")[0] in ("trio_sse", "trio") else ""


def check_that_nobody_is_there(ledger: Ledger, app: App, client: TestClient, topics: MemoryTopics) -> None:
    statistics = app.statistics()
    assert statistics.open == 0
    assert sum(statistics.ended.values()) == statistics.opened
    assert not statistics.full
    assert app._compiled.context.admission.open == 0
    assert app._compiled.context.admission.by_client == Counter()
    assert client._drain._hooks == {}
    assert len(topics._topics) == ROOMS  # their repository has them
    assert ledger.open == set()
    assert ledger.entered == ledger.left


class Log(logging.Filter):
    """Takes what the library logs of overstays out of the log, since pytest would keep each record."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def filter(self, record: logging.LogRecord) -> bool:
        overstay = f"has not ended within {CLEANUP_SECONDS:g} s" in record.getMessage()
        self.taken += overstay
        return not overstay


@pytest.fixture
def alarm() -> Iterator[None]:
    """Fail after a minute and a half of real time: a request that nothing can cancel has no end in virtual time."""

    def ring(_signal: int, _frame: object) -> None:
        raise AssertionError("a request does not end, and cannot be cancelled")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def log() -> Iterator[Log]:
    log, logger = Log(), logging.getLogger("trio_sse")
    logger.addFilter(log)
    yield log
    logger.removeFilter(log)


async def test_after_an_hour_of_clients_that_come_and_go_the_app_holds_no_more_than_before(
    autojump_clock: MockClock, alarm: None, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, topics = Ledger(20260801), MemoryTopics(backlog=1)
    topics._hub.ring.max_entries = 1  # so that histories, which are to grow up to their bounds, are full at once
    app = app_of(ledger, topics)
    objects: list[Counter[str]] = []
    traced: list[int] = []
    began = trio.current_time()
    try:
        async with TestClient(telling_at_once(app)) as client:
            tasks = trio.lowlevel.current_statistics().tasks_living
            crowd = Crowd(ledger, client)
            for shift in range(SHIFTS):
                await crowd.work_a_shift(SHIFT_SECONDS)
                assert trio.lowlevel.current_statistics().tasks_living == tasks
                check_that_nobody_is_there(ledger, app, client, topics)
                objects.append(living())
                if shift == SHIFTS // 2 - 1:
                    tracemalloc.start()
                traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert trio.current_time() - began >= 3600
    grown = {kind: count for kind, count in (objects[-1] - objects[SHIFTS // 2 - 1]).items() if count > SPARE_OBJECTS}
    assert grown == {}
    assert traced[-1] - traced[-2] < GROWTH
    assert caplog.records == []
    check_that_it_was_no_idle_exercise(crowd, app, log)


def check_that_it_was_no_idle_exercise(crowd: Crowd, app: App, log: Log) -> None:
    statistics, ledger = app.statistics(), crowd.ledger
    assert set(crowd.visits) == {"retry", *(way.__name__ for way in WAYS)}
    assert min(crowd.visits.values()) > 50
    assert {200, 500, 503} <= set(crowd.statuses)
    reasons = {"failed", "finished", *map(str, AbortReason)} - {AbortReason.DRAINING, AbortReason.ERROR}
    assert reasons <= set(statistics.ended)
    assert len(statistics.routes) == len(PATHS) - 1  # one is no stream
    assert min(route.opened for route in statistics.routes.values()) > 50
    assert statistics.refused["streams"] > 20
    assert min(ledger.overstays, log.taken) > 20
