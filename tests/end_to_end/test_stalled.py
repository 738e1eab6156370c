"""Clients that do not read, or vanish: they are dropped in time, and nobody else notices."""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from .limits import within
from .programs import Program, process, running
from .serving import Certificate
from .sockets import Peer, connected

NUMBERS = itertools.count()
SMALL = 4096
"""A receive buffer that is soon full."""


def seconds_after(program: Program, name: str, reason: str = "too_slow") -> float:
    """How long a client's last event had been waiting when it was dropped."""
    [line] = [line for line in program.output if line.startswith(f"{name} left: ")]
    found = re.fullmatch(rf"{name} left: {reason} after (\d+\.\d+) s", line)
    assert found, line
    return float(found[1])


@attrs.define
class Reader:
    """A client that reads all the time, and takes down how old each event is."""

    peer: Peer
    ids: list[int] = attrs.field(factory=list)
    ages: list[float] = attrs.field(factory=list)

    async def read(self) -> None:
        while True:
            event = await self.peer.event()
            self.ages.append(time.monotonic() - json.loads(event["data"])["made"])
            self.ids.append(int(event["id"]))


async def read_all(readers: list[Reader], until: trio.CancelScope) -> None:
    with until:
        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(reader.read)


@within(60)
async def test_of_two_hundred_clients_fifty_that_stall_are_dropped_and_the_others_notice_nothing() -> None:
    async with process("trio-sse", "end_to_end.crowd:ticking") as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connected(server.port)) for _ in range(150)]
        small = [await stack.enter_async_context(connected(server.port, receive_buffer=SMALL)) for _ in range(50)]
        for number, peer in enumerate((*peers, *small)):
            assert (await peer.get(f"/ticks/{number}")).status == 200
        readers = [Reader(peer) for peer in (*peers, *small)]
        async with trio.open_nursery() as nursery:
            stall = trio.CancelScope()
            nursery.start_soon(read_all, readers[:150], trio.CancelScope())
            nursery.start_soon(read_all, readers[150:], stall)
            await trio.sleep(3)
            stall.cancel()
            before = [age for reader in readers[:150] for age in reader.ages[5:]]
            counts = [len(reader.ages) for reader in readers[:150]]
            for _ in range(50):
                await server.line_with("left: too_slow")
            after = [age for reader, count in zip(readers, counts, strict=False) for age in reader.ages[count:]]
            nursery.cancel_scope.cancel()
        left = [seconds_after(server, str(number)) for number in range(150, 200)]
        assert all(1 <= seconds <= 2 for seconds in left), sorted(left)
        for reader in readers[:150]:
            assert reader.ids == list(range(1, len(reader.ids) + 1))
        p99 = [statistics.quantiles(ages, n=100)[-1] for ages in (before, after)]
        assert p99[1] < 2 * max(p99[0], 0.02), f"p99 of {p99[0] * 1000:.1f} ms became {p99[1] * 1000:.1f} ms"


@within(20)
async def test_a_client_that_reads_a_little_now_and_then_is_dropped_as_well() -> None:
    """Whoever takes less than 64 KiB in `send_timeout` is too slow, however often it takes something."""
    async with (
        process("trio-sse", "end_to_end.crowd:quiet") as server,
        connected(server.port, receive_buffer=SMALL) as peer,
    ):
        await peer.get("/flood/dripping")
        with trio.move_on_after(10):
            while not any("left" in line for line in server.output):
                await trio.sleep(0.2)
                await peer.stream.receive_some(200)
        await server.line_with("dripping left")
        assert 1 <= seconds_after(server, "dripping") <= 2


@within(20)
async def test_a_client_that_stalls_over_tls_is_dropped(certificate: Certificate) -> None:
    secure = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    async with (
        process("trio-sse", "end_to_end.crowd:quiet", *secure) as server,
        connected(server.port, receive_buffer=SMALL) as raw,
    ):
        tls = trio.SSLStream(raw.stream, certificate.context(), server_hostname="127.0.0.1")
        peer = Peer(tls)  # type: ignore[arg-type]  # it only sends and receives
        await peer.get("/flood/secret")
        await server.line_with("secret left")
        assert 1 <= seconds_after(server, "secret") <= 2


@within(20)
async def test_a_shutdown_with_a_client_that_stalls_ends_in_time() -> None:
    """The route is patient, the server is not."""
    async with (
        process("trio-sse", "end_to_end.crowd:quiet", "--graceful-timeout", "1") as server,
        connected(server.port, receive_buffer=SMALL) as peer,
        connected(server.port, receive_buffer=SMALL) as other,
    ):
        await peer.get("/patient/stalled")
        await other.get("/flood/doomed")
        await server.line_with("doomed left: too_slow")
        began = trio.current_time()
        server.terminate()
        assert await server.wait() == 0
        assert trio.current_time() - began < 1 + 2
        assert "stalled left: draining" in server.text
        assert "Traceback" not in server.text


# -- clients that vanish without a word


def has_namespaces() -> bool:
    """Whether network namespaces can be made here: by root, with iproute2, where the container lets it."""
    probe = f"trio_sse_probe_{os.getpid()}"
    try:
        subprocess.run(["ip", "netns", "add", probe], check=True, capture_output=True)
        subprocess.run(["ip", "netns", "del", probe], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@attrs.frozen
class Far:
    """Another machine, as far as TCP can tell: a network namespace with an interface of its own.

    Attributes:
        address: Ours, as it sees it.
    """

    name: str
    address: str

    @asynccontextmanager
    async def curl(self, url: str) -> AsyncIterator[Program]:
        async with running("ip", "netns", "exec", self.name, "curl", "-sN", url) as program:
            yield program

    def unplug(self) -> None:
        """Take its interface down: nothing leaves it any more, and nobody is told."""
        ip("-n", self.name, "link", "set", "eth0", "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def far(curl: str) -> object:
    if not has_namespaces():
        pytest.skip("network namespaces need root, iproute2 and CAP_SYS_ADMIN")
    name, address = f"far{os.getpid()}_{next(NUMBERS)}", "10.213.0.1"
    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{address}/24", "dev", name)
        ip("link", "set", name, "up")
        ip("-n", name, "addr", "add", "10.213.0.2/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        yield Far(name, address)
    finally:
        subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)  # its address is free at once
        ip("netns", "del", name)


@pytest.mark.parametrize("path", ["/quiet/heartbeats", "/silent/nothing"])
@within(30)
async def test_a_client_that_vanishes_is_found_in_time(far: Far, path: str) -> None:
    """With something on its way to it, and with nothing."""
    command = (sys.executable, "-m", "trio_sse", "run", "end_to_end.crowd:quiet")
    options = ("--bind", f"{far.address}:0", "--peer-timeout", "3")
    async with running(*command, *options, cwd=Path(__file__).parent.parent) as server:
        port = (await server.line_with(r"Running on http://[\d.]+:(\d+)"))[1]
        async with far.curl(f"http://{far.address}:{port}{path}") as client:
            await client.line_with("event: connected")
            far.unplug()
            began = trio.current_time()
            await server.line_with(f"{path.rpartition('/')[2]} left: client_gone")
            assert trio.current_time() - began < 3 + 2
