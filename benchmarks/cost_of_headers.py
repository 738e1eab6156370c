"""Measures what CORS, security headers and a request id cost, as settings of the app and as ASGI middleware.

    python benchmarks/cost_of_headers.py

Three variants of one app take turns under `trio_sse.serve`, all pinned to one core and their client to the other:

* `without`: the app alone.
* `settings`: `App(cors=CORS(…), headers={…})`, and a step that sets the header `x-request-id`.
* `middleware`: the app alone, inside Starlette's `CORSMiddleware` and a small middleware that adds the other headers.

All clients send an Origin header. The cost is the CPU time of the server process for a number of events or requests,
counted from the moment when all clients have had their first, divided by that number. Each ratio is to the variant
without headers, and is the median over the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cost_per_event import CLIENT_CORE, HANDLERS, SERVER_CORE, wait_for

APP = (
    """
import uuid
from contextlib import asynccontextmanager

import trio
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware

from trio_sse import CORS, SSE, App, Get

ORIGINS = ["https://page.example"]
SECURITY = {
    "content-security-policy": "default-src 'self'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
}

"""
    + HANDLERS
    + """
async def one():
    yield {"event": "tick", "data": {"n": 0}}

def plain():
    return {"event": "tick", "data": {"n": 0}}

def identify(response):
    response.headers["x-request-id"] = uuid.uuid4().hex

def build(app, adapt=lambda route: route):
    routes = (
        SSE("/tight/:count").handle(tight),
        SSE("/paced/:count").handle(paced),
        SSE("/one").handle(one),
        Get("/plain").handle(plain),
    )
    return app.provide(Clock, clock).add(*map(adapt, routes))

class AddHeaders:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**SECURITY, "x-request-id": uuid.uuid4().hex})
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)

without = build(App())
settings = build(
    App(cors=CORS(origins=ORIGINS, credentials=True), headers=SECURITY),
    lambda route: route.use(identify),
)
middleware = AddHeaders(CORSMiddleware(without, allow_origins=ORIGINS, allow_credentials=True))
"""
)

CLIENT = """
import sys, trio

async def request(path, port, seen):
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    head = f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nOrigin: https://page.example\\r\\n\\r\\n".encode()
    fresh = True
    while True:
        await stream.send_all(head)
        rest = b""
        while not rest.endswith((b"0\\r\\n\\r\\n", b"}}")):  # the end of a stream, or of a plain response
            chunk = await stream.receive_some()
            assert chunk, "the server has closed the connection"
            rest = rest[-4:] + chunk
            seen(chunk.count(b"tick"), fresh and b"tick" in chunk)
            fresh = fresh and b"tick" not in chunk

async def main(path, port, clients, wanted):
    events = opened = first = 0

    def seen(number, fresh):
        nonlocal events, opened, first
        events += number
        opened += fresh
        if fresh and opened == clients:
            first = events
            print(first, flush=True)
        elif first and events >= first + wanted:
            first = 0  # other tasks may have received more already
            print(events, flush=True)
            nursery.cancel_scope.cancel()

    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(request, path, port, seen)

trio.run(main, sys.argv[1], *map(int, sys.argv[2:]))
"""

VARIANTS = ("without", "settings", "middleware")
PORTS = {variant: 21000 + number for number, variant in enumerate(VARIANTS)}


@dataclass(frozen=True)
class Load:
    """What the clients request, how many they are, and how many events or responses are measured."""

    name: str
    path: str
    clients: int
    wanted: int


LOADS = (
    Load("event, tight generator, 4 streams", "/tight/1000000", 4, 60_000),
    Load("event, one at a time, 500 streams", "/paced/1000000", 500, 10_000),
    Load("stream of one event, from open to end", "/one", 4, 2000),
    Load("plain JSON response", "/plain", 4, 2500),
)


@contextmanager
def serving(variant: str, folder: Path) -> Iterator[int]:
    """Serve a variant while the block lasts; its process id."""
    command = [sys.executable, "-m", "trio_sse", "run", f"headers_app:{variant}", "--loglevel", "ERROR"]
    bind = ["--bind", f"127.0.0.1:{PORTS[variant]}"]
    server = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), *command, *bind], cwd=folder)
    try:
        wait_for(PORTS[variant])
        yield server.pid
    finally:
        server.kill()
        server.wait()


def cpu_seconds(pid: int) -> float:
    """The time that all threads of a process have run, to the nanosecond: a round is too short for clock ticks."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def measure(variant: str, pid: int, load: Load, folder: Path) -> float:
    """Microseconds of server CPU for each event or request."""
    client = ["taskset", "-c", str(CLIENT_CORE), sys.executable, "client.py"]
    arguments = [load.path, str(PORTS[variant]), str(load.clients), str(load.wanted)]
    with subprocess.Popen([*client, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        first = int(running.stdout.readline())
        cpu = cpu_seconds(pid)
        last = int(running.stdout.readline())
        cost = (cpu_seconds(pid) - cpu) / (last - first) * 1e6
    time.sleep(0.3)  # the server closes the streams
    return cost


def report(figures: dict[tuple[Load, str], list[float]]) -> None:
    """Print medians, spreads and ratios."""
    for (load, variant), values in figures.items():
        base = figures[load, "without"]
        ratio = statistics.median(value / other for value, other in zip(values, base, strict=True))
        spread = f"({min(values):.1f}-{max(values):.1f})"
        print(f"{load.name:38} {variant:11} {statistics.median(values):7.1f} us {spread:16} {ratio:5.2f}x")


def main() -> None:
    """Serve all variants at a time, and measure all loads on them in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    figures: dict[tuple[Load, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        (folder / "headers_app.py").write_text(APP)
        (folder / "client.py").write_text(CLIENT)
        pids = {variant: servers.enter_context(serving(variant, folder)) for variant in VARIANTS}
        for number, load in itertools.product(range(rounds), LOADS):
            order = VARIANTS if number % 2 else VARIANTS[::-1]
            for variant in order:
                figures.setdefault((load, variant), []).append(measure(variant, pids[variant], load, folder))
    report(figures)


if __name__ == "__main__":
    main()
