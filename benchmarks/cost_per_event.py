"""Measures what an event and an idle stream cost the server, compared with stock hypercorn and sse-starlette.

    python benchmarks/cost_per_event.py

The servers take turns, each pinned to one core and its client to the other. Each run has a fixed number of events. The
cost of an event is the user and system time of the server process from the moment when all streams are open to the last
event, divided by the number of events. The memory of a stream is the growth of the process with all streams open,
divided by their number. Each ratio is to stock hypercorn, which serves the same app, and is the median over the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

HANDLERS = """
class Clock:
    def __init__(self):
        self.tick = trio.Event()

    async def run(self):
        while True:
            await trio.sleep(0.1)
            self.tick.set()
            self.tick = trio.Event()

@asynccontextmanager
async def clock():
    async with trio.open_nursery() as nursery:
        made = Clock()
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()

async def tight(count: int):
    for number in range(count):
        yield {"event": "tick", "data": {"n": number}}

async def paced(count: int, clock: Clock):
    for number in range(count):
        yield {"event": "tick", "data": {"n": number}}
        await clock.tick.wait()
"""
"""Streams, as a part of an app: one that never waits, and one that all streams share the pace of."""

APP = (
    """
from contextlib import asynccontextmanager
import trio
from trio_sse import SSE, App
"""
    + HANDLERS
    + """
async def batched(count: int):
    for start in range(0, count, 64):
        yield [{"event": "tick", "data": {"n": n}} for n in range(start, min(start + 64, count))]

async def idle(count: int):
    yield {"event": "tick", "data": {"n": 0}}
    await trio.sleep(count)

routes = [SSE(f"/{f.__name__}/:count").handle(f) for f in (tight, batched, idle)]
app = App().provide(Clock, clock).add(*routes, SSE("/paced/:count").handle(paced))
"""
)

PEER = """
import asyncio, json
from contextlib import asynccontextmanager
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

async def tight(count):
    for number in range(count):
        yield {"event": "tick", "data": json.dumps({"n": number})}

class Clock:
    async def run(self):
        self.tick = asyncio.Event()
        while True:
            await asyncio.sleep(0.1)
            self.tick.set()
            self.tick = asyncio.Event()

clock = Clock()

@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(clock.run())
    yield
    task.cancel()

async def paced(count):
    for number in range(count):
        yield {"event": "tick", "data": json.dumps({"n": number})}
        await clock.tick.wait()

async def idle(count):
    yield {"event": "tick", "data": json.dumps({"n": 0})}
    await asyncio.sleep(count)

def route(function):
    async def endpoint(request):
        return EventSourceResponse(function(int(request.path_params["count"])))
    return Route(f"/{function.__name__}/{{count}}", endpoint)

app = Starlette(routes=[route(tight), route(paced), route(idle)], lifespan=lifespan)
"""

CLIENT = """
import sys, trio

async def read(port, path, clients, got):
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
    rest, fresh = b"", True
    async for chunk in stream:
        rest = rest[-4:] + chunk
        got[0] += chunk.count(b"event: tick")
        if fresh and b"event: tick" in chunk:
            fresh = False
            got[1] += 1
            if got[1] == clients:
                print(got[0], flush=True)
        if rest.endswith(b"0\\r\\n\\r\\n"):
            return

async def main(port, path, clients):
    got = [0, 0]
    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(read, port, path, clients, got)
    print(got[0])

trio.run(main, int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""

QUIET = ("--loglevel", "ERROR")
SERVERS = {
    "trio_sse": ("-m", "trio_sse", "run", "bench_app:app", "--bind", "127.0.0.1:{port}", *QUIET),
    "hypercorn": (
        "-c",
        "import sys; from hypercorn.__main__ import main; sys.exit(main(sys.argv[1:]))",
        *("-k", "trio", "-b", "127.0.0.1:{port}", "-w", "0", "--backlog", "2048", "--log-level", "ERROR"),
        "bench_app:app",
    ),
    "sse-starlette": (
        *("-m", "uvicorn", "bench_peer:app", "--port", "{port}", "--log-level", "error", "--no-access-log"),
    ),
}


@dataclass(frozen=True)
class Load:
    """What the clients request, and how the result is reported."""

    name: str
    path: str
    clients: int
    servers: tuple[str, ...]
    unit: str = "us/event"


LOADS = (
    Load("tight generator, 4 streams", "/tight/20000", 4, ("hypercorn", "trio_sse", "sse-starlette")),
    Load("batches of 64, 4 streams", "/batched/20000", 4, ("hypercorn", "trio_sse")),
    Load("one event at a time, 500 streams", "/paced/40", 500, ("hypercorn", "trio_sse", "sse-starlette")),
    Load("idle, 500 streams", "/idle/3600", 500, ("hypercorn", "trio_sse", "sse-starlette"), "KiB/stream"),
)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    """Resident memory of a process in KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE // 1024


def measure(name: str, port: int, load: Load, folder: Path) -> float:
    """Microseconds of server CPU for each event that arrived, or KiB for each open stream."""
    arguments = [part.format(port=port) for part in SERVERS[name]]
    server = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), sys.executable, *arguments], cwd=folder)
    try:
        wait_for(port)
        client = ["taskset", "-c", str(CLIENT_CORE), sys.executable, "client.py", str(port), load.path]
        memory = resident(server.pid)
        with subprocess.Popen([*client, str(load.clients)], cwd=folder, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            first = int(running.stdout.readline())  # all streams are open; this number of events has arrived
            if load.unit != "us/event":
                grown = resident(server.pid) - memory
                running.kill()
                return grown / load.clients
            cpu = cpu_seconds(server.pid)
            last = int(running.stdout.readline())
        return (cpu_seconds(server.pid) - cpu) / (last - first) * 1e6
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def wait_for(port: int) -> None:
    """Wait until the server listens."""
    probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1).close()"
    for _ in range(100):
        if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError(port)


def main() -> None:
    """Run all loads on all servers in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    figures: dict[tuple[Load, str], list[float]] = {}
    ports = itertools.count(20000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in (("bench_app.py", APP), ("bench_peer.py", PEER), ("client.py", CLIENT)):
            (folder / file).write_text(text)
        for _ in range(rounds):
            for load in LOADS:
                for server in load.servers:
                    figures.setdefault((load, server), []).append(measure(server, next(ports), load, folder))
    for (load, server), values in figures.items():
        stock = figures[load, "hypercorn"]
        ratio = statistics.median(value / other for value, other in zip(values, stock, strict=True))
        spread = f"({min(values):.1f}-{max(values):.1f})"
        print(f"{load.name:33} {server:14} {statistics.median(values):7.1f} {load.unit:10} {spread:16} {ratio:5.2f}x")


if __name__ == "__main__":
    main()
