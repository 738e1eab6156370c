"""A soak test: a server, well-behaved and misbehaving clients, and a check of the resources that the server uses.

    python benchmarks/soak.py --minutes 5 --streams 200 --seed 1

There are three processes: the server (`trio_sse.serve`, with HTTP/1.1 without TLS, and HTTP/1.1 and HTTP/2 over TLS),
the load generator, and this process, which inspects the server every few seconds and prints a line. The load generator
runs a fixed number of clients at a time and replaces each one that ends. The seed determines everything but the timing.

The exit status is 1 in any of these cases:

* the resident memory has grown by more than the limit after the warm-up;
* tasks, descriptors, open streams or objects do not return to their idle numbers after the load has ended;
* a handler did not exit exactly once, or an error was not logged exactly once;
* the log contains a message that the load did not provoke, or a well-behaved client was not served;
* the server does not shut down in order.

It needs Linux's /proc, and trustme for a certificate. Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import random
import re
import signal
import socket
import ssl
import statistics as averages
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import types
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import h2.config
import h2.connection
import h2.events
import trio
import trustme

from trio_sse import SSE, App, Controller, Get, Limits, Post, Reference, required, run
from trio_sse.models import Repository
from trio_sse.topics import HasEvents, MemoryTopics, Topics

__all__ = (
    "GONE",
    "Load",
    "Multiplexed",
    "Plan",
    "Report",
    "Sample",
    "Server",
    "compare_idle",
    "has_proc",
    "leave_http2",
    "make_app",
    "make_certificate",
    "served",
    "soak",
)

PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1024 * 1024
HERE = Path(__file__)

SEND_TIMEOUT = 2.0
CLEANUP_SECONDS = 3.0
IDLE_SECONDS = 30.0
"""Seconds after the load in which the server must become idle: longer than its time-outs."""
PATIENCE = 30.0
"""Seconds in which a well-behaved client must be served."""
SPARE_OBJECTS = 20
"""New objects of one type that are allowed to remain: those made once per route, and caches."""
OURS = ("trio_sse", "hypercorn", "trio", "h2", "h11", "wsproto", "soak", "__main__")
"""The packages whose objects are counted."""
KEPT = frozenset(
    {
        "trio_sse.topics._engine.Entry",
        "trio_sse.topics._engine.Stored",
        "trio_sse.topics._log.KeptTopic",
        "trio_sse.topics._position.Position",
        "trio_sse.wire._published.Framed",
    }
)
"""What topics keep on purpose, within the bounds of their history."""


# -- the app


class Provoked(Exception):
    """Raised by handlers on purpose."""


class Book:
    """Counts what the app has entered, exited and raised."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.raised = 0
        self.overstayed = 0
        self.sieve = Sieve()
        self.before: tracemalloc.Snapshot | None = None

    @contextmanager
    def open(self, what: str) -> Iterator[None]:
        """Count an entry and an exit."""
        self.entered[what] += 1
        try:
            yield
        finally:
            self.left[what] += 1

    def fail(self) -> Provoked:
        """An error to raise."""
        self.raised += 1
        return Provoked("on purpose")


class Sieve(logging.Filter):
    """Counts log records that were provoked, and keeps them out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = 0
        self.overstays = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record was not provoked."""
        error = record.exc_info[1] if record.exc_info else None
        provoked = error is not None and was_provoked(error)
        overstay = record.name == "trio_sse" and record.getMessage().startswith("SSE /overstaying: ")
        self.errors += provoked
        self.overstays += overstay
        return not (provoked or overstay)


def was_provoked(error: BaseException) -> bool:
    """Whether an error is one of `Provoked`, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(was_provoked(each) for each in error.exceptions)
    return isinstance(error, Provoked)


@attrs.frozen
class Room(HasEvents[str]):
    """A model with events."""

    id: int


class Rooms(Repository[Room]):
    """A repository in which every id exists."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    async def get(self, id: int, /) -> Room | None:
        """Find one."""
        await trio.lowlevel.checkpoint()
        return Room(id, events=self._topics.topic(Room, id))

    async def get_many(self, ids: Sequence[int], /) -> Mapping[int, Room]:
        """Find several."""
        await trio.lowlevel.checkpoint()
        return {id: Room(id, events=self._topics.topic(Room, id)) for id in ids}


class Session:
    """A service of a request."""


@asynccontextmanager
async def open_session(book: Book) -> AsyncIterator[Session]:
    with book.open("session"):
        await trio.lowlevel.checkpoint()
        yield Session()


@asynccontextmanager
async def hold(book: Book) -> AsyncIterator[None]:
    """A step with something to clean up."""
    with book.open("step"):
        try:
            yield
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEANUP_SECONDS):
                await trio.sleep(0.01)


def until_soon(expire_at: Callable[[float], None]) -> None:
    expire_at(time.time() + random.uniform(0.5, 5))


def as_somebody(user: str, count_as: Callable[[str], None]) -> None:
    count_as(user)


async def ticks(last_event_id: str | None, book: Book) -> AsyncIterator[Any]:
    with book.open("ticks"):
        number = int(last_event_id or 0)
        while True:
            number += 1
            yield {"id": str(number), "event": "tick", "data": {"number": number, "padding": "x" * 100}}
            await trio.sleep(1)


async def batches(book: Book) -> AsyncIterator[Any]:
    with book.open("batches"):
        for start in range(0, 1 << 40, 20):
            yield [{"event": "tick", "data": {"number": number}} for number in range(start, start + 20)]
            await trio.sleep(2)


async def idle(book: Book) -> AsyncIterator[Any]:
    with book.open("idle"):
        yield {"event": "tick", "data": None}
        await trio.sleep_forever()


async def flood(book: Book) -> AsyncIterator[Any]:
    with book.open("flood"):
        while True:
            yield {"event": "tick", "data": "x" * 20_000}


async def failing(book: Book) -> AsyncIterator[Any]:
    with book.open("failing"):
        yield {"event": "tick", "data": None}
        await trio.sleep(random.uniform(0, 1))
        raise book.fail()


async def overstaying(book: Book) -> AsyncIterator[Any]:
    with book.open("overstaying"):
        try:
            yield {"event": "tick", "data": None}
            await trio.sleep_forever()
        finally:
            book.overstayed += 1
            with trio.CancelScope(shield=True):
                await trio.sleep(1.5 * CLEANUP_SECONDS)


async def working(nursery: trio.Nursery, book: Book) -> AsyncIterator[Any]:
    send, receive = trio.open_memory_channel[int](0)

    async def work() -> None:
        with book.open("task"), send, suppress(trio.BrokenResourceError):  # the handler ends before its tasks do
            for number in range(1 << 40):
                await send.send(number)
                await trio.sleep(0.7)

    nursery.start_soon(work)
    with book.open("working"), receive:
        async for number in receive:
            yield {"event": "tick", "data": number}


async def follow(room: Room, other: Reference[Room], book: Book) -> AsyncIterator[Any]:
    with book.open("follow"):
        assert await other == Room(other.id)
        yield {"event": "tick", "data": room.id}
        async for said in room.events:
            yield {"event": "said", "data": said}


async def say(room: Room) -> int:
    await room.events.publish("x" * 200)
    return room.id


def value(number: int) -> dict[str, Any]:
    return {"number": number, "padding": "x" * 500}


def take(body: list[int]) -> int:
    return sum(body)


def broken(book: Book) -> None:
    raise book.fail()


def look(book: Book, statistics: Callable[[], Any]) -> dict[str, Any]:
    """Return the resources that the server uses. Each call uses one connection."""
    counted = statistics()
    return {
        "open": counted.open,
        "opened": counted.opened,
        "events": counted.events,
        "ended": counted.ended,
        "refused": sum(counted.refused.values()),
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "traced": tracemalloc.get_traced_memory()[0],
        "entered": book.entered,
        "left": book.left,
        "raised": book.raised,
        "logged": book.sieve.errors,
    }


def tasks() -> list[str]:
    """Return where each task waits, to explain tasks that should have ended."""
    root = trio.lowlevel.current_root_task()
    return [] if root is None else [where(task) for nursery in root.child_nurseries for task in tasks_in(nursery)]


def where(task: trio.lowlevel.Task) -> str:
    """A task's name and the lines that it waits in, the outermost first."""
    frames = [
        f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
        for frame, line in task.iter_await_frames()
    ]
    return f"{task.name}: {' > '.join(frames)}"


def tasks_in(nursery: trio.Nursery) -> Iterator[trio.lowlevel.Task]:
    """The tasks of a nursery, and those in their own nurseries."""
    for task in nursery.child_tasks:
        yield task
        for inner in task.child_nurseries:
            yield from tasks_in(inner)


def collect() -> dict[str, int]:
    """The objects that are left when the garbage has been collected, by their types."""
    gc.collect()
    return dict(Counter(filter(None, map(kind_of, gc.get_objects()))))


def kind_of(found: object) -> str:
    """The type of one of our objects, and the name of a generator; nothing for all else."""
    if isinstance(found, types.CoroutineType | types.AsyncGeneratorType | types.GeneratorType):
        return f"{type(found).__name__} {found.__qualname__}"
    if isinstance(found, types.FrameType | types.TracebackType | BaseException):
        return type(found).__name__
    cls = type(found)
    module: object = cls.__module__
    ours = isinstance(module, str) and module.partition(".")[0] in OURS  # a metatype of Cython has none
    name = f"{module}.{cls.__qualname__}"
    return name if ours and name not in KEPT else ""


def mark(book: Book) -> None:
    """Remember what is allocated now."""
    gc.collect()
    book.before = tracemalloc.take_snapshot()


def compare(book: Book) -> list[str]:
    """Where more is allocated than at the mark."""
    gc.collect()
    assert book.before is not None, "there is no mark"
    differences = tracemalloc.take_snapshot().compare_to(book.before, "traceback")
    grown = [each for each in differences if each.size_diff > 0][:15]
    return [
        f"{each.size_diff / 1024:+.1f} KiB in {each.count_diff:+d}, {'; '.join(map(str, each.traceback))}"
        for each in grown
    ]


def make_app(book: Book) -> App:
    """The app under load: a route for each kind of stream."""
    routes = Controller("/").routes(
        ticks=SSE("/ticks").handle(ticks),
        batches=SSE("/batches").handle(batches),
        idle=SSE("/idle").heartbeat(1).handle(idle),
        flood=SSE("/flood").handle(flood),
        failing=SSE("/failing").handle(failing),
        overstaying=SSE("/overstaying").handle(overstaying),
        working=SSE("/working").use(hold).handle(working),
        short=SSE("/short").lifetime(3).handle(ticks),
        expiring=SSE("/expiring").use(until_soon).handle(ticks),
        counted=SSE("/users/:user").use(as_somebody).handle(idle),
        follow=SSE("/rooms/:room/:other").types(required(Room), other=Room).handle(follow),
        say=Post("/rooms/:room").types(required(Room)).handle(say),
        value=Get("/values/:number").handle(value),
        sum=Post("/sum").body(list[int]).handle(take),
        broken=Get("/broken").handle(broken),
        look=Get("/soak").during_shutdown().handle(look),
        objects=Get("/soak/objects").during_shutdown().handle(collect),
        tasks=Get("/soak/tasks").during_shutdown().handle(tasks),
        mark=Post("/soak/mark").during_shutdown().handle(mark),
        marked=Get("/soak/marked").during_shutdown().handle(compare),
    )
    limits = Limits(hosts=("127.0.0.1",), streams_per_client=1 << 20)
    return (
        App(send_timeout=SEND_TIMEOUT, cleanup_timeout=CLEANUP_SECONDS, limits=limits)
        .provide(Book, value=book)
        .provide(Topics, MemoryTopics)
        .provide(Repository[Room], Rooms)
        .provide(open_session, scope="request")
        .add(routes)
    )


def serve(folder: Path) -> None:
    """Be the server."""
    book = Book()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="[%(levelname)s] %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(book.sieve)
    logging.getLogger("trio_sse.access").setLevel(logging.WARNING)
    run(
        make_app(book),
        bind=["127.0.0.1:0"],
        insecure_bind=["127.0.0.1:0"],
        certfile=str(folder / "server.pem"),
        keyfile=str(folder / "server.key"),
        errorlog=logging.getLogger("hypercorn.error"),
        peer_timeout=5.0,
        graceful_timeout=5.0,
    )


# -- the clients


class Surprise(Exception):
    """A client that behaves was not served as it should be."""


GONE = (OSError, EOFError, ssl.SSLError, trio.BrokenResourceError, trio.ClosedResourceError)
"""The exceptions that a client gets from a closed connection."""


class Wire:
    """One connection, with a buffer of the received bytes."""

    def __init__(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], sock: Any) -> None:
        self.stream = stream
        self._socket = sock
        self._received = bytearray()

    async def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        await self.stream.send_all(data)

    async def ask(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> None:
        """Send a request."""
        size = (f"content-length: {len(body)}",) if body else ()
        lines = (f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *size, *headers, "", "")
        await self.send("\r\n".join(lines).encode() + body)

    async def some(self, most: int = 65_536) -> bytes:
        """Read what there is."""
        chunk = bytes(await self.stream.receive_some(most))
        if not chunk:
            raise EOFError
        return chunk

    async def until(self, end: bytes) -> bytes:
        """Read until the given bytes, and return everything up to them."""
        while end not in self._received:
            self._received += await self.some()
        size = self._received.index(end) + len(end)
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def to_the_end(self) -> None:
        """Read until the server closes."""
        with suppress(*GONE):
            while True:
                await self.some()

    async def half_close(self) -> None:
        """Send FIN, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)
        await self.to_the_end()

    def close(self) -> None:
        """Close: FIN, or RST where something has not been read."""
        self._socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


class Load:
    """A fixed number of concurrent clients; each one that ends is replaced.

    Args:
        ports: The server's ports, without and with TLS.
        authority: The certificate authority to trust.
        seed: The seed of all random choices.
        stay: The average duration of a stream, in seconds.
    """

    def __init__(self, ports: tuple[int, int], authority: Path, seed: int, stay: float) -> None:
        self.port, self.tls_port = ports
        self.random = random.Random(seed)
        self.stay = stay
        self.done: Counter[str] = Counter()
        self.surprises: list[str] = []
        self._authority = authority
        self._stopping = trio.CapacityLimiter(2)

    async def run(self, clients: int, seconds: float) -> None:
        """Run the clients for a number of seconds."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for number in range(clients):
                    nursery.start_soon(self._be_clients, self.stay * number / clients)

    async def _be_clients(self, delay: float) -> None:
        await trio.sleep(delay)
        while True:
            [behave] = self.random.choices(BEHAVIOURS, WEIGHTS)
            try:
                with suppress(*GONE), trio.fail_after(PATIENCE + 10 * self.stay):
                    await behave(self)
            except (Surprise, trio.TooSlowError) as surprise:
                self.surprises.append(f"{behave.__name__}: {surprise!r}")
            self.done[behave.__name__] += 1
            await trio.sleep(0.01)

    def some_seconds(self) -> float:
        """Choose the duration of a stream."""
        return min(self.random.expovariate(1 / self.stay), 5 * self.stay)

    def leave(self) -> Callable[[Wire], Awaitable[None]]:
        """Choose a way to disconnect."""
        return self.random.choice((by_fin, by_rst, by_half))

    @asynccontextmanager
    async def connected(
        self, *, tls: bool = False, protocol: str = "http/1.1", receive_buffer: int | None = None
    ) -> AsyncIterator[Wire]:
        """Connect. The connection is closed when the block exits."""
        with trio.socket.socket() as sock:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await sock.connect(("127.0.0.1", self.tls_port if tls else self.port))
            transport = trio.SocketStream(sock)
            yield Wire(await self._encrypted(transport, protocol) if tls else transport, sock)

    async def _encrypted(self, transport: trio.SocketStream, protocol: str) -> trio.SSLStream[trio.SocketStream]:
        context = ssl.create_default_context(cafile=str(self._authority))
        context.set_alpn_protocols([protocol])
        stream = trio.SSLStream(transport, context, server_hostname="127.0.0.1", https_compatible=True)
        await stream.do_handshake()
        return stream

    @asynccontextmanager
    async def a_reader(self) -> AsyncIterator[trio.Process]:
        """Run a client in a separate process, which can be stopped."""
        async with self._stopping:
            words = (sys.executable, "-S", "-E", "-c", READER, str(self.port))
            async with child(*words) as process:
                yield process


READER = """
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    sock.sendall(b"GET /flood HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\n\\r\\n")
    try:
        while sock.recv(65536):
            time.sleep(0.1)
    except OSError:
        pass
"""


async def by_fin(wire: Wire) -> None:
    wire.close()


async def by_rst(wire: Wire) -> None:
    wire.reset()


async def by_half(wire: Wire) -> None:
    await wire.half_close()


@contextmanager
def expected() -> Iterator[None]:
    """Require that the connection stays open and the response arrives in time."""
    try:
        with trio.fail_after(PATIENCE):
            yield
    except (*GONE, trio.TooSlowError) as error:
        raise Surprise(repr(error)) from error


STREAMS = ("/ticks", "/batches", "/idle", "/idle", "/working", "/users/{}", "/rooms/{}/7", "/overstaying")


async def listen(load: Load) -> None:
    """Listen to a stream for a while, in the clear or by TLS, and leave in some way."""
    path = load.random.choice(STREAMS).format(load.random.randrange(1 << 30))
    async with load.connected(tls=load.random.random() < 0.15) as wire:
        with expected():
            await wire.ask(path)
            await wire.until(b"event: tick")
        with trio.move_on_after(load.some_seconds()):
            while True:
                await wire.some()
        await load.leave()(wire)


async def retry(load: Load) -> None:
    """Take some ticks, go, and go on after the last one."""
    number = load.random.randrange(1000)
    for _ in range(load.random.randint(1, 4)):
        async with load.connected() as wire:
            with expected():
                await wire.ask("/ticks", f"last-event-id: {number}")
                for _ in range(load.random.randint(1, 3)):
                    number += 1
                    await wire.until(f"id: {number}\n".encode())
            await load.leave()(wire)


async def stay_to_the_end(load: Load) -> None:
    """Listen until the stream ends: by itself, by an error, by its lifetime or by its credentials."""
    path = load.random.choice(("/short", "/expiring", "/failing"))
    async with load.connected() as wire:
        with expected():
            await wire.ask(path)
            await wire.until(
                {"/short": b"0\r\n\r\n", "/expiring": b"stream-expired", "/failing": b"stream-error"}[path]
            )
        await load.leave()(wire)


async def converse(load: Load) -> None:
    """Talk to a room, and listen to what is said."""
    room = load.random.randrange(50)
    async with load.connected() as wire, load.connected() as other:
        with expected():
            await wire.ask(f"/rooms/{room}/1")
            await wire.until(b"event: tick")
            for _ in range(load.random.randint(1, 4)):
                await other.ask(f"/rooms/{room}", method="POST")
                await other.until(b"\r\n\r\n")
                await wire.until(b"event: said")
        await load.leave()(wire)


async def ask_in_a_row(load: Load) -> None:
    """Send several requests in one write, the last one for a stream or for an error."""
    last = load.random.choice(("/ticks", "/broken", "/nowhere"))
    paths = (*(f"/values/{load.random.randrange(1 << 30)}" for _ in range(load.random.randint(1, 5))), last)
    async with load.connected() as wire:
        with expected():
            await wire.send("".join(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" for path in paths).encode())
            for path in paths:
                status = {"/broken": b"500", "/nowhere": b"404"}.get(path, b"200")
                await wire.until(b"HTTP/1.1 " + status)
        await load.leave()(wire)


async def upload(load: Load) -> None:
    """Send a body, whole or in part."""
    body = json.dumps([1] * load.random.randint(1, 2000)).encode()
    async with load.connected() as wire:
        if load.random.random() < 0.5:
            with expected():
                await wire.ask("/sum", "content-type: application/json", method="POST", body=body)
                await wire.until(b"HTTP/1.1 200")
        else:
            head = f"POST /sum HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body) + 1}\r\n\r\n"
            await wire.send(head.encode() + body)
            await trio.sleep(load.random.random())
        await load.leave()(wire)


async def go_early(load: Load) -> None:
    """Leave before there is an answer."""
    request = b"GET /ticks HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    async with load.connected() as wire:
        size = load.random.randint(0, len(request))
        if size:
            await wire.send(request[:size])
        await load.leave()(wire)


async def stall(load: Load) -> None:
    """Read nothing until the server disconnects."""
    async with load.connected(tls=load.random.random() < 0.2, receive_buffer=4096) as wire:
        await wire.ask("/flood")
        await trio.sleep(load.random.uniform(0.5, 2) * SEND_TIMEOUT)
        await load.leave()(wire)


async def drip(load: Load) -> None:
    """Read slowly until the server disconnects."""
    async with load.connected(receive_buffer=4096) as wire:
        await wire.ask("/flood")
        for _ in range(100):  # some of it has come already when the server gives up
            await trio.sleep(0.2)
            await wire.some(200)
        raise Surprise("a client that took 1 kB/s was not dropped")


WEBSOCKET = b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"


async def send_garbage(load: Load) -> None:
    """Send invalid data, or a request that the server rejects."""
    kinds: tuple[bytes, ...] = (
        load.random.randbytes(load.random.randint(1, 3000)),
        b"GET /ticks HTTP/1.1\r\nhost: elsewhere\r\n\r\n",
        b"GET /ticks HTTP/9.9\r\n\r\n",
        b"GET /ticks HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /sum HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + load.random.randbytes(200),
        b"GET /ticks HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n" + WEBSOCKET,
    )
    async with load.connected() as wire:
        await wire.send(load.random.choice(kinds))
        with trio.move_on_after(1):
            await wire.some()
        await load.leave()(wire)


async def send_garbage_for_tls(load: Load) -> None:
    """Send plain text to the TLS port, or disconnect during the handshake."""
    async with await trio.open_tcp_stream("127.0.0.1", load.tls_port) as stream:
        wire = Wire(stream, stream.socket)
        kind = load.random.randrange(3)
        if kind:
            await wire.send(b"\x16\x03\x01\x02\x00\x01" if kind == 1 else b"GET /ticks HTTP/1.1\r\n\r\n")
        await trio.sleep(load.random.random())
        await load.leave()(wire)


async def be_stopped(load: Load) -> None:
    """Stop the process of a client in the middle of a stream."""
    async with load.a_reader() as process:
        await trio.sleep(1)
        process.send_signal(signal.SIGSTOP)
        await trio.sleep(2 * SEND_TIMEOUT)
        process.send_signal(signal.SIGCONT)
        await trio.sleep(0.5)


class Multiplexed:
    """One connection of HTTP/2.

    Args:
        wire: The connection.
        starving: Whether the client never extends the server's flow-control window.
    """

    def __init__(self, wire: Wire, *, starving: bool) -> None:
        self.wire = wire
        self.open: set[int] = set()
        self.answered: set[int] = set()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._starving = starving
        self.h2.initiate_connection()

    async def ask(self, path: str) -> int:
        """Send a GET request."""
        id = self.h2.get_next_available_stream_id()
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "127.0.0.1")]
        self.h2.send_headers(id, headers, end_stream=True)
        self.open.add(id)
        await self.flush()
        return id

    async def reset(self, id: int) -> None:
        """Reset a stream."""
        self.open.discard(id)
        self.h2.reset_stream(id)
        await self.flush()

    async def flush(self) -> None:
        """Send what there is to send."""
        data = self.h2.data_to_send()
        if data:
            await self.wire.send(data)

    async def read(self, seconds: float) -> None:
        """Read, for so long."""
        end = trio.current_time() + seconds
        while trio.current_time() < end:
            data = b""
            with trio.move_on_at(end):
                data = await self.wire.some()
            if data:
                for event in self.h2.receive_data(data):
                    self._take(event)
                await self.flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=int(id)):
                self.answered.add(id)
            case h2.events.DataReceived(stream_id=int(id), flow_controlled_length=int(size)):
                if size and not self._starving:
                    self.h2.acknowledge_received_data(size, id)
            case h2.events.StreamEnded(stream_id=int(id)) | h2.events.StreamReset(stream_id=int(id)):
                self.open.discard(id)
            case _:
                pass


async def multiplex(load: Load) -> None:
    """Have several streams over one connection, reset some and ask for others, and leave in some way."""
    starving = load.random.random() < 0.2
    paths = ("/flood",) if starving else (*STREAMS[:-1], "/short", "/expiring", "/failing", "/values/{}", "/broken")
    async with load.connected(tls=True, protocol="h2") as wire:
        peer = Multiplexed(wire, starving=starving)
        rounds = load.random.randint(1, 6)
        for _ in range(rounds):
            await peer.ask(load.random.choice(paths).format(load.random.randrange(1 << 30)))
            await peer.read(load.some_seconds() / rounds)
            if peer.open and load.random.random() < 0.4:
                await peer.reset(load.random.choice(sorted(peer.open)))
        await leave_http2(load, peer)


async def leave_http2(load: Load, peer: Multiplexed) -> None:
    """End a connection of HTTP/2: by GOAWAY, by garbage, or not at all."""
    match load.random.choice(("goaway", "garbage", "plainly")):
        case "goaway":
            peer.h2.close_connection()
            await peer.flush()
        case "garbage":
            await peer.wire.send(load.random.randbytes(100))
        case _:
            pass
    await load.leave()(peer.wire)


async def reset_rapidly(load: Load) -> None:
    """Ask over HTTP/2 and reset at once, again and again."""
    async with load.connected(tls=True, protocol="h2") as wire:
        peer = Multiplexed(wire, starving=False)
        for _ in range(20):
            await peer.reset(await peer.ask("/ticks"))
        await peer.read(0.2)
        await load.leave()(wire)


SHARES: Mapping[Callable[[Load], Awaitable[None]], float] = {
    listen: 40,
    retry: 6,
    stay_to_the_end: 8,
    converse: 4,
    ask_in_a_row: 4,
    upload: 4,
    go_early: 6,
    stall: 3,
    drip: 1,
    send_garbage: 6,
    send_garbage_for_tls: 2,
    be_stopped: 0.3,
    multiplex: 6,
    reset_rapidly: 0.7,
}
BEHAVIOURS, WEIGHTS = tuple(SHARES), tuple(SHARES.values())


async def be_the_load(plan: Plan, ports: tuple[int, int], folder: Path) -> None:
    """Run the load in this process, and print the result."""
    load = Load(ports, folder / "authority.pem", plan.seed, plan.stay)
    await load.run(plan.streams, plan.seconds)
    print(json.dumps({"done": load.done, "surprises": load.surprises}), flush=True)


# -- the look at the server


@attrs.frozen(kw_only=True)
class Plan:
    """The duration and size of a soak test.

    Attributes:
        seconds: How long the load lasts.
        streams: The number of clients at a time.
        seed: What the load is drawn from.
        stay: Seconds that a stream is listened to, on the average.
        warm_up: Seconds after which memory is looked at.
        every: Seconds between two looks.
        growth: Megabytes that the resident memory may have grown by after the warm-up.
        trace: Frames that tracemalloc keeps in the server; 0 for no tracing.
    """

    seconds: float
    streams: int
    seed: int = 1
    stay: float = 8.0
    warm_up: float = 60.0
    every: float = 5.0
    growth: float = 3.0
    trace: int = 0


@attrs.frozen
class Sample:
    """The resources that the server used at one moment."""

    seconds: float
    resident: int
    files: int
    seen: Mapping[str, Any]

    def __str__(self) -> str:
        seen = self.seen
        return (
            f"{self.seconds:7.1f} {self.resident / MEGABYTE:8.2f} {self.files:6} {seen['tasks']:6} {seen['open']:6} "
            f"{seen['opened']:8} {seen['events']:9} {seen['ended'].get('too_slow', 0):6} {seen['raised']:7}"
        )


HEADINGS = "      s  res. MB  files  tasks   open   opened    events   slow  raised"


@attrs.define
class Report:
    """The samples and the faults."""

    plan: Plan
    samples: list[Sample] = attrs.field(factory=list)
    faults: list[str] = attrs.field(factory=list)
    done: dict[str, int] = attrs.field(factory=dict)
    traces: list[str] = attrs.field(factory=list)

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [each for each in self.samples if each.seconds >= self.plan.warm_up]

    @property
    def growth(self) -> float:
        """Megabytes between the first and the last quarter of the time after the warm-up, by their medians."""
        sizes = [each.resident / MEGABYTE for each in self.warm]
        part = max(1, len(sizes) // 4)
        return averages.median(sizes[-part:]) - averages.median(sizes[:part]) if sizes else 0.0

    @property
    def slope(self) -> float:
        """Megabytes an hour after the warm-up, by least squares."""
        warm = self.warm
        if len(warm) < 2:
            return 0.0
        line = averages.linear_regression([each.seconds for each in warm], [each.resident / MEGABYTE for each in warm])
        return line.slope * 3600

    def conclude(self) -> Iterator[str]:
        """The report's end, line by line."""
        opened = self.warm[-1].seen["opened"] - self.warm[0].seen["opened"] if self.warm else 0
        yield f"after the warm-up of {self.plan.warm_up:g} s: {self.growth:+.2f} MB, {self.slope:+.2f} MB/h"
        if opened:
            yield f"{opened} streams opened in that time, {self.growth * MEGABYTE / opened:+.0f} bytes for each"
        yield "clients: " + ", ".join(f"{count} {name}" for name, count in sorted(self.done.items()))
        yield from self.traces
        yield from (f"FAULT: {fault}" for fault in self.faults)


def has_proc() -> bool:
    """Whether /proc exists, through which the server is inspected."""
    return Path("/proc/self/statm").exists()


class Server:
    """The server's process.

    Attributes:
        ports: Its ports, without and with TLS.
        unanswered: The number of requests without any response.
    """

    def __init__(self, process: trio.Process, log: Path, began: float) -> None:
        self.process = process
        self.ports = (0, 0)
        self.unanswered = 0
        self._log = log
        self._began = began

    async def started(self) -> None:
        """Wait until it listens."""
        with trio.fail_after(30):
            while len(found := self._found()) < 2:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server has not started:\n{self._log.read_text()}")
                await trio.sleep(0.05)
        self.ports = (found["http"], found["https"])

    def _found(self) -> dict[str, int]:
        matches = re.findall(r"Running on (https?)://127\.0\.0\.1:(\d+)", self._log.read_text())
        return {scheme: int(port) for scheme, port in matches}

    async def ask(self, path: str, method: str = "GET") -> Any:
        """Request a JSON document over a new connection; retry if there is no response."""
        answer = b""
        for _ in range(3):
            answer = await self._ask_once(path, method)
            if answer:
                break
            self.unanswered += 1
        head, _, body = answer.decode().partition("\r\n\r\n")
        if " 20" not in head.partition("\r\n")[0]:
            raise RuntimeError(f"{method} {path}: {answer!r}")
        return json.loads(body) if body else None

    async def _ask_once(self, path: str, method: str) -> bytes:
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream("127.0.0.1", self.ports[0]) as stream:
                head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
                await stream.send_all(head.encode())
                return b"".join([bytes(chunk) async for chunk in stream])

    async def sample(self) -> Sample:
        """Look at it."""
        seen = await self.ask("/soak")
        folder = Path("/proc", str(self.process.pid))
        resident = int((folder / "statm").read_text().split()[1]) * PAGE
        counts: list[int] = []
        for _ in range(10):  # the connection of the question is closed once the server has seen that we have closed it
            counts.append(sum(1 for _ in (folder / "fd").iterdir()))
            await trio.sleep(0.02)
        return Sample(trio.current_time() - self._began, resident, min(counts), seen)

    async def idle(self, before: Sample) -> Sample:
        """Wait, with a time limit, until it uses no more resources than before."""
        sample = await self.sample()
        with trio.move_on_after(IDLE_SECONDS):
            while sample.files > before.files or sample.seen["tasks"] > before.seen["tasks"] or sample.seen["open"]:
                await trio.sleep(0.5)
                sample = await self.sample()
        return sample

    async def grown(self, objects: Counter[str]) -> dict[str, int]:
        """The types of which there are more objects than before. Trio keeps a scope until its deadline has passed."""
        grown: dict[str, int] = {}
        with trio.move_on_after(IDLE_SECONDS):
            while True:
                left = Counter(await self.ask("/soak/objects")) - objects
                grown = {kind: count for kind, count in left.items() if count > SPARE_OBJECTS}
                if not grown:
                    break
                await trio.sleep(2)
        return grown

    async def end(self) -> list[str]:
        """Shut it down, and return the faults of its exit and the lines that it logged."""
        faults: list[str] = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with trio.move_on_after(15):
                await self.process.wait()
        if self.process.poll() != 0:
            faults.append(f"the server has ended with the status {self.process.poll()}")
        logged = [line for line in self._log.read_text().splitlines() if "Running on http" not in line]
        if logged:
            faults.append("the log holds:\n" + "\n".join(logged[:200]))
        return faults


@asynccontextmanager
async def child(*words: str, **options: Any) -> AsyncIterator[trio.Process]:
    """Run a process for the duration of the block."""
    process = await trio.lowlevel.open_process(words, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def served(folder: Path, plan: Plan) -> AsyncIterator[Server]:
    """Run the server while the block lasts."""
    log = folder / "log"
    tracing = ("-X", f"tracemalloc={plan.trace}") if plan.trace else ()
    with log.open("wb") as file:
        words = (sys.executable, "-W", "error", *tracing, str(HERE), "server", "--folder", str(folder))
        async with child(*words, stdout=file, stderr=file) as process:
            server = Server(process, log, trio.current_time())
            await server.started()
            yield server


def make_certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 and its authority."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    issued.private_key_pem.write_to_path(folder / "server.key")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "server.pem", append=True)


async def soak(plan: Plan, say: Callable[[str], None] = lambda line: None) -> Report:
    """Soak.

    Args:
        plan: How long, and how much.
        say: Called with each line of output.
    """
    report = Report(plan)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificate(folder)
        async with served(folder, plan) as server:
            await soak_server(report, server, folder, say)
            report.faults += await server.end()
            if server.unanswered:
                report.faults.append(f"{server.unanswered} requests of the look at the server have got no answer")
    for line in report.conclude():
        say(line)
    return report


async def soak_server(report: Report, server: Server, folder: Path, say: Callable[[str], None]) -> None:
    """Run the load, and compare the resources after it with those before it."""
    say(HEADINGS)
    await server.ask("/soak/objects")  # what is made once has been made
    objects = Counter(await server.ask("/soak/objects"))
    before = await server.sample()
    say(str(before))
    async with trio.open_nursery() as nursery:
        ended = trio.Event()
        nursery.start_soon(load_it, report, server, folder, ended)
        await watch(report, server, say, ended)
    after = await server.idle(before)
    say(str(after))
    report.faults += compare_idle(before, after)
    if after.seen["tasks"] > before.seen["tasks"]:
        report.traces += await server.ask("/soak/tasks")
    grown = await server.grown(objects)
    if grown:
        report.faults.append(f"objects that were not there before the load: {grown}")
    if report.plan.trace:
        report.traces += await server.ask("/soak/marked")
    if report.growth > report.plan.growth and not report.plan.trace:  # tracing takes memory itself
        report.faults.append(f"memory has grown by {report.growth:.2f} MB; allowed are {report.plan.growth:g}")


async def watch(report: Report, server: Server, say: Callable[[str], None], ended: trio.Event) -> None:
    """Look at the server until the load has ended."""
    marked = not report.plan.trace
    while not ended.is_set():
        with trio.move_on_after(report.plan.every):
            await ended.wait()
            return
        sample = await server.sample()
        report.samples.append(sample)
        say(str(sample))
        if not marked and sample.seconds >= report.plan.warm_up:
            await server.ask("/soak/mark", "POST")
            marked = True


async def load_it(report: Report, server: Server, folder: Path, ended: trio.Event) -> None:
    """Run the load to its end."""
    plan = report.plan
    numbers = (f"--{name}={getattr(plan, name)}" for name in ("seconds", "streams", "seed", "stay"))
    words = ("load", "--folder", str(folder), "--ports", *map(str, server.ports), *numbers)
    async with child(sys.executable, str(HERE), *words, stdout=subprocess.PIPE) as process:
        with trio.move_on_after(plan.seconds + PATIENCE):
            assert process.stdout is not None
            output = b"".join([bytes(chunk) async for chunk in process.stdout])
            if await process.wait() == 0:
                told = json.loads(output)
                report.done = told["done"]
                report.faults += told["surprises"][:20]
                ended.set()
                return
    report.faults.append("the load has not ended as it should")
    ended.set()


def compare_idle(before: Sample, after: Sample) -> Iterator[str]:
    """Return the resources that the load has left behind."""
    seen = after.seen
    if after.files > before.files:
        yield f"{after.files} descriptors are left, and {before.files} there were"
    if seen["tasks"] > before.seen["tasks"]:
        yield f"{seen['tasks']} tasks are left, and {before.seen['tasks']} there were"
    if seen["open"]:
        yield f"{seen['open']} streams are counted as open"
    if sum(seen["ended"].values()) != seen["opened"]:
        yield f"{seen['opened']} streams were opened, and {sum(seen['ended'].values())} have ended"
    if seen["entered"] != seen["left"]:
        yield f"what was entered, {seen['entered']}, is not what was left, {seen['left']}"
    if seen["raised"] != seen["logged"]:
        yield f"{seen['raised']} errors were raised, and {seen['logged']} logged"


# -- the command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, or be one of the processes for it; the exit status."""
    given = parser().parse_args(arguments)
    seconds = given.minutes * 60 if given.seconds is None else given.seconds
    plan = Plan(
        seconds=seconds,
        streams=given.streams,
        seed=given.seed,
        stay=given.stay,
        warm_up=seconds / 5 if given.warm_up is None else given.warm_up,
        every=given.every,
        growth=given.growth,
        trace=given.tracemalloc,
    )
    if given.role == "server":
        serve(given.folder)
    elif given.role == "load":
        trio.run(be_the_load, plan, tuple(given.ports), given.folder)
    elif not has_proc():
        print("this system has no /proc, so the server cannot be inspected", file=sys.stderr)
        return 2
    else:
        report = trio.run(soak, plan, lambda line: print(line, flush=True))
        return 1 if report.faults else 0
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description="A soak of trio_sse.serve under clients that come, misbehave and go.")
    made.add_argument("role", nargs="?", choices=("soak", "server", "load"), default="soak", help=argparse.SUPPRESS)
    made.add_argument("--minutes", type=float, default=5, help="how long the load lasts (5)")
    made.add_argument("--seconds", type=float, help="the same in seconds")
    made.add_argument("--streams", type=int, default=200, help="clients at a time (200)")
    made.add_argument("--seed", type=int, default=1, help="seed of the random choices (1)")
    made.add_argument("--stay", type=float, default=8, help="average duration of a stream in seconds (8)")
    made.add_argument("--warm-up", type=float, help="seconds before memory is measured (a fifth of the time)")
    made.add_argument("--every", type=float, default=5, help="seconds between two samples (5)")
    made.add_argument("--growth", type=float, default=3, help="MB that memory may grow by after the warm-up (3)")
    made.add_argument("--tracemalloc", type=int, default=0, metavar="FRAMES", help="say where memory was allocated")
    made.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    made.add_argument("--ports", type=int, nargs=2, help=argparse.SUPPRESS)
    return made


if __name__ == "__main__":
    sys.exit(main())
