"""examples/orders on a real PostgreSQL server: all that it does on SQLite, and what only a server can do to it."""

from __future__ import annotations

import math
import os
import random
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import psycopg
import pytest
import trio
from psutil import Process
from sqlalchemy import Connection, text
from sqlalchemy.exc import InternalError, OperationalError

from examples.orders import database as database_module
from examples.orders.database import Database, DatabaseSettings, open_database
from support.orders_storage import HURRY, OrdersBehaviour, Place, StorageBehaviour, add, at_last, count, hurried, idle

from .limits import within
from .postgres import PostgresServer

ENDLESS = "SELECT pg_sleep(60)"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"


@pytest.fixture
def name(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database for this test."""
    with postgres.database() as made:
        yield made


@pytest.fixture
def place(postgres: PostgresServer, name: str) -> Place:
    """An empty database."""

    @contextmanager
    def locked() -> Iterator[None]:
        with psycopg.connect(postgres.url(name)) as other:
            other.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
            yield

    def connections() -> int:
        return len(sockets_to(postgres))

    def in_transaction() -> bool:
        [(open_now,)] = postgres.ask(f"{SESSIONS} AND xact_start IS NOT NULL", name)
        return bool(open_now)

    return Place(DatabaseSettings(postgres.url(name)), ENDLESS, connections, in_transaction, locked)


def sockets_to(postgres: PostgresServer) -> list[int]:
    """This process's descriptors that lead to the server."""
    ours = (socket.fromfd(each.fd, socket.AF_UNIX, socket.SOCK_STREAM) for each in Process().net_connections("unix"))
    return [each.fileno() for each in ours if peer(each).startswith(str(postgres.folder))]


def peer(one: socket.socket) -> str:
    """The other end of a socket, which is closed."""
    with one:
        try:
            return str(one.getpeername())
        except OSError:  # it is not connected
            return ""


def backend(connection: Connection) -> int:
    """The process of the server behind a connection."""
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


async def fill(database: Database) -> None:
    """Have all connections made."""
    async with trio.open_nursery() as nursery:
        for _ in range(int(database.threads.total_tokens)):
            nursery.start_soon(database.read, lambda connection: connection.execute(text("SELECT pg_sleep(0.05)")))


class TestOrdersOnPostgreSQL(OrdersBehaviour):
    pass


class TestStorageOnPostgreSQL(StorageBehaviour):
    @within(20)
    async def test_the_server_is_told_of_every_time_out(self, hurried: Database) -> None:
        def settings(connection: Connection) -> dict[str, str]:
            query = text("SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout'")
            return {row.name: row.setting for row in connection.execute(query)}

        told = await hurried.read(settings)
        assert told["statement_timeout"] == told["idle_in_transaction_session_timeout"] == "200"
        assert told["lock_timeout"] == "100"

    @within(20)
    async def test_what_the_url_says_goes_before(self, place: Place) -> None:
        settings = attrs.evolve(
            place.settings, url=place.settings.url + "&options=-c%20lock_timeout%3D17&application_name=shop"
        )
        async with open_database(settings) as database:
            query = text("SELECT current_setting('lock_timeout'), current_setting('application_name')")
            assert await database.read(lambda connection: tuple(connection.execute(query).one())) == ("17ms", "shop")

    @within(20)
    async def test_tasks_that_are_cancelled_in_the_middle_of_a_statement_leave_no_transaction_open(
        self, database: Database, place: Place
    ) -> None:
        chance, ends = random.Random(11), Counter[str]()

        async def run(limit: float) -> None:
            def work(connection: Connection) -> None:
                for _ in range(3):
                    add(connection)
                    connection.execute(text("SELECT pg_sleep(0.003)"))

            with trio.move_on_after(limit) as scope:
                await database.run(work)
                ends["done"] += 1
            ends["cancelled"] += scope.cancelled_caught

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(run, math.inf)
                nursery.start_soon(run, chance.uniform(0, 0.5))
        assert ends.total() == 100
        assert ends["cancelled"] > 5
        assert idle(database)
        assert not place.in_transaction()
        assert await database.read(count) == 3 * ends["done"]
        assert place.connections() <= place.settings.connections

    # -- the server fails

    @within(30)
    async def test_after_a_crash_and_a_restart_of_the_server_the_next_request_works(
        self, database: Database, place: Place, postgres: PostgresServer
    ) -> None:
        await database.run(add)
        await fill(database)
        assert place.connections() == 4
        postgres.crash()
        try:
            with pytest.raises(OperationalError):
                await database.read(count)
        finally:
            postgres.start()
        assert await database.read(count) == 1
        await fill(database)
        assert place.connections() == 4

    @within(30)
    async def test_a_restart_that_nobody_has_noticed_costs_no_request(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        await fill(database)
        postgres.crash()
        postgres.start()
        for _ in range(4):
            await database.run(add)
        assert await database.read(count) == 4

    @within(30)
    async def test_a_crash_in_the_middle_of_a_transaction_is_an_error_and_undoes_it(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            postgres.crash()
            try:
                connection.execute(text("SELECT 1"))
            finally:
                postgres.start()

        with pytest.raises(OperationalError):
            await database.run(work)
        assert idle(database)
        assert await database.read(count) == 0

    @within(30)
    async def test_a_server_that_stops_answering_is_given_up(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_module, "PATIENCE_SECONDS", 0.1)

        def work(connection: Connection) -> None:
            add(connection)
            stopped.append(backend(connection))
            os.kill(stopped[0], signal.SIGSTOP)
            with at_last(lambda: os.kill(stopped[0], signal.SIGCONT)):
                count(connection)

        stopped: list[int] = []
        async with hurried(place) as database:
            started = time.monotonic()
            try:
                with pytest.raises(OperationalError, match=r"has not answered for 0\.3 s"):
                    await database.run(work)
                assert HURRY < time.monotonic() - started < 5
                assert idle(database)
                assert place.connections() == 0
                assert await database.read(count) == 0
            finally:
                with suppress(ProcessLookupError):
                    os.kill(stopped[0], signal.SIGCONT)

    @within(30)
    async def test_a_session_that_the_server_ends_is_an_error_once(
        self, database: Database, postgres: PostgresServer
    ) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            assert postgres.ask("SELECT pg_terminate_backend(%s, 5000)", backend(connection)) == [(True,)]
            count(connection)

        with pytest.raises(OperationalError, match="terminating connection"):
            await database.run(work)
        assert await database.read(count) == 0

    @within(20)
    async def test_a_transaction_in_which_nothing_happens_is_ended_by_the_server(self, hurried: Database) -> None:
        def work(connection: Connection) -> None:
            add(connection)
            time.sleep(HURRY * 1.5)
            count(connection)

        with pytest.raises((InternalError, OperationalError), match="idle-in-transaction"):
            await hurried.run(work)
        assert await hurried.read(count) == 0

    # -- there is no server

    @within(20)
    async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(self) -> None:
        def turn_away() -> None:
            mute.accept()[0].close()

        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as mute:
            mute.bind(f"{folder}/.s.PGSQL.5432")
            mute.listen()
            settings = DatabaseSettings(f"postgresql://orders@/orders?host={folder}", statement_seconds=HURRY)
            with at_last(turn_away), pytest.raises(OperationalError, match="timeout"):
                async with open_database(settings):
                    pytest.fail("it was opened")

    @within(20)
    async def test_a_server_that_is_not_there_is_an_error_at_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(OperationalError, match="No such file"):
            async with open_database(DatabaseSettings(f"postgresql://orders@/orders?host={tmp_path}")):
                pytest.fail("it was opened")
