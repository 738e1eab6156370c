"""What the storage of examples/orders does, whichever database is below it: each of them runs this as its own tests."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import attrs
import pytest
import trio
from sqlalchemy import Connection, Engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from trio.testing import wait_all_tasks_blocked

from end_to_end.limits import within
from examples.orders.database import Database, DatabaseSettings, open_database, orders
from examples.orders.domain import NewOrder, Order, OrderUpdate, Status, StatusConflict
from examples.orders.repository import SqlOrders
from trio_sse.topics import MemoryTopics

__all__ = ("HURRY", "OrdersBehaviour", "Place", "StorageBehaviour", "add", "at_last", "count", "hurried", "idle")

HURRY = 0.2
"""Seconds for a statement, where one is meant to take too long."""


@attrs.frozen
class Place:
    """A database without tables, for one test.

    Attributes:
        settings: How to open it.
        endless: A statement that takes a minute or longer.
        connections: How many connections this process has to it.
        in_transaction: Whether a transaction is open in it that has locked something, or may yet.
        locked: Somebody else is writing while the block lasts, and will not let anybody else do so.
    """

    settings: DatabaseSettings
    endless: str
    connections: Callable[[], int]
    in_transaction: Callable[[], bool]
    locked: Callable[[], AbstractContextManager[None]]


def add(connection: Connection, customer: str = "ann") -> None:
    """Add an order."""
    connection.execute(insert(orders).values(customer=customer, item="tea", quantity=1, status="open"))


def add_many(connection: Connection) -> None:
    """Add more orders than are read at once."""
    for _ in range(100):
        add(connection)


def count(connection: Connection) -> int:
    """How many orders there are."""
    return connection.execute(select(func.count()).select_from(orders)).scalar_one()


def idle(database: Database) -> bool:
    """Whether no thread runs, no task waits for one, and every connection is back."""
    pool: Any = database.engine.pool
    threads = database.threads.statistics()
    return (pool.checkedout(), threads.borrowed_tokens, threads.tasks_waiting) == (0, 0, 0)


@asynccontextmanager
async def hurried(place: Place) -> AsyncIterator[Database]:
    """A database with tables, in which a statement must not take long."""
    async with open_database(place.settings):
        pass
    async with open_database(attrs.evolve(place.settings, statement_seconds=HURRY)) as opened:
        yield opened


@contextmanager
def at_last(rescue: Callable[[], object]) -> Iterator[None]:
    """After ten seconds, end what a thread waits for, and so fail the test: a thread cannot be cancelled."""
    timer = threading.Timer(10, rescue)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@attrs.frozen
class Held:
    """Work that the test holds up in its thread."""

    begun: trio.Event = attrs.field(factory=trio.Event)
    go_on: threading.Event = attrs.field(factory=threading.Event)

    def wait(self) -> None:
        """In the thread: wait for the test."""
        trio.from_thread.run_sync(self.begun.set)
        assert self.go_on.wait(10)


def connects(engine: Engine) -> list[Any]:
    """A list that gets each new connection of an engine."""
    made: list[Any] = []
    event.listen(engine, "connect", lambda connection, _: made.append(connection))
    return made


class StorageBehaviour:
    """Threads, transactions, time-outs."""

    @pytest.fixture
    async def database(self, place: Place) -> AsyncIterator[Database]:
        async with open_database(place.settings) as opened:
            yield opened
            assert idle(opened)
            assert not place.in_transaction()

    @pytest.fixture
    async def hurried(self, place: Place) -> AsyncIterator[Database]:
        async with hurried(place) as opened:
            yield opened
            assert idle(opened)
            assert not place.in_transaction()

    @within(20)
    async def test_what_one_transaction_writes_is_there_for_the_next(self, database: Database) -> None:
        await database.run(add)
        assert await database.read(count) == 1

    @within(20)
    async def test_what_was_written_is_there_when_the_database_is_opened_again(self, place: Place) -> None:
        async with open_database(place.settings) as database:
            await database.run(add)
        async with open_database(place.settings) as database:
            assert await database.read(count) == 1

    @within(20)
    async def test_an_error_undoes_the_whole_transaction(self, database: Database) -> None:
        def fail(connection: Connection) -> None:
            add(connection)
            add(connection)
            raise LookupError("of the test")

        with pytest.raises(LookupError, match="of the test"):
            await database.run(fail)
        assert await database.read(count) == 0

    @within(20)
    async def test_an_error_in_the_middle_of_a_result_leaves_no_transaction_open(self, place: Place) -> None:
        kept = []

        def fail(connection: Connection) -> None:
            result = connection.execute(select(orders))
            kept.append(result)
            raise LookupError(result.fetchone())

        async with (
            open_database(attrs.evolve(place.settings, connections=1)) as one,
            open_database(place.settings) as two,
        ):
            for method in (one.run, one.read):
                await two.run(add_many)
                with pytest.raises(LookupError):
                    await method(fail)
                assert not place.in_transaction()
                await two.run(add)
                await one.run(add)  # of the state that there is now
        assert len(kept) == 2

    @within(20)
    async def test_a_read_cannot_write_and_a_run_on_the_same_connection_can(self, place: Place) -> None:
        async with open_database(attrs.evolve(place.settings, connections=1)) as database:
            for _ in range(2):
                with pytest.raises(DBAPIError, match=r"read-?only"):
                    await database.read(add)
                await database.run(add)
            assert await database.read(count) == 2

    @within(20)
    async def test_there_are_never_more_threads_than_connections(self, place: Place) -> None:
        at_work, most, lock = 0, 0, threading.Lock()

        def work(connection: Connection) -> None:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
            time.sleep(0.005)
            count(connection)
            with lock:
                at_work -= 1

        async with open_database(attrs.evolve(place.settings, connections=2)) as database:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(database.read, work)
            assert most == 2
            assert place.connections() == 2

    @within(20)
    async def test_a_connection_that_is_taken_around_the_limiter_is_refused_at_once(self, place: Place) -> None:
        async with open_database(attrs.evolve(place.settings, connections=1)) as database:
            with pytest.raises(PoolTimeoutError):
                await database.read(lambda _: database.engine.connect())

    # -- time-outs

    @within(20)
    async def test_a_statement_that_takes_too_long_is_ended_and_undoes_its_transaction(
        self, hurried: Database, place: Place
    ) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            connection.execute(text(place.endless))

        started = time.monotonic()
        with pytest.raises(OperationalError, match=r"interrupt|timeout"):
            await hurried.run(work)
        assert HURRY * 0.9 <= time.monotonic() - started < 5
        assert await hurried.read(count) == 0

    @within(20)
    async def test_many_quick_statements_may_take_longer_than_one(self, hurried: Database) -> None:
        def work(connection: Connection) -> None:
            for _ in range(3):
                time.sleep(HURRY / 2)
                add(connection)

        await hurried.run(work)
        assert await hurried.read(count) == 3

    @within(20)
    async def test_a_lock_that_somebody_else_holds_is_waited_for_no_longer_than_half_of_that(
        self, hurried: Database, place: Place
    ) -> None:
        await hurried.run(add)
        started = time.monotonic()
        with place.locked(), pytest.raises(OperationalError, match="lock"):
            await hurried.run(lambda connection: connection.execute(orders.update().values(quantity=2)))
        assert HURRY * 0.4 <= time.monotonic() - started < 5
        assert (
            await hurried.run(lambda connection: connection.execute(orders.update().values(quantity=2)).rowcount) == 1
        )

    @within(20)
    async def test_who_reads_does_not_wait_for_who_writes(self, hurried: Database, place: Place) -> None:
        await hurried.run(add)
        with place.locked():
            assert await hurried.read(count) == 1

    # -- cancellation

    @within(20)
    async def test_a_cancelled_task_does_not_begin_its_next_statement(self, database: Database) -> None:
        held, made = Held(), connects(database.engine)

        def work(connection: Connection) -> None:
            add(connection)
            held.wait()
            add(connection)
            pytest.fail("the second statement was begun")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.run, work)
            await held.begun.wait()
            nursery.cancel_scope.cancel()
            held.go_on.set()
        assert idle(database)
        assert await database.read(count) == 0
        assert made == []  # the connection is as good as before

    @within(20)
    async def test_a_task_that_is_cancelled_during_the_last_statement_has_done_all_of_it(
        self, database: Database
    ) -> None:
        held, results = Held(), []

        def work(connection: Connection) -> str:
            add(connection)
            held.wait()
            return "done"

        async def run() -> None:
            results.append(await database.run(work))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await held.begun.wait()
            nursery.cancel_scope.cancel()
            held.go_on.set()
        assert results == ["done"]
        assert await database.read(count) == 1

    @within(20)
    async def test_a_task_that_is_cancelled_while_it_waits_for_a_thread_does_nothing(self, place: Place) -> None:
        held, ran = Held(), list[Connection]()
        settings = attrs.evolve(place.settings, connections=1)
        async with open_database(settings) as database, trio.open_nursery() as nursery:
            nursery.start_soon(database.read, lambda _: held.wait())
            await held.begun.wait()
            async with trio.open_nursery() as waiting:
                waiting.start_soon(database.run, ran.append)
                waiting.start_soon(database.read, ran.append)
                await wait_all_tasks_blocked(0.01)
                waiting.cancel_scope.cancel()
            held.go_on.set()
        assert ran == []

    @within(60)
    async def test_tasks_that_are_cancelled_anywhere_leave_nothing_half_done_and_no_connection_behind(
        self, database: Database, place: Place
    ) -> None:
        chance, done = random.Random(7), set()

        async def pair(customer: str) -> None:
            def work(connection: Connection) -> None:
                add(connection, customer)
                time.sleep(0.001)
                add(connection, customer)

            await database.run(work)
            done.add(customer)

        async def cancelled(customer: str) -> None:
            with trio.move_on_after(chance.uniform(0, 0.3)):
                await pair(customer)

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(pair, f"whole {number}")
                nursery.start_soon(cancelled, f"cancelled {number}")
        assert idle(database)
        by_customer = select(orders.c.customer, func.count()).group_by(orders.c.customer)
        kept = await database.read(lambda connection: connection.execute(by_customer).all())
        assert {row.customer: row[1] for row in kept} == dict.fromkeys(done, 2)
        assert {f"whole {number}" for number in range(50)} < done
        assert len(done) < 100, "nothing was cancelled: the test has shown nothing"
        assert place.connections() <= place.settings.connections

    # -- opening and closing

    @within(20)
    async def test_closing_leaves_no_connection(self, place: Place) -> None:
        async with open_database(place.settings) as database:
            await database.run(add)
            assert place.connections() == 1
        assert place.connections() == 0

    @within(20)
    async def test_closing_leaves_no_connection_when_the_block_fails(self, place: Place) -> None:
        with pytest.raises(LookupError):
            async with open_database(place.settings):
                raise LookupError
        assert place.connections() == 0

    @within(20)
    async def test_closing_leaves_no_connection_when_the_task_is_cancelled(self, place: Place) -> None:
        with trio.CancelScope() as scope:
            async with open_database(place.settings):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert place.connections() == 0

    @within(60)
    @pytest.mark.parametrize("seconds", [0, 0.002, 0.005, 0.01, 0.02, 0.04])
    async def test_opening_can_be_cancelled_anywhere_and_leaves_no_connection(
        self, place: Place, seconds: float
    ) -> None:
        with trio.move_on_after(seconds):
            async with open_database(place.settings):
                await trio.sleep_forever()
        assert place.connections() == 0

    @within(30)
    async def test_processes_that_start_together_create_the_tables_once(self, place: Place) -> None:
        async def start() -> None:
            async with open_database(place.settings) as database:
                await database.run(add)

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(start)
        async with open_database(place.settings) as database:
            assert await database.read(count) == 8

    @within(30)
    async def test_two_processes_that_read_and_then_write_do_not_lose_an_order_or_fail(self, place: Place) -> None:
        def work(connection: Connection) -> None:
            count(connection)
            time.sleep(0.001)
            add(connection)

        async with open_database(place.settings) as one, open_database(place.settings) as two:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(one.run, work)
                    nursery.start_soon(two.run, work)
            assert await one.read(count) == 40


class OrdersBehaviour:
    """The repository."""

    @pytest.fixture
    async def repository(self, place: Place) -> AsyncIterator[SqlOrders]:
        async with open_database(place.settings) as database:
            yield SqlOrders(database, MemoryTopics())
            assert idle(database)

    @within(20)
    async def test_a_new_order_is_open_and_found_by_its_id(self, repository: SqlOrders) -> None:
        order = await repository.create(NewOrder("tea", 2), "ann")
        assert order == Order(order.id, "ann", "tea", 2, Status.OPEN)
        assert await repository.get(order.id) == order

    @within(20)
    async def test_what_is_published_for_an_order_reaches_who_has_loaded_it(self, place: Place) -> None:
        topics = MemoryTopics()
        async with open_database(place.settings) as database, trio.open_nursery() as nursery:
            repository = SqlOrders(database, topics)
            order = await repository.create(NewOrder("tea"), "ann")
            other = await repository.create(NewOrder("rum"), "bob")
            update, got = OrderUpdate("paid", {}), []

            async def follow() -> None:
                async for received in order.events:
                    got.append(received)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(follow)
            await wait_all_tasks_blocked()
            await topics.topic(Order, other.id).publish(OrderUpdate("shipped", {}))
            await topics.topic(Order, order.id).publish(update)
            await trio.sleep_forever()
        assert got == [update]

    @within(20)
    async def test_many_are_found_at_once_and_those_missing_are_left_out(self, repository: SqlOrders) -> None:
        ann, bob = [await repository.create(NewOrder("tea"), who) for who in ("ann", "bob")]
        assert await repository.get_many([bob.id, 999, ann.id, bob.id]) == {ann.id: ann, bob.id: bob}
        assert await repository.get_many([]) == {}

    @within(30)
    async def test_more_ids_than_a_statement_can_hold_are_looked_up(self, repository: SqlOrders) -> None:
        order = await repository.create(NewOrder("tea"), "ann")
        found = await repository.get_many([*range(order.id, order.id + 70_000)])
        assert found == {order.id: order}

    @within(20)
    @pytest.mark.parametrize("id", [0, -1, 2**31, 2**63 - 1, 2**63, 10**30])
    async def test_a_number_that_no_order_can_have_is_not_found(self, repository: SqlOrders, id: int) -> None:
        assert await repository.get(id) is None
        assert await repository.set_status(id, Status.PAID) is None

    @within(20)
    async def test_the_newest_are_listed_first_up_to_a_limit(self, repository: SqlOrders) -> None:
        made = [await repository.create(NewOrder("tea"), who) for who in ("ann", "bob", "ann", "ann")]
        assert await repository.list() == made[::-1]
        assert await repository.list("ann", limit=2) == [made[3], made[2]]
        assert await repository.list("carol") == []

    @within(20)
    async def test_an_order_goes_through_its_states(self, repository: SqlOrders) -> None:
        order = await repository.create(NewOrder("tea"), "ann")
        for status in (Status.PAID, Status.SHIPPED):
            assert await repository.set_status(order.id, status) == attrs.evolve(order, status=status)
        assert (await repository.list())[0].status is Status.SHIPPED

    @within(20)
    async def test_a_shipped_order_cannot_be_cancelled(self, repository: SqlOrders) -> None:
        order = await repository.create(NewOrder("tea"), "ann")
        await repository.set_status(order.id, Status.PAID)
        await repository.set_status(order.id, Status.SHIPPED)
        with pytest.raises(StatusConflict, match=f"order {order.id} is shipped, so it cannot become cancelled"):
            await repository.set_status(order.id, Status.CANCELLED)
        assert (await repository.list())[0].status is Status.SHIPPED

    @within(20)
    async def test_of_many_who_change_the_state_at_once_one_succeeds(self, repository: SqlOrders) -> None:
        order = await repository.create(NewOrder("tea"), "ann")
        conflicts, changed = [], []

        async def change(status: Status) -> None:
            try:
                changed.append(await repository.set_status(order.id, status))
            except StatusConflict as conflict:
                conflicts.append(conflict.current)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(change, Status.CANCELLED)
        assert changed == [attrs.evolve(order, status=Status.CANCELLED)]
        assert conflicts == [Status.CANCELLED] * 9

    @within(20)
    async def test_text_of_any_kind_comes_back_as_it_was(self, repository: SqlOrders) -> None:
        item = "'; DROP TABLE orders; -- \r\n\u2028 ☕ %s :name"
        order = await repository.create(NewOrder(item), "Zoë")
        found = await repository.get(order.id)
        assert found is not None
        assert (found.item, found.customer) == (item, "Zoë")
