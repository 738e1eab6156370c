"""Many requests at once, half of them ended from outside at random points: nothing is left open.

Everything that a request enters is in a ledger: services of the app and of the request, middleware, transactions, the
handlers themselves and the tasks that they start. All of it takes random (virtual) time to enter, to use and to leave.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App, Controller, Get, Post, Reference, required
from trio_sse.models import Repository, resolve
from trio_sse.testing import TestClient, TestStream

REQUESTS = 200
PATIENCE = 12.0  # seconds, about as long as a request takes
CLEANUP_SECONDS = 5.0


class Broken(Exception):
    """What goes wrong in some requests by itself."""


@attrs.frozen
class Ticket:
    id: int


class Ledger:
    """What has been entered, what has been left, and where somebody was interrupted."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.interrupted: Counter[str] = Counter()
        self.open: set[object] = set()
        self.begun = self.committed = self.rolled_back = 0

    async def pause(self, where: str, *, may_fail: bool = False) -> None:
        """Take some time, seldom for far too long, and seldom fail."""
        try:
            chance = self.random.random()
            if may_fail and chance < 0.01:
                raise Broken(where)
            overstay = where.startswith("leaving") and chance > 0.98
            await trio.sleep(3 * CLEANUP_SECONDS if overstay else self.random.random())
        except trio.Cancelled:
            self.interrupted[where] += 1
            raise

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        await self.pause(f"before {name}", may_fail=True)
        entry = object()
        self.entered[name] += 1
        self.open.add(entry)
        try:
            await self.pause(f"entering {name}", may_fail=True)
            yield
        finally:
            try:
                await self.pause(f"leaving {name}")
            finally:
                self.left[name] += 1
                self.open.remove(entry)  # raises where it has been left already


class Database:
    pass


class Session:
    pass


class Unit:
    pass


class Tickets(Repository[Ticket]):
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def get(self, id: int, /) -> Ticket | None:
        await self.ledger.pause("getting", may_fail=True)
        return Ticket(id)

    async def get_many(self, ids: Sequence[int], /) -> Mapping[int, Ticket]:
        await self.ledger.pause("getting many", may_fail=True)
        return {id: Ticket(id) for id in ids}


def app_of(ledger: Ledger) -> App:
    @asynccontextmanager
    async def open_database() -> AsyncIterator[Database]:
        ledger.entered["database"] += 1
        try:
            yield Database()
        finally:
            ledger.left["database"] += 1

    @asynccontextmanager
    async def open_session(database: Database) -> AsyncIterator[Session]:
        async with ledger.held("session"):
            yield Session()

    @asynccontextmanager
    async def begin(session: Session) -> AsyncIterator[Unit]:
        async with ledger.held("transaction"):
            ledger.begun += 1
            try:
                yield Unit()
            except BaseException:
                ledger.rolled_back += 1
                raise
            else:
                ledger.committed += 1

    @asynccontextmanager
    async def open_tickets(session: Session, nursery: trio.Nursery) -> AsyncIterator[Repository[Ticket]]:
        async with ledger.held("tickets"):
            nursery.start_soon(work, "task of a service")
            yield Tickets(ledger)

    async def work(name: str) -> None:
        ledger.entered[name] += 1
        try:
            await trio.sleep_forever()
        finally:
            ledger.left[name] += 1

    @asynccontextmanager
    async def outer() -> AsyncIterator[None]:
        async with ledger.held("outer middleware"):
            yield

    @asynccontextmanager
    async def inner(unit: Unit) -> AsyncIterator[str]:
        async with ledger.held("inner middleware"), trio.open_nursery() as nursery:
            nursery.start_soon(work, "task of a middleware")
            yield "inner"
            nursery.cancel_scope.cancel()

    async def guard() -> bool:
        await ledger.pause("guarding")
        return True

    async def stream(ticket: Ticket, other: Reference[Ticket], step: str, nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(work, "task of a handler")
        async with ledger.held("stream"):
            for count in range(3):
                yield {"data": [ticket.id, count]}
                await ledger.pause("streaming")
            assert await other == Ticket(other.id)

    async def answer(ticket: Ticket, other: Reference[Ticket], step: str) -> list[int]:
        async with ledger.held("handler"):
            assert await resolve(other, other) == [await other, await other]
            return [ticket.id, other.id]

    controller = (
        Controller("/:ticket/:other")
        .inject(unit=Unit)
        .use(outer)
        .guard(guard)
        .types(required(Ticket), other=Ticket)
        .use(step=inner)
        .routes(
            events=SSE("/events").heartbeat(0.3).handle(stream),
            get=Get("/").handle(answer),
            post=Post("/").handle(answer),
        )
    )
    return (
        App(cleanup_timeout=CLEANUP_SECONDS)
        .provide(open_database)
        .provide(open_session, scope="request")
        .provide(begin, scope="request")
        .provide(open_tickets, scope="request")
        .add(controller)
    )


class Crowd:
    """Asks an app many times at once, and counts how it went."""

    def __init__(self, ledger: Ledger, client: TestClient) -> None:
        self.ledger = ledger
        self.client = client
        self.outcomes: Counter[str] = Counter()

    async def ask_all(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(REQUESTS):
                nursery.start_soon(self.ask, number, ("stays", "disconnects", "stays", "is cancelled")[number % 4])

    async def ask(self, number: int, how: str) -> None:
        try:
            await self.ask_one(number, how)
        except* Broken:  # of a request that was cancelled before its error was out
            assert how == "is cancelled"
            self.outcomes["broken"] += 1

    async def ask_one(self, number: int, how: str) -> None:
        kind = self.ledger.random.choice(("events", "get", "post"))
        target = f"/{number}/{self.ledger.random.randrange(REQUESTS)}" + ("/events" if kind == "events" else "")
        method, seconds = "POST" if kind == "post" else "GET", self.ledger.random.uniform(0, PATIENCE)
        with trio.CancelScope() as server:
            if how == "is cancelled":
                server.deadline = trio.current_time() + seconds
            async with self.client.stream(target, method=method, wait=False) as stream:
                if how == "disconnects":
                    await trio.sleep(seconds)
                    stream.disconnect()
                await stream.ended()
                error, stream.error = stream.error, None
            self.count(how, stream, error)
        if server.cancelled_caught:
            self.outcomes["cancelled"] += 1

    def count(self, how: str, stream: TestStream, error: BaseException | None) -> None:
        broken = error is not None and has_only(error, Broken)
        assert error is None or broken, error
        self.outcomes["broken" if broken else "answered" if stream.complete else "gone"] += 1
        if how == "stays" and not broken:
            assert stream.complete
            assert stream.status == 200


def has_only(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(has_only(each, kind) for each in error.exceptions)
    return isinstance(error, kind)


@pytest.mark.parametrize("seed", range(6))
async def test_200_requests_half_of_them_ended_at_random_leave_nothing_open(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    caplog.set_level(logging.CRITICAL)  # what overstays is logged, which is not looked at here
    ledger = Ledger(seed)
    async with TestClient(app_of(ledger)) as client:
        tasks = trio.lowlevel.current_statistics().tasks_living
        crowd = Crowd(ledger, client)
        await crowd.ask_all()

        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert ledger.open == set()
        assert ledger.entered - Counter(["database"]) == ledger.left
        assert ledger.begun == ledger.committed + ledger.rolled_back
    assert ledger.entered == ledger.left

    # and it was no idle exercise
    assert crowd.outcomes.total() == REQUESTS
    assert min(crowd.outcomes[how] for how in ("cancelled", "gone", "answered", "broken")) > 3
    assert min(ledger.committed, ledger.rolled_back) > 5
    phases = Counter[str]()
    for where, count in ledger.interrupted.items():
        phases[where.partition(" ")[0]] += count
    assert phases["before"] + phases["entering"] > 5
    assert phases["getting"] + phases["guarding"] + phases["streaming"] > 0
    assert phases["leaving"] > 5
