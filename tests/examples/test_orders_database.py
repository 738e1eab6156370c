"""examples/orders on SQLite in a file, and the values that it keeps there."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
import trio
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from end_to_end.limits import within
from examples.orders import database as database_module
from examples.orders.database import Database, DatabaseSettings, UnusableURL, open_database
from examples.orders.domain import NewOrder, Status
from support.orders_storage import HURRY, OrdersBehaviour, Place, StorageBehaviour, add, count

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

        monkeypatch.setattr(database_module, "STEPS_BETWEEN_LOOKS", 1)  # the commit, too, is looked at
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


@within(20)
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "in a file"),
        ("sqlite:///:memory:", "in a file"),
        ("sqlite:///file:orders?mode=memory&uri=true", "in a file"),
        ("mysql://localhost/orders", "not in mysql:"),
        ("postgresql+psycopg2://localhost/orders", r"not in postgresql\+psycopg2:"),
    ],
)
async def test_a_database_that_cannot_be_used_is_refused_and_says_what_can(url: str, told: str) -> None:
    with pytest.raises(UnusableURL, match=told):
        async with open_database(DatabaseSettings(url)):
            pytest.fail("it was opened")


@within(20)
async def test_a_file_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="unable to open"):
        async with open_database(DatabaseSettings(f"sqlite:///{tmp_path}/nowhere/orders.db")):
            pytest.fail("it was opened")


def test_settings_that_mean_no_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="statement_seconds"):
        DatabaseSettings(statement_seconds=0)
    with pytest.raises(ValueError, match="connections"):
        DatabaseSettings(connections=0)


def test_settings_do_not_show_a_password() -> None:
    assert "secret" not in repr(DatabaseSettings("postgresql://ann:secret@localhost/orders"))


@pytest.mark.parametrize(
    ("item", "quantity", "told"),
    [
        ("", 1, "item"),
        ("x" * 201, 1, "item"),
        ("tea\0", 1, "item must not contain the character NUL"),
        ("tea", 0, "quantity"),
        ("tea", 1001, "quantity"),
    ],
)
def test_a_new_order_is_checked(item: str, quantity: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NewOrder(item, quantity)


@pytest.mark.parametrize("status", Status)
def test_no_state_follows_itself_or_a_final_one(status: Status) -> None:
    assert not status.may_follow & {status, Status.SHIPPED, Status.CANCELLED}
