"""A PostgreSQL server of the tests' own, in a directory that is gone afterwards.

Owns its start, its end and its crash. It listens on a socket in that directory and on no port, so nothing that runs on
the machine, another server least of all, is in its way or can come to it.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg import sql

from .requirements import needs

__all__ = ("PostgresServer", "postgres_server", "running_postgres")

DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 30.0
STOP_SECONDS = 10.0

SETTINGS = {
    "listen_addresses": "",  # no TCP
    "fsync": "off",  # nothing in it is to survive the machine
    "shared_buffers": "16MB",
    "max_connections": "100",
}


@attrs.define(eq=False)
class PostgresServer:
    """A running server, whose superuser `orders` needs no password.

    Attributes:
        folder: Where its files and its socket are.
        programs: Where `postgres` and `initdb` are.
        user: As whom it runs: PostgreSQL refuses to run as root. None if the tests do not either.
    """

    folder: Path
    programs: Path
    user: str | None
    _process: subprocess.Popen[Any] | None = attrs.field(default=None, init=False)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count, init=False)

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, as people write it: without the name of a driver."""
        return f"postgresql://orders@/{database}?host={self.folder}"

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a query gives, on a connection of its own."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database while the block lasts; its name."""
        name = f"test_{next(self._numbers)}"
        self._change("CREATE DATABASE {}", name)
        yield name
        self._change("DROP DATABASE {} WITH (FORCE)", name)

    def initialise(self) -> None:
        """Make the directory of an empty server."""
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        command = [self._program("initdb"), "--username=orders", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            [*command, "--no-sync", f"--pgdata={self._data}"], **self._as_user(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in SETTINGS.items())
        command = [self._program("postgres"), "-D", str(self._data), "-k", str(self.folder), *options]
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                command, **self._as_user(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert process.poll() is None, f"the server has ended:\n{self._log.read_text()}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self._log.read_text()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut it down in order, without waiting for its clients."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Let it go down at once: no client is told, nothing is written; what `pg_ctl stop -m immediate` does."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # of our own session: the server and what it has started
            process.wait()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _change(self, command: str, name: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(sql.Identifier(name)))  # pyright: ignore[reportArgumentType]

    def _program(self, name: str) -> str:
        return str(self.programs / name)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _as_user(self) -> dict[str, Any]:
        """For subprocess: run as that user, in a directory that the user may be in."""
        if self.user is None:
            return {"cwd": self.folder}
        entry = pwd.getpwnam(self.user)
        return {"cwd": self.folder, "user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server while the block lasts.

    Its directory is not one of pytest's, which only the user who runs the tests may enter, and whose path may be too
    long for a socket.
    """
    programs = Path(needs("postgres", *debian_folders())).resolve().parent
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder), programs, unprivileged())
        server.initialise()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def debian_folders() -> Sequence[Path]:
    """Where Debian's packages put the server, the newest first: it is on no PATH."""
    versions = (path for path in DEBIAN.glob("*/bin") if path.parent.name.isdecimal())
    return sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


def unprivileged() -> str | None:
    """Who can run the server in place of root; None where nobody has to."""
    if os.geteuid() != 0:
        return None
    there = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in there)


@pytest.fixture(scope="session", name="postgres")
def postgres_server() -> Iterator[PostgresServer]:
    """The server, one for all tests of a run: starting one takes a second or two."""
    with running_postgres() as server:
        yield server
