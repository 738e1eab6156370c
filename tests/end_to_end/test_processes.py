"""Several processes: they share a port, and each of them may be killed or asked to end at any time."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import pytest
import trio

from .limits import within
from .serving import Certificate
from .sockets import Peer, Truncated, connected
from .workers import POLL_SECONDS, Master, supervised

ROUNDS = int(os.environ.get("ROUNDS", "4"))
"""How often all processes are signalled at once, and in how many orders."""

COUNTING = "end_to_end.worker_apps:counting"


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"


def kill(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes; to those that are still there, that is."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def goes_on(peer: Peer) -> None:
    """Nothing is missing in what a stream has counted, and it still counts."""
    found: list[int] = []
    while len(found) < 30:
        event = await peer.event()
        if "data" in event:  # or else it is told when to reconnect, in time
            found.append(int(event["data"]))
    assert found == list(range(found[0], found[0] + 30))


async def cut_off(peer: Peer) -> None:
    """Read a stream to its end."""
    with suppress(Truncated, EOFError):
        while True:
            await peer.event()


async def refuses(port: int) -> None:
    """Wait until nobody listens any more."""
    with suppress(OSError):
        while True:
            await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            await trio.sleep(POLL_SECONDS)


# -- workers that die


@within(40)
async def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(marks: Path) -> None:
    async with supervised(COUNTING, "--graceful-timeout", "0.5", marks=marks) as master, AsyncExitStack() as stack:
        killed, other = await master.ready(2)
        assert {killed, other} == master.workers()
        streams = await master.streams(stack, {killed, other})
        kill([killed], signal.SIGKILL)
        await master.program.line_with(f"worker {killed} was killed by SIGKILL; starting another in 0.1 s")
        await cut_off(streams[killed])
        [new] = await master.ready(1)
        await goes_on(streams[other])
        await master.streams(stack, {new, other})
        assert master.workers() == {new, other}
        kill([master.pid], signal.SIGTERM)
        assert await master.program.wait() == 0
        assert [pid for pid in master.marks("entered") if pid != killed] == master.marks("left")


@within(40)
async def test_sigterm_replaces_a_worker_in_order(marks: Path) -> None:
    async with supervised(COUNTING, "--graceful-timeout", "0.2", marks=marks) as master, AsyncExitStack() as stack:
        one, other = await master.ready(2)
        streams = await master.streams(stack, {one, other})
        for _ in range(3):
            kill([one], signal.SIGTERM)
        await master.program.line_with(f"worker {one} has ended; starting another in 0.1 s")
        assert set(master.marks("left")) == {one}
        assert master.marks("left") == [pid for pid in master.marks("entered") if pid == one]
        await master.ready(1)
        await goes_on(streams[other])


@within(30)
async def test_sigint_is_not_for_workers(marks: Path) -> None:
    async with supervised(COUNTING, "--graceful-timeout", "0.2", marks=marks) as master, AsyncExitStack() as stack:
        workers = await master.ready(2)
        streams = await master.streams(stack, workers)
        kill(workers, signal.SIGINT)
        for pid in workers:
            await goes_on(streams[pid])
        kill([master.pid], signal.SIGINT)
        assert await master.program.wait() == 0
        assert master.marks("left") == master.marks("entered")


# -- the end of all


@within(60 + 15 * ROUNDS)
async def test_all_are_signalled_at_once_and_again(tmp_path: Path) -> None:
    """As a service manager does: the signals come in any order, and the master passes on what it gets."""
    chance = random.Random(5)
    for number in range(ROUNDS):
        marks = tmp_path / f"marks-{number}"
        async with supervised(COUNTING, "--graceful-timeout", "0.1", marks=marks) as master, AsyncExitStack() as stack:
            workers = await master.ready(2)
            await master.streams(stack, workers)
            targets = [master.pid, *workers] * 2
            chance.shuffle(targets)
            for pid in targets:
                kill([pid], signal.SIGTERM)
                await trio.sleep(chance.choice([0, 0, 0.001, 0.02, 0.1]))
            assert await master.program.wait() == 0, master.program.text
            assert master.marks("left") == master.marks("entered")
            assert master.workers() == set()
            assert "Traceback" not in master.program.text


@within(30)
async def test_all_are_signalled_while_they_start(marks: Path) -> None:
    """Nobody is left, whoever has come how far."""
    for seconds in (0.0, 0.3, 0.6):
        async with supervised(COUNTING, marks=marks) as master:
            await master.any_started()
            await trio.sleep(seconds)
            kill(master.workers(), signal.SIGTERM)
            kill([master.pid], signal.SIGTERM)
            assert await master.program.wait() == 0, master.program.text
            assert master.workers() == set()
            assert "Traceback" not in master.program.text


@within(30)
async def test_workers_end_when_their_master_is_killed(marks: Path) -> None:
    async with supervised(COUNTING, "--graceful-timeout", "0.2", marks=marks) as master, AsyncExitStack() as stack:
        await master.streams(stack, await master.ready(2))
        kill([master.pid], signal.SIGKILL)
        assert await master.program.wait() == -signal.SIGKILL
        await master.all_gone()
        assert master.marks("left") == master.marks("entered")
        assert "Traceback" not in master.program.text


@within(30)
async def test_a_second_sigterm_to_the_master_cuts_the_shutdown_short(marks: Path) -> None:
    lasting = "end_to_end.worker_apps:lasting"
    async with supervised(lasting, "--graceful-timeout", "600", marks=marks) as master, AsyncExitStack() as stack:
        workers = await master.ready(2)
        streams = await master.streams(stack, workers)
        kill([master.pid], signal.SIGTERM)
        await refuses(master.port)
        for pid in workers:
            kill([pid], signal.SIGTERM)  # its second: it has the master's already
            await goes_on(streams[pid])
        kill([master.pid], signal.SIGTERM)
        assert await master.program.wait() == 0
        for pid in workers:
            await cut_off(streams[pid])
        assert master.marks("left") == master.marks("entered")


# -- starting


@within(30)
@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("end_to_end.apps:misbuilt", "Did you mean 'user'?"),
        ("end_to_end.apps:nothing", "trio-sse: module 'end_to_end.apps' has no 'nothing'"),
        ("end_to_end.worker_apps:unstartable", "LookupError: no such database"),
    ],
)
async def test_a_mistake_in_the_app_is_said_once_and_ends_all(target: str, complaint: str, marks: Path) -> None:
    async with supervised(target, marks=marks) as master:
        assert await master.program.wait() == 1
        assert complaint in master.program.text
        assert master.program.text.count(" has ended with status 1 before it was ready") == 1
        assert "starting another" not in master.program.text


@within(30)
async def test_a_port_that_is_in_use_is_said_in_a_line(marks: Path) -> None:
    async with supervised(COUNTING, marks=marks) as other:
        await other.ready(2)
        bind = f"127.0.0.1:{other.port}"
        async with supervised(COUNTING, "--bind", bind, marks=marks) as master:
            assert await master.program.wait() == 1
            assert f"{bind}: Address already in use" in master.program.text


@within(40)
async def test_tls_and_a_file_of_options(certificate: Certificate, marks: Path, tmp_path: Path) -> None:
    """The binds of the file are the master's: a worker that used them would fail, or listen elsewhere."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'certfile = "{certificate.certfile}"\nkeyfile = "{certificate.keyfile}"\nworkers = 2\n'
        'bind = ["127.0.0.1:1"]\ninsecure_bind = ["127.0.0.1:0"]\n'
    )
    async with supervised(COUNTING, "--config", str(file), marks=marks, workers=None) as master:
        secure = set[tuple[str, str]]()
        for _ in range(4):
            line = await master.program.line_with(r"Running on (https?)://127\.0\.0\.1:(\d+)")
            secure.add((line[1], line[2]))
        ports = dict(secure)
        assert len(secure) == len(ports) == 2, "two sockets, shared by two workers"
        async with connected(int(ports["http"])) as peer:
            assert await peer.json("/pid") in master.workers()
        async with httpx.AsyncClient(verify=certificate.context(), trust_env=False) as client:
            reply = await client.get(f"https://127.0.0.1:{ports['https']}/pid")
            assert reply.json() in master.workers()
        kill([master.pid], signal.SIGTERM)
        assert await master.program.wait() == 0


# -- reloading

SOURCE = """
from trio_sse import App, Get, SSE
from end_to_end.worker_apps import count

app = App().add(Get("/").handle(lambda: VERSION), SSE("/count").handle(count))
"""


def write(folder: Path, version: str) -> None:
    """Write the source. No two may be of one length: within a second that is how Python sees that one has changed."""
    (folder / "shop.py").write_text(SOURCE.replace("VERSION", version))


async def answers(master: Master, version: int) -> None:
    """Wait until a version is served."""
    found = None
    while found != version:
        with suppress(OSError, Truncated):  # it has come to a worker that ends
            async with connected(master.port) as peer:
                found = await peer.json("/")


@within(90)
async def test_what_is_changed_is_served(marks: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    write(folder, "1")
    async with (
        supervised("shop:app", "--reload", marks=marks, workers=None, cwd=folder) as master,
        AsyncExitStack() as stack,
    ):
        workers = await master.ready(1)
        streams = await master.streams(stack, workers)
        write(folder, "10")
        await master.program.line_with("reloading: shop.py")
        await cut_off(streams[next(iter(workers))])
        await answers(master, 10)
        assert master.marks("left") == [*workers]
        write(folder, "100 +")
        await master.program.line_with("SyntaxError")
        await master.program.line_with("waiting for the next change")
        write(folder, "100000")
        await answers(master, 100_000)
        kill([master.pid], signal.SIGTERM)
        assert await master.program.wait() == 0
