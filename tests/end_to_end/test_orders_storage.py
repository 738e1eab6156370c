"""examples/orders on SQLite in a file: threads, locks and time-outs, all of them real."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from examples.orders import database as database_module
from examples.orders.app import create_app
from examples.orders.database import Database, DatabaseSettings, open_database
from support.orders_storage import HURRY, OrdersBehaviour, Place, StorageBehaviour, add, count
from trio_sse.testing import TestClient

from .limits import within

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def place(path: Path) -> Place:
    """A file that is not there yet."""

    def connections() -> int:
        return sum(opened.path == str(path) for opened in psutil.Process().open_files())

    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    def in_transaction() -> bool:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
            busy, _, _ = other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()  # waits for readers and writers
            return bool(busy)

    return Place(DatabaseSettings(f"sqlite:///{path}"), ENDLESS, connections, in_transaction, locked)


class TestOrdersOnSQLite(OrdersBehaviour):
    pass


class TestStorageOnSQLite(StorageBehaviour):
    @within(20)
    async def test_reading_rows_that_never_end_is_ended(self, hurried: Database) -> None:
        endless = ENDLESS.replace("count(*)", "i")

        def work(connection: Connection) -> None:
            for _ in connection.execution_options(yield_per=1).execute(text(endless)):
                pass

        with pytest.raises(OperationalError, match="interrupt"):
            await hurried.read(work)

    @within(20)
    async def test_a_transaction_that_has_rested_for_long_can_still_be_committed(
        self, hurried: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            time.sleep(HURRY * 1.2)

        monkeypatch.setattr(database_module, "STEPS_BETWEEN_CHECKS", 1)  # so that the commit is checked as well
        hurried.engine.dispose()  # so that it is on the next connection
        await hurried.run(work)
        assert await hurried.read(count) == 1

    @within(20)
    async def test_a_hundred_writers_take_turns_without_waiting_in_threads(self, hurried: Database) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            time.sleep(0.003)

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(hurried.run, work)
        assert await hurried.read(count) == 100  # 0.3 s of work; the lock may be waited for for 0.1 s

    @within(20)
    async def test_closing_writes_all_into_the_one_file(self, place: Place, path: Path) -> None:
        async with open_database(place.settings) as database:
            await database.run(add)
            assert path.with_name("orders.db-wal").exists()
        assert [file.name for file in path.parent.iterdir()] == ["orders.db"]

    @within(20)
    async def test_a_close_that_hangs_is_given_up_and_told_of(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_module, "CLOSE_SECONDS", 0.05)
        go_on, closed = threading.Event(), threading.Event()

        def hang() -> None:
            assert go_on.wait(10)
            dispose()
            closed.set()

        manager = open_database(place.settings)
        dispose = (database := await manager.__aenter__()).engine.dispose
        monkeypatch.setattr(database.engine, "dispose", hang)
        with pytest.raises(trio.TooSlowError):
            await manager.__aexit__(None, None, None)
        go_on.set()
        assert await trio.to_thread.run_sync(closed.wait, 10)


# -- the app

ADA = {"authorization": "Bearer ada-token"}
CLERK = {"authorization": "Bearer clerk-token"}


@within(60)
async def test_two_hundred_requests_of_which_half_are_cancelled_anywhere_leave_nothing_behind(path: Path) -> None:
    """Threads run in real time, so the points are random; what must hold holds at each of them."""
    async with TestClient(create_app(DatabaseSettings(f"sqlite:///{path}"))) as client:
        [life] = client.state.values()
        [database] = [value for value in life.services.values() if isinstance(value, Database)]
        choose = random.Random(7)
        await client.post("/orders", {"item": "Assam"}, headers=ADA)
        asked: list[tuple[str, str, Any]] = [
            ("GET", "/orders", None),
            ("GET", "/orders/1", None),
            ("GET", "/orders/1/events", None),
            ("POST", "/orders", {"item": "Sencha"}),
        ]

        async def ask(method: str, path: str, value: Any, patience: float) -> None:
            with trio.move_on_after(patience):
                if path.endswith("events"):
                    async with client.stream(path, headers=ADA) as stream:
                        await stream.event()
                elif method == "POST":
                    assert (await client.post(path, value, headers=ADA)).status == 201
                else:
                    assert (await client.get(path, headers=ADA)).status == 200

        async with trio.open_nursery() as nursery:
            for number in range(200):
                patience = 30 if number % 2 else choose.uniform(0, 0.05)
                nursery.start_soon(ask, *choose.choice(asked), patience)
        assert database.threads.borrowed_tokens == 0
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert (await client.get("/orders", headers=CLERK)).status == 200
