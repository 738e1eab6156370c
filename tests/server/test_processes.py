"""Several processes: when workers are replaced, how they end, and their command line."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse._server import make_config
from trio_sse._server.errors import ListenError, SetupError
from trio_sse._server.processes.command import bind_arguments, worker_command
from trio_sse._server.processes.master import supervise
from trio_sse._server.processes.pool import WorkerPool, next_delay
from trio_sse._server.processes.reloader import Reloader, watch
from trio_sse._server.processes.worker_exit import WorkerExit
from trio_sse.cli import main
from trio_sse.cli.parser import make_parser

SECONDS = 60.0


class FakeWorker:
    """A worker that does what a test tells it to.

    Attributes:
        asked: What the pool has told it to do, with the time.
    """

    def __init__(self, pid: int, *, heeds: Collection[str] = ("drain", "cancel", "kill")) -> None:
        self.pid = pid
        self.ready = trio.Event()
        self.asked: list[tuple[float, str]] = []
        self._heeds = heeds
        self._status = 0
        self._ended = trio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._status

    def end(self, status: int) -> None:
        self._status = status
        self._ended.set()

    def drain(self) -> None:
        self._ask("drain", 0)

    def cancel(self) -> None:
        self._ask("cancel", 0)

    def kill(self) -> None:
        self._ask("kill", -signal.SIGKILL)

    def _ask(self, what: str, status: int) -> None:
        self.asked.append((trio.current_time(), what))
        if what in self._heeds and not self._ended.is_set():
            self.end(status)


class WorkerFactory:
    """Starts fake workers, and records when."""

    def __init__(self, **options: Any) -> None:
        self.workers: list[FakeWorker] = []
        self.times: list[float] = []
        self.failure: OSError | None = None
        self.seconds = 0.0
        self._started = trio.Condition()
        self._options = options

    async def start(self) -> FakeWorker:
        self.times.append(trio.current_time())
        await trio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        worker = FakeWorker(len(self.workers) + 1, **self._options)
        self.workers.append(worker)
        async with self._started:
            self._started.notify_all()
        return worker

    async def started(self, number: int) -> None:
        """Wait until this number of workers has been started."""
        async with self._started:
            while len(self.workers) < number:
                await self._started.wait()

    def pool(self, size: int = 1) -> WorkerPool:
        return WorkerPool(size, self.start, SECONDS)

    async def ready(self, number: int) -> FakeWorker:
        """Make a worker ready."""
        await wait_all_tasks_blocked()
        worker = self.workers[number - 1]
        worker.ready.set()
        await wait_all_tasks_blocked()
        return worker


class Running:
    """A pool, or a reloader, that runs in a nursery."""

    def __init__(self, pool: WorkerPool | Reloader, nursery: trio.Nursery) -> None:
        self.status: int | None = None
        self.pool = pool
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        self.status = await self.pool.run()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "trio_sse.server"]


# -- a pool


async def test_the_others_are_started_when_the_first_is_ready(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(3), nursery)
        await wait_all_tasks_blocked()
        assert len(factory.workers) == 1
        await factory.ready(1)
        assert len(factory.workers) == 3
        running.pool.drain()
    assert running.status == 0
    assert [[what for _, what in worker.asked] for worker in factory.workers] == [["drain"]] * 3


async def test_a_worker_that_dies_is_replaced_and_the_others_go_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(2), nursery)
        first = await factory.ready(1)
        second = await factory.ready(2)
        first.end(-signal.SIGKILL)
        await trio.sleep(0.2)
        assert len(factory.workers) == 3
        assert second.asked == []
        assert lines(caplog) == ["worker 1 was killed by SIGKILL; starting another in 0.1 s"]
        running.pool.drain()
    assert running.status == 0, "what came before is over"


def test_the_delay_doubles_up_to_its_limit_and_starts_again_after_a_steady_life() -> None:
    delays = [0.0]
    for _ in range(9):
        delays.append(next_delay(delays[-1], 1))
    assert delays[1:] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert next_delay(10, 9.9) == 10
    assert next_delay(10, 10) == 0.1


async def test_a_worker_that_keeps_dying_is_started_less_and_less_often(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        first = await factory.ready(1)
        await trio.sleep(100)
        first.end(1)
        for number in range(2, 7):
            await factory.started(number)
            factory.workers[-1].end(1)  # before it was ready, which matters only at its first start
        await wait_all_tasks_blocked()
        running.pool.drain()
    delays = [later - earlier for earlier, later in zip(factory.times[1:], factory.times[2:], strict=False)]
    assert [round(delay, 1) for delay in delays] == [0.2, 0.4, 0.8, 1.6]


async def test_a_worker_that_ends_in_order_is_replaced_soon_each_time(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        for number in range(1, 6):
            await factory.started(number)
            (await factory.ready(number)).end(0)
        await factory.started(6)
        running.pool.drain()
    assert lines(caplog) == [f"worker {number} has ended; starting another in 0.1 s" for number in range(1, 6)]


async def test_a_delay_ends_when_the_pool_is_to_end(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        (await factory.ready(1)).end(1)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        running.pool.drain()
    assert (running.status, trio.current_time(), len(factory.workers)) == (0, began, 1)


@pytest.mark.parametrize(("status", "code"), [(1, 1), (3, 3), (0, 1), (-signal.SIGSEGV, 139)])
async def test_a_worker_that_cannot_start_ends_all(
    status: int, code: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(4), nursery)
        await wait_all_tasks_blocked()
        factory.workers[0].end(status)
    assert running.status == code
    assert len(factory.workers) == 1
    [line] = lines(caplog)
    assert line.startswith("worker 1 ")
    assert line.endswith(" before it was ready")


async def test_so_does_a_later_one_that_cannot(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(2), nursery)
        first = await factory.ready(1)
        factory.workers[1].end(3)
    assert running.status == 3
    assert [what for _, what in first.asked] == ["drain"]


async def test_sigterm_before_a_worker_is_ready_is_no_mistake_of_its_app(autojump_clock: MockClock) -> None:
    """A service manager signals all processes of a group, and the master may get its signal last."""
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(2), nursery)
        await wait_all_tasks_blocked()
        factory.workers[0].end(-signal.SIGTERM)
        await trio.sleep(0.2)
        assert len(factory.workers) == 2
        running.pool.drain()
        factory.workers[1].end(-signal.SIGTERM)
    assert running.status == 0


async def test_no_process_for_the_first_worker(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    factory = WorkerFactory()
    factory.failure = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    assert await factory.pool(2).run() == 1
    assert lines(caplog) == ["no worker can be started (Resource temporarily unavailable)"]


async def test_no_process_for_a_later_worker(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        first = await factory.ready(1)
        factory.failure = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        first.end(1)
        await trio.sleep(1)
        factory.failure = None
        await trio.sleep(1)
        assert len(factory.workers) == 2
        running.pool.drain()
    assert running.status == 0


# -- the end of a pool


async def test_a_worker_that_does_not_end_is_killed_and_that_is_said(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    factory = WorkerFactory(heeds=["kill"])
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        worker = await factory.ready(1)
        running.pool.drain()
    assert worker.asked == [(0, "drain"), (SECONDS, "kill")]
    assert lines(caplog) == ["worker 1 has not ended after 60.0 s: killing it"]
    assert running.status == 128 + signal.SIGKILL


@pytest.mark.parametrize(("heeds", "killed"), [(["cancel"], False), (["kill"], True)])
async def test_a_pool_is_cancelled(heeds: list[str], killed: bool, autojump_clock: MockClock) -> None:
    factory = WorkerFactory(heeds=heeds)
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        worker = await factory.ready(1)
        running.pool.drain()
        await trio.sleep(3)
        running.pool.cancel()
        running.pool.cancel()
    assert worker.asked == [(0, "drain"), (3, "cancel"), (13, "kill")][: 3 if killed else 2]
    assert running.status == (137 if killed else 0)


async def test_cancelling_a_worker_does_not_prolong_its_time(autojump_clock: MockClock) -> None:
    factory = WorkerFactory(heeds=["kill"])
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        worker = await factory.ready(1)
        running.pool.drain()
        await trio.sleep(SECONDS - 1)
        running.pool.cancel()
    assert worker.asked[-1] == (SECONDS, "kill")


async def test_a_worker_that_is_started_while_the_pool_ends_is_drained_as_well(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    factory.seconds = 2
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(), nursery)
        await trio.sleep(1)
        assert factory.times == [0]
        running.pool.drain()
    assert factory.workers[0].asked == [(2, "drain")]


async def test_the_first_status_other_than_0_is_the_one_that_counts(autojump_clock: MockClock) -> None:
    factory = WorkerFactory(heeds=[])
    async with trio.open_nursery() as nursery:
        running = Running(factory.pool(3), nursery)
        await factory.ready(1)
        running.pool.drain()
        for worker, status in zip(factory.workers, (0, 7, -signal.SIGABRT), strict=True):
            worker.end(status)
            await wait_all_tasks_blocked()
    assert running.status == 7


@pytest.mark.parametrize(
    ("status", "was_ready", "text", "code"),
    [
        (0, True, "worker 5 has ended", 0),
        (2, True, "worker 5 has ended with status 2", 2),
        (2, False, "worker 5 has ended with status 2 before it was ready", 2),
        (-9, True, "worker 5 was killed by SIGKILL", 137),
        (-15, True, "worker 5 was killed by SIGTERM", 143),
        (-15, False, "worker 5 was killed by SIGTERM before it was ready", 0),
        (-99, True, "worker 5 was killed by signal 99", 227),
    ],
)
def test_an_end_in_words_and_as_an_exit_status(status: int, was_ready: bool, text: str, code: int) -> None:
    end = WorkerExit.of(5, status, was_ready=was_ready)
    assert (end.text, end.code) == (text, code)


# -- reloading


class Source:
    """A source that changes when a test says so; what is watched."""

    def __init__(self) -> None:
        self.change, self._changes = trio.open_memory_channel[set[tuple[object, str]]](10)

    def __call__(self, stop_event: trio.Event) -> AsyncGenerator[Collection[tuple[object, str]]]:
        return self._watch(stop_event)

    async def _watch(self, stop_event: trio.Event) -> AsyncGenerator[Collection[tuple[object, str]]]:
        """As watchfiles does: it looks at the event at intervals."""
        while not stop_event.is_set():
            try:
                yield self._changes.receive_nowait()
            except trio.WouldBlock:
                await trio.sleep(0.05)

    def changes(self, *paths: str | Path) -> None:
        self.change.send_nowait({(1, str(path)) for path in paths})


async def test_a_change_replaces_the_pool(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    factory, source = WorkerFactory(heeds=["cancel"]), Source()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(lambda: factory.pool(2), source), nursery)
        await factory.ready(1)
        await factory.ready(2)
        source.changes(Path.cwd() / "shop/main.py", "/elsewhere/other.py")
        await trio.sleep(2)
        old, other, new = factory.workers
        assert [what for _, what in old.asked] == [what for _, what in other.asked] == ["drain", "cancel"]
        assert old.asked[1][0] - old.asked[0][0] == pytest.approx(0.5)
        assert new.asked == []
        running.pool.cancel()
    assert running.status == 0
    assert lines(caplog) == ["reloading: /elsewhere/other.py, shop/main.py"]


async def test_a_change_while_the_pool_starts_counts_too(autojump_clock: MockClock) -> None:
    factory, source = WorkerFactory(), Source()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(factory.pool, source), nursery)
        await wait_all_tasks_blocked()
        source.changes("/main.py")
        await trio.sleep(2)
        assert len(factory.workers) == 2
        source.changes("/main.py")
        source.changes("/main.py")
        await trio.sleep(3)
        assert len(factory.workers) == 4
        running.pool.drain()
    assert running.status == 0


async def test_a_first_pool_that_cannot_start_is_the_end(autojump_clock: MockClock) -> None:
    factory = WorkerFactory()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(factory.pool, Source()), nursery)
        await wait_all_tasks_blocked()
        factory.workers[0].end(1)
    assert running.status == 1


async def test_after_a_mistake_the_next_change_is_waited_for(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    factory, source = WorkerFactory(), Source()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(factory.pool, source), nursery)
        await factory.ready(1)
        for number in (2, 3):
            source.changes("/main.py")
            await trio.sleep(2)
            factory.workers[number - 1].end(1)
            await trio.sleep(5)
            assert lines(caplog)[-2:] == [
                f"worker {number} has ended with status 1 before it was ready",
                "waiting for the next change",
            ]
        source.changes("/main.py")
        await trio.sleep(2)
        await factory.ready(4)
        assert running.status is None
        running.pool.drain()
    assert running.status == 0


async def test_asked_to_end_while_it_waits_for_a_change(autojump_clock: MockClock) -> None:
    factory, source = WorkerFactory(), Source()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(factory.pool, source), nursery)
        await factory.ready(1)
        source.changes("/main.py")
        await trio.sleep(2)
        factory.workers[1].end(1)
        await trio.sleep(5)
        running.pool.drain()
    assert running.status == 0


async def test_what_changes_once_the_end_has_begun_changes_nothing(autojump_clock: MockClock) -> None:
    factory, source = WorkerFactory(heeds=["kill"]), Source()
    async with trio.open_nursery() as nursery:
        running = Running(Reloader(factory.pool, source), nursery)
        await factory.ready(1)
        running.pool.drain()
        source.changes("/main.py")
    assert [what for _, what in factory.workers[0].asked] == ["drain", "kill"]
    assert len(factory.workers) == 1


def test_a_reloader_needs_watchfiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(SetupError, match=r"--reload needs watchfiles: pip install trio-sse\[reload\]"):
        watch([Path()])


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"there is no folder '.*/nowhere' to watch"):
        watch([tmp_path, tmp_path / "nowhere"])


# -- what cannot be served


def test_quic_cannot_be_shared() -> None:
    with pytest.raises(SetupError, match="QUIC cannot be shared"):
        supervise(make_config(quic_bind="127.0.0.1:0"), [], 2, [])


def test_an_address_that_is_in_use_is_said() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ListenError, match=f"cannot listen on {bind}: Address already in use"):
            supervise(make_config(bind=bind, errorlog=None), [], 2, [])


def test_windows_has_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SetupError, match="need Unix"):
        supervise(make_config(), [], 2, [])


# -- the command line


def parsed(*words: str) -> Mapping[str, Any]:
    return vars(make_parser().parse_args(words))


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--errorlog", "-", "--loglevel", "debug", "--backlog", "5", "--graceful-timeout", "0.5"],
        ["--server-names", "a", "--server-names", "b c", "--access-log-format=--%(h)s"],
        ["--no-include-server-header", "--h11-pass-raw-headers"],
        ["--certfile", "cert.pem", "--keyfile", "key.pem", "--config", "my file.toml"],
    ],
)
def test_a_worker_gets_the_same_options(options: list[str]) -> None:
    given = parsed("run", "shop:app", "--workers", "3", "--reload", "--bind", "a", "--insecure-bind", "b", *options)
    ours = {"command", "app", "config", "workers", "watched", "control_fd", "full_tracebacks"}
    words = worker_command("shop:app", given["config"], {name: given[name] for name in given if name not in ours})
    assert words[0] == sys.executable
    got = parsed(*words[words.index("trio_sse") + 1 :])
    assert "bind" not in got
    assert "insecure_bind" not in got
    changed = {"bind", "insecure_bind", "workers", "watched"}
    assert {name: got[name] for name in got if name not in changed} == {
        name: given[name] for name in given if name not in changed
    }
    assert (got["workers"], got["watched"]) == (None, [])


@pytest.mark.parametrize(
    ("secure", "insecure", "words"),
    [
        ([], [5], ["--bind=fd://5"]),
        ([], [5, 6], ["--bind=fd://5", "--bind=fd://6"]),
        ([5], [], ["--bind=fd://5"]),
        ([5, 6], [7], ["--bind=fd://5", "--bind=fd://6", "--insecure-bind=fd://7"]),
    ],
)
def test_sockets_are_named_by_their_descriptors(secure: list[int], insecure: list[int], words: list[str]) -> None:
    assert bind_arguments(secure, insecure) == words


@pytest.mark.parametrize(("path", "flagged"), [("", False), ("HERE", False), ("/elsewhere", True)])
def test_a_worker_finds_modules_where_the_master_does(
    path: str, flagged: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`python -m` would put the current directory before everything else, the script that pip makes does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path.replace("HERE", str(tmp_path)), "/somewhere"])
    assert ("-P" in worker_command("shop:app", None, {})) is flagged


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_the_number_of_workers_is_above_0(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "shop:app", "--workers", number])
    assert "is not a number above 0" in capsys.readouterr().err


def test_what_only_the_master_says_is_not_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    help = capsys.readouterr().out
    assert "--workers" in help
    assert "control" not in help


def test_several_folders_may_be_watched() -> None:
    assert parsed("run", "shop:app", "--reload", "--reload-dir", "a", "--reload-dir", "b")["watched"] == [
        Path(),
        Path("a"),
        Path("b"),
    ]


@pytest.mark.parametrize(
    ("content", "words", "workers", "watched"),
    [
        ("", ["--workers", "3"], 3, []),
        ("", ["--reload"], 1, [Path()]),
        ("workers = 2", [], 2, []),
        ("workers = 2", ["--workers", "3"], 3, []),
        ("use_reloader = true", [], 1, [Path()]),
    ],
)
def test_the_master_is_started_as_asked(
    content: str, words: list[str], workers: int, watched: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, list[Path]]] = []

    def supervised(config: Any, _: Any, workers: int, watched: list[Path]) -> int:
        asked.append((workers, watched))
        return 7

    monkeypatch.setattr("trio_sse.cli.run.supervise", supervised)
    file = tmp_path / "config.toml"
    file.write_text(content)
    assert main(["run", "shop:app", "--config", str(file), *words]) == 7
    assert asked == [(workers, watched)]


@pytest.mark.parametrize(
    ("option", "hint"), [("workers", "trio-sse run --workers"), ("use_reloader", "trio-sse run --reload")]
)
def test_a_server_inside_a_program_is_one_process(option: str, hint: str) -> None:
    options: dict[str, Any] = {option: 2}
    with pytest.raises(TypeError, match=hint):
        make_config(**options)
