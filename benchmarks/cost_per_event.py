"""What an event costs the server, beside sse-starlette on uvicorn: two loads, CPU time of the server, as ratios.

    python benchmarks/cost_per_event.py

The servers take turns, each pinned to one core and its client to the other, and each run is bounded in events. The
figures are the server process's own user and system time, from after its start to the last event.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")

APP = """
import trio
from trio_sse import SSE, App

async def tight(count: int):
    for number in range(count):
        yield {"event": "tick", "data": {"n": number}}

async def batched(count: int):
    for start in range(0, count, 64):
        yield [{"event": "tick", "data": {"n": n}} for n in range(start, min(start + 64, count))]

async def paced(count: int):
    for number in range(count):
        yield {"event": "tick", "data": {"n": number}}
        await trio.sleep(0.05)

app = App().add(*(SSE(f"/{f.__name__}/:count").handle(f) for f in (tight, batched, paced)))
"""

PEER = """
import asyncio, json
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

async def tight(count):
    for number in range(count):
        yield {"event": "tick", "data": json.dumps({"n": number})}

async def paced(count):
    for number in range(count):
        yield {"event": "tick", "data": json.dumps({"n": number})}
        await asyncio.sleep(0.05)

def route(function):
    async def endpoint(request):
        return EventSourceResponse(function(int(request.path_params["count"])))
    return Route(f"/{function.__name__}/{{count}}", endpoint)

app = Starlette(routes=[route(tight), route(paced)])
"""

CLIENT = """
import sys, trio

async def read(port, path, got):
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
    rest = b""
    async for chunk in stream:
        rest = rest[-4:] + chunk
        got[0] += chunk.count(b"event: tick")
        if rest.endswith(b"0\\r\\n\\r\\n"):
            return

async def main(port, path, clients):
    got = [0]
    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(read, port, path, got)
    print(got[0])

trio.run(main, int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""

SERVERS = {
    "trio_sse": ["-m", "trio_sse", "run", "bench_app:app", "--bind", "127.0.0.1:{port}", "--loglevel", "ERROR"],
    "sse-starlette": ["-m", "uvicorn", "bench_peer:app", "--port", "{port}", "--log-level", "error", "--no-access-log"],
}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(name: str, port: int, path: str, clients: int, folder: Path) -> float:
    """Microseconds of server CPU for each event that arrived."""
    arguments = [part.format(port=port) for part in SERVERS[name]]
    server = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), sys.executable, *arguments], cwd=folder)
    try:
        wait_for(port)
        before = cpu_seconds(server.pid)
        client = ["taskset", "-c", str(CLIENT_CORE), sys.executable, "client.py", str(port), path, str(clients)]
        events = int(subprocess.run(client, cwd=folder, check=True, capture_output=True, text=True).stdout)
        return (cpu_seconds(server.pid) - before) / events * 1e6
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def wait_for(port: int) -> None:
    """Wait until something listens."""
    probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1).close()"
    for _ in range(100):
        if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError(port)


def main() -> None:
    """Alternate the servers over both loads, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    loads = [
        ("tight generator, 4 streams", "trio_sse", "/tight/20000", 4),
        ("tight generator, 4 streams", "sse-starlette", "/tight/20000", 4),
        ("batches of 64, 4 streams", "trio_sse", "/batched/20000", 4),
        ("one event at a time, 200 streams", "trio_sse", "/paced/100", 200),
        ("one event at a time, 200 streams", "sse-starlette", "/paced/100", 200),
    ]
    figures: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in (("bench_app.py", APP), ("bench_peer.py", PEER), ("client.py", CLIENT)):
            (folder / file).write_text(text)
        for turn in range(rounds):
            for index, (load, server, path, clients) in enumerate(loads):
                port = 20000 + turn * len(loads) + index
                figures.setdefault((load, server), []).append(measure(server, port, path, clients, folder))
    for (load, server), values in figures.items():
        peer = statistics.median(figures.get((load, "sse-starlette"), figures[loads[1][0], "sse-starlette"]))
        middle = statistics.median(values)
        spread = f"({min(values):.1f}-{max(values):.1f})"
        print(f"{load:34} {server:14} {middle:7.1f} us/event {spread:16} {middle / peer:5.2f}x")


if __name__ == "__main__":
    main()
