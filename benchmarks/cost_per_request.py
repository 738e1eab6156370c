"""Measures what a request costs the server, compared with Starlette and sse-starlette on uvicorn, and with hypercorn.

    python benchmarks/cost_per_request.py

All servers run at a time, pinned to one core, and the client to another; the client measures them in turn. One request
is open at a time, so each finds the server asleep; only the events come over four connections. Each server is
measured without and with TLS, where a new connection has a full handshake. The cost is the time that all threads of
the server have run, divided by the number of requests, streams or events. Each ratio is to uvicorn, and is the
median over the rounds. Every response is checked against what it has to be, after the time is taken.

A raw ASGI app does the least that an app has to do, so what it costs is mostly the server's share.

uvicorn uses uvloop and httptools if they are installed, as they are in the dependency group `bench`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import selectors
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import trustme

SERVER_CORE, CLIENT_CORE = 0, 1
STREAMS = 4
LAST_CHUNK = b"\r\n0\r\n\r\n"
PLAIN = {"hello": "world", "n": 1}

APP = """
from trio_sse import SSE, App, Get

def plain():
    return {"hello": "world", "n": 1}

async def ticks(count: int):
    for number in range(count):
        yield {"event": "tick", "data": {"n": number}}

app = App().add(Get("/plain").handle(plain), SSE("/ticks/:count").handle(ticks))
"""

PEER = """
import json
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def plain(request):
    return JSONResponse({"hello": "world", "n": 1})

async def events(count):
    for number in range(count):
        yield {"event": "tick", "data": json.dumps({"n": number})}

async def ticks(request):
    return EventSourceResponse(events(request.path_params["count"]))

app = Starlette(routes=[Route("/plain", plain), Route("/ticks/{count:int}", ticks)])
"""

RAW = """
import json

JSON, SSE = [(b"content-type", b"application/json")], [(b"content-type", b"text/event-stream")]

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
    if scope["path"] == "/plain":
        body = json.dumps({"hello": "world", "n": 1}).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*JSON, length]})
        return await send({"type": "http.response.body", "body": body})
    await send({"type": "http.response.start", "status": 200, "headers": SSE})
    for number in range(int(scope["path"].rpartition("/")[2])):
        event = f'event: tick\\ndata: {json.dumps({"n": number})}\\n\\n'
        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""

FILES = {"request_app.py": APP, "request_peer.py": PEER, "request_raw.py": RAW}

HYPERCORN = "import sys; from hypercorn.__main__ import main; sys.exit(main(sys.argv[1:]))"
OURS = ("-m", "trio_sse", "run", "--bind", "127.0.0.1:{port}", "--loglevel", "ERROR")
STOCK = ("-c", HYPERCORN, "-k", "trio", "-w", "0", "--log-level", "ERROR", "-b", "127.0.0.1:{port}", "request_raw:app")
TLS = ("--certfile", "server.pem", "--keyfile", "server.pem")
TLS_UVICORN = ("--ssl-certfile", "server.pem", "--ssl-keyfile", "server.pem")


@dataclass(frozen=True)
class Server:
    """How a server is started, without and with TLS."""

    name: str
    command: tuple[str, ...]
    tls: tuple[str, ...] = TLS

    @contextmanager
    def running(self, port: int, folder: Path, *, tls: bool) -> Iterator[int]:
        """Serve while the block lasts; the id of the process."""
        command = [part.format(port=port) for part in self.command] + list(self.tls if tls else ())
        server = subprocess.Popen(["taskset", "-c", str(SERVER_CORE), sys.executable, *command], cwd=folder)
        try:
            wait_for(port, server)
            yield server.pid
        finally:
            server.kill()
            server.wait()


UVICORN = Server(
    "uvicorn",
    ("-m", "uvicorn", "request_peer:app", "--port", "{port}", "--log-level", "error", "--no-access-log"),
    TLS_UVICORN,
)
SERVERS = (
    UVICORN,
    Server("trio_sse", (*OURS, "request_app:app")),
    Server("trio_sse, http1=hypercorn", (*OURS, "request_app:app", "--http1", "hypercorn")),
    Server("trio_sse, raw ASGI", (*OURS, "request_raw:app")),
    Server("hypercorn, raw ASGI", STOCK),
)


class Link:
    """A connection to a server, without or with TLS. What it receives is kept, and read when there is time for it."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        if tls is not None:
            self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
            self._shake_hands(self._tls)

    def _shake_hands(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                assert self.receive(), "the server has closed the connection in the handshake"
            else:
                return self.socket.sendall(self._outgoing.read())

    def request(self, path: str, *headers: str) -> None:
        """Send a request."""
        text = "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()
        if self._tls is not None:
            self._tls.write(text)
            text = self._outgoing.read()
        self.socket.sendall(text)

    def receive(self) -> bool:
        """Wait for bytes, and keep them; False at the end of the connection."""
        data = self.socket.recv(1 << 18)
        self._incoming.write(data)
        return data != b""

    def read(self) -> bytes:
        """All that has been received since the last call."""
        return self._incoming.read() if self._tls is None else b"".join(iter(lambda: self._decrypt(1 << 16), b""))

    def _decrypt(self, size: int) -> bytes:
        assert self._tls is not None
        try:
            return self._tls.read(size)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return b""

    def response(self, is_whole: Callable[[bytes], bool]) -> bytes:
        """Wait for a whole response."""
        data = b""
        while not is_whole(data):
            assert self.receive(), f"the server has closed the connection after {data!r}"
            data += self.read()
        return data

    def close(self) -> None:
        """Close the connection, with TLS in order."""
        if self._tls is not None:
            try:
                self._tls.unwrap()
            except ssl.SSLError:  # it does not wait for the server's
                self.socket.sendall(self._outgoing.read())
        self.socket.close()


@dataclass(frozen=True)
class Target:
    """A running server, and what a client needs to reach it."""

    server: Server
    pid: int
    port: int
    tls: ssl.SSLContext | None

    def connect(self) -> Link:
        """A new connection."""
        return Link(self.port, self.tls)


def load_plain(target: Target, count: int) -> Callable[[], None]:
    """Request JSON several times over one connection; the result checks the responses."""
    link = target.connect()
    responses = []
    for _ in range(count):
        link.request("/plain")
        responses.append(link.response(ends_with_json))
    link.close()
    return lambda: check_each(check_json, responses)


def load_opens(target: Target, count: int) -> Callable[[], None]:
    """Open a connection for each stream of one event, and close it at the end of the stream."""
    responses = []
    for _ in range(count):
        link = target.connect()
        link.request("/ticks/1", "Accept: text/event-stream")
        responses.append(link.response(lambda data: data.endswith(LAST_CHUNK)))
        link.close()
    return lambda: check_each(lambda response: check_events(response, 1), responses)


def load_events(target: Target, count: int) -> Callable[[], None]:
    """Read several streams at a time, each of a generator that never waits."""
    links = [target.connect() for _ in range(STREAMS)]
    for link in links:
        link.request(f"/ticks/{count // STREAMS}", "Accept: text/event-stream")
    responses = receive_at_a_time(links)
    return lambda: check_each(lambda response: check_events(response, count // STREAMS), responses)


def receive_at_a_time(links: Sequence[Link]) -> list[bytes]:
    """Read all streams to their ends. They are decrypted when nothing comes any more, so the server need not wait."""
    responses = [b""] * len(links)
    with selectors.DefaultSelector() as selector:
        for number, link in enumerate(links):
            selector.register(link.socket, selectors.EVENT_READ, number)
        deadline = time.monotonic() + 60
        while not all(response.endswith(LAST_CHUNK) for response in responses):
            assert time.monotonic() < deadline, "the streams do not end"
            ready = selector.select(0.1)
            for key, _ in ready:
                assert links[key.data].receive(), "the server has closed the connection"
            if not ready:
                responses = [text + link.read() for text, link in zip(responses, links, strict=True)]
    for link in links:
        link.close()
    return responses


def ends_with_json(data: bytes) -> bool:
    """Whether a response has the whole body that its length says."""
    head, found, body = data.partition(b"\r\n\r\n")
    return bool(found) and len(body) >= int(headers_of(head)["content-length"])


def headers_of(head: bytes) -> dict[str, str]:
    """The headers of a response with status 200, with their names in lower case."""
    status, *lines = head.decode().split("\r\n")
    assert status.startswith("HTTP/1.1 200"), head
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def check_each(check: Callable[[Any], None], items: Sequence[Any]) -> None:
    """Check all items."""
    for item in items:
        check(item)


def check_json(response: bytes) -> None:
    """Whether a response is the JSON that was asked for, and nothing else."""
    body = response.partition(b"\r\n\r\n")[2]
    assert json.loads(body) == PLAIN, body


def check_events(response: bytes, count: int) -> None:
    """Whether a response is a whole stream of the first events."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert headers_of(head)["content-type"].startswith("text/event-stream"), head
    events = list(events_of(unchunked(body)))
    assert events == [("tick", {"n": number}) for number in range(count)], f"{len(events)} of {count}: {events[-3:]}"


def unchunked(body: bytes) -> bytes:
    """The content of a chunked body that has its end, and nothing after it."""
    parts, at = [], 0
    while True:
        line_end = body.index(b"\r\n", at)
        size, start = int(body[at:line_end], 16), line_end + 2
        parts.append(body[start : start + size])
        at = start + size + 2
        assert body[at - 2 : at] == b"\r\n", "a chunk is cut off"
        if size == 0:
            assert at == len(body), body[at:]
            return b"".join(parts)


def events_of(text: bytes) -> Iterator[tuple[str, Any]]:
    """The names and data of events."""
    for block in text.decode().replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            yield fields["event"], json.loads(fields["data"])


@dataclass(frozen=True)
class Load:
    """What the client does, and how often: normally, and in a quick run."""

    name: str
    run: Callable[[Target, int], Callable[[], None]]
    count: int
    quick: int

    def named(self, *, tls: bool) -> str:
        """Its name in the report."""
        return f"{self.name}, TLS" if tls else self.name


LOADS = (
    Load("JSON over one connection", load_plain, 900, 50),  # hypercorn closes a connection after 1000 requests
    Load("connect, one event, close", load_opens, 400, 20),
    Load(f"event, {STREAMS} streams", load_events, 40_000, 400),
)


def cpu_seconds(pid: int) -> float:
    """The time that all threads of a process have run, user and system, to the nanosecond."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def measure(target: Target, load: Load, count: int) -> float:
    """Microseconds of server CPU for each request, stream or event."""
    load.run(target, max(count // 10, STREAMS))()
    before = cpu_seconds(target.pid)
    check = load.run(target, count)
    cost = (cpu_seconds(target.pid) - before) / count * 1e6
    check()
    return cost


def free_port() -> int:
    """A port at which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError(f"{server.args!r} does not listen at port {port}")


def client_context(folder: Path) -> ssl.SSLContext:
    """Make a certificate for the servers; a context of a client that trusts it."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def serving(folder: Path) -> Iterator[dict[bool, list[Target]]]:
    """Run all servers, without and with TLS."""
    context = client_context(folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    with ExitStack() as stack:

        def start(server: Server, *, tls: bool) -> Target:
            port = free_port()
            pid = stack.enter_context(server.running(port, folder, tls=tls))
            return Target(server, pid, port, context if tls else None)

        yield {tls: [start(server, tls=tls) for server in SERVERS] for tls in (False, True)}


Figures = dict[tuple[Load, bool, Server], list[float]]


def run(rounds: int, *, quick: bool) -> Figures:
    """Measure all loads on all servers in turn, in another order each round."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as targets:
        for number, load, tls in product(range(rounds), LOADS, (False, True)):
            for target in targets[tls][:: -1 if number % 2 else 1]:
                cost = measure(target, load, load.quick if quick else load.count)
                figures.setdefault((load, tls, target.server), []).append(cost)
    return figures


def report(figures: Figures) -> Iterator[str]:
    """Lines with medians, spreads and ratios."""
    for load, tls, server in product(LOADS, (False, True), SERVERS):
        values, base = figures[load, tls, server], figures[load, tls, UVICORN]
        ratio = statistics.median(value / other for value, other in zip(values, base, strict=True))
        spread = f"({min(values):.1f}-{max(values):.1f})"
        yield f"{load.named(tls=tls):31} {server.name:26} {statistics.median(values):7.1f} us {spread:17} {ratio:5.2f}x"


def versions() -> str:
    """What was measured."""
    names = ("trio", "hypercorn", "httptools", "starlette", "sse-starlette", "uvicorn", "uvloop")
    return ", ".join((f"Python {platform.python_version()}", *(f"{name} {version_of(name)}" for name in names)))


def version_of(name: str) -> str:
    """The version of a package, or that it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round, which shows that all of it works")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    print(versions())
    for line in report(run(1 if options.quick else options.rounds, quick=options.quick)):
        print(line)


if __name__ == "__main__":
    main()
