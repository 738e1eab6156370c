"""The tables of the orders, and access to them: a function that runs in a worker thread, inside one transaction.

A thread cannot be cancelled, so Trio waits for it. Three things keep the wait short:

- Nothing in it waits without a limit. A connection is available (there are as many as threads), a connect, a lock and a
  statement each have a time-out, and since the server itself may hang, the client has a time-out as well.
- A transaction begins and ends in one call in one thread. There is no await in it, so whatever happens to the task,
  the transaction is committed or rolled back and the connection is back in the pool when the task goes on.
- A cancelled task's function is stopped before its next statement, so the task waits for one statement at most.

Owns the engine and all that differs between SQLite and PostgreSQL. It does not know orders beyond their columns.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from selectors import DefaultSelector
from typing import Any, TypeVar
from weakref import WeakSet

import attrs
import psycopg
import trio
from attrs import validators
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait
from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    make_url,
    select,
)

__all__ = ("Database", "DatabaseSettings", "UnusableURL", "metadata", "open_database", "orders")

T = TypeVar("T")

CLOSE_SECONDS = 5.0
"""The time limit for closing, also in a cancelled task. It is local work, without a round trip to the server."""

PATIENCE_SECONDS = 1.0
"""How much longer than the server's time-out the client waits: the server's error says more than ours."""

STEPS_BETWEEN_CHECKS = 1_000
"""Steps of SQLite's virtual machine between two checks of the deadline; a thousand take less than a millisecond."""

CREATING_TABLES = 6_720_514
"""The number of an advisory lock of PostgreSQL, for the processes that create these tables."""

metadata = MetaData()
orders = Table(
    "orders",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),  # SQLite numbers INTEGER keys only
    Column("customer", Text, nullable=False, index=True),
    Column("item", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("status", Text, nullable=False),
)


class UnusableURL(ValueError):
    """The URL of a database that this example does not support; the message names those that it does."""


@attrs.frozen
class DatabaseSettings:
    """The database of the orders, and its time-outs.

    Attributes:
        url: `sqlite:///path` (a file; `sqlite:////path` from the root), or `postgresql://user@host/database` with
            parameters of libpq as its query; a time-out there takes precedence over ours.
        statement_seconds: The time limit of a statement. It may wait for a lock for half of that.
        connections: The most connections, and so the most threads.
    """

    url: str = attrs.field(default="sqlite:///orders.db", repr=False)  # it may contain a password
    statement_seconds: float = attrs.field(default=5.0, validator=validators.gt(0))
    connections: int = attrs.field(default=4, validator=validators.ge(1))

    @property
    def lock_seconds(self) -> float:
        """The time limit for a statement's wait for a lock."""
        return self.statement_seconds / 2


@attrs.frozen(eq=False)
class Database:
    """An open database; it may be used by any number of tasks at once.

    Attributes:
        engine: SQLAlchemy's engine. Use it in `run` and `read` only: elsewhere it would block the whole program.
        threads: One token for each connection, so that a thread never waits for a connection: its task does, and
            can be cancelled.
        writers: The number of tasks that may write at the same time.
    """

    engine: Engine
    threads: trio.CapacityLimiter
    writers: trio.CapacityLimiter

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a transaction: committed when it returns, rolled back when it raises.

        If the task is cancelled before the function starts, nothing happens. After that either the whole transaction
        happens, or none of it and the task gets an exception: `trio.Cancelled`, or the error of the function. (If the
        connection is lost during the commit itself, it is unknown whether the commit has happened.)

        Args:
            work: Gets the connection, in a worker thread. It must return values, not a result that is yet to be read:
                the connection is back in the pool by then.

        Raises:
            sqlalchemy.exc.OperationalError: A time-out, or no database.
        """
        async with self.writers:
            return await self._in_thread(work, read_only=False)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a function in a read-only transaction, which the database enforces; otherwise like `run`.

        It does not wait for writers, on SQLite either.
        """
        return await self._in_thread(work, read_only=True)

    async def _in_thread(self, work: Callable[[Connection], T], *, read_only: bool) -> T:
        return await trio.to_thread.run_sync(_in_transaction, self.engine, work, read_only, limiter=self.threads)


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Create the tables that are missing, and close all connections when the block ends.

    Everything that uses the database must have ended by then; use a nursery inside the block.

    Raises:
        UnusableURL: This example does not support the database.
        sqlalchemy.exc.OperationalError: A time-out, or no database.
        trio.TooSlowError: The connections could not be closed in `CLOSE_SECONDS`.
    """
    engine = _engine(settings)  # does not connect yet
    writers = 1 if engine.dialect.name == "sqlite" else settings.connections
    database = Database(engine, trio.CapacityLimiter(settings.connections), trio.CapacityLimiter(writers))
    try:
        await database.run(_create_tables)
        yield database
    finally:
        with trio.fail_after(CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(engine.dispose, abandon_on_cancel=True)  # otherwise the limit has no effect


# -- in the thread


def _in_transaction(engine: Engine, work: Callable[[Connection], T], read_only: bool) -> T:
    with engine.connect() as connection:
        connection.execution_options(postgresql_readonly=read_only)  # _begin_sqlite reads it too
        with connection.begin():
            return work(connection)


def _create_tables(connection: Connection) -> None:
    """Create what is missing. Processes that start together need a lock: "if not exists" does not take one."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(CREATING_TABLES)))
    metadata.create_all(connection)


def _stop_if_cancelled(*_: object) -> None:
    trio.from_thread.check_cancelled()


# -- engines


def _engine(settings: DatabaseSettings) -> Engine:
    url = make_url(settings.url)
    if url.drivername not in ENGINES:
        raise UnusableURL(
            f"orders are kept in sqlite:///path or postgresql://user@host/database, not in {url.drivername}:"
        )
    engine = ENGINES[url.drivername](url, settings)
    # Not `before_cursor_execute`, where SQLAlchemy takes any BaseException for the end of the connection.
    event.listen(engine, "before_execute", _stop_if_cancelled)
    return engine


def _sqlite(url: URL, settings: DatabaseSettings) -> Engine:
    if url.database in {None, "", ":memory:"} or url.query:
        raise UnusableURL(
            "orders are kept in a file, whose URL is sqlite:///path and no more; in memory, each connection would have "
            "a separate database"
        )
    engine = create_engine(url, connect_args={"timeout": settings.lock_seconds}, **_pool(settings))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)

    @event.listens_for(engine, "before_cursor_execute")
    def begin_statement(connection: Connection, cursor: Any, *_: object) -> None:
        connection.info[Statements].begin(cursor, settings.statement_seconds)

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def end_statements(connection: Connection) -> None:
        connection.info[Statements].end()

    return engine


class Statements:
    """The statements of the transaction on one connection of SQLite: their deadline, and their end.

    SQLite calls `late` after a number of steps, in the thread that runs the statement. The time of a statement runs
    until the next one begins, since rows are read in between. A result that is not read to its end would keep its
    snapshot beyond the transaction, for as long as anything refers to it, such as a traceback; the connection could not
    write any more then.
    """

    def __init__(self) -> None:
        self._deadline = math.inf
        self._cursors: WeakSet[Any] = WeakSet()

    def begin(self, cursor: Any, seconds: float) -> None:
        """Start the time of a statement."""
        self._deadline = time.monotonic() + seconds
        self._cursors.add(cursor)

    def end(self) -> None:
        """Close all results. The commit or rollback that follows has no deadline."""
        self._deadline = math.inf
        for cursor in tuple(self._cursors):
            cursor.close()
        self._cursors.clear()

    def late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._deadline


def _prepare_sqlite(connection: Any, record: Any) -> None:
    statements = record.info[Statements] = Statements()
    connection.set_progress_handler(statements.late, STEPS_BETWEEN_CHECKS)
    with suppress(sqlite3.OperationalError):  # locked: another process is doing the same, and the file stores the mode
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction explicitly: Python's sqlite3 begins one only before a statement that writes.

    A transaction that may write takes the write lock at once: a reader that wants it later is refused if there was
    another write in between.
    """
    read_only = connection.get_execution_options()["postgresql_readonly"]
    connection.exec_driver_sql(f"PRAGMA query_only = {read_only:d}")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgresql(url: URL, settings: DatabaseSettings) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=_libpq(url, settings),
        pool_pre_ping=True,  # the server may have been restarted
        **_pool(settings),
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(**parameters)
        connection.seconds = settings.statement_seconds + PATIENCE_SECONDS
        return connection

    return engine


def _libpq(url: URL, settings: DatabaseSettings) -> dict[str, Any]:
    """The time-outs, except those that the URL has."""
    statement = max(1, math.ceil(settings.statement_seconds * 1_000))  # 0 would mean no limit
    server = {
        "statement_timeout": statement,
        "lock_timeout": max(1, math.ceil(settings.lock_seconds * 1_000)),
        "idle_in_transaction_session_timeout": statement,  # if this process is stopped while it holds locks
    }
    ours = {
        "connect_timeout": max(2, math.ceil(settings.statement_seconds)),  # the least that libpq accepts
        "tcp_user_timeout": statement,  # if the network is down, what was sent is not acknowledged
        "keepalives_idle": max(1, math.ceil(settings.statement_seconds)),
    }
    options = [f"-c {name}={value}" for name, value in server.items()]
    theirs = url.normalized_query.get("options", ())
    return {name: value for name, value in ours.items() if name not in url.query} | {
        "options": " ".join([*options, *theirs])
    }


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time.

    A working server ends a statement that takes too long. A server that hangs does not, while its operating system
    still acknowledges all that is sent, so that no time-out of TCP expires.

    Attributes:
        seconds: The time limit for one answer. After that the connection is closed, so that the pool replaces it.
    """

    seconds = 10.0

    def wait(self, gen: PQGen[T], *_: Any, **__: Any) -> T:
        """Wait for an answer: all waits of psycopg on an open connection are done here.

        psycopg's version polls so that Ctrl-C can interrupt it, which never happens in a worker thread.
        """
        deadline = time.monotonic() + self.seconds
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self._ready(wanted, deadline))
        except StopIteration as end:
            answer: T = end.value
            return answer

    def _ready(self, wanted: Wait, deadline: float) -> Ready:
        """Wait until the socket can be read or written, as wanted."""
        with DefaultSelector() as selector:
            selector.register(self.pgconn.socket, wanted)
            found = selector.select(deadline - time.monotonic())
        if not found:
            self.close()
            raise psycopg.OperationalError(f"the server has not answered for {self.seconds:g} s")
        [(_, events)] = found
        return Ready(events)


def _pool(settings: DatabaseSettings) -> dict[str, Any]:
    """As many connections as threads, so nobody ever waits for one: whoever would has come around the limiter."""
    return {"pool_size": settings.connections, "max_overflow": 0, "pool_timeout": 0}


ENGINES = {
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "postgresql": _postgresql,
    "postgresql+psycopg": _postgresql,
}
