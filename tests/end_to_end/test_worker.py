"""Our own worker over HTTP/1.1: requests that are unusual or wrong, sends that are cancelled, connections that crash.

Plain ASGI apps stand for whatever else is served: a framework around ours, or none at all.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import attrs
import pytest
import trio
from hypercorn.events import RawData
from trio.testing import wait_all_tasks_blocked

import trio_sse._server.contract
from trio_sse import SSE, Aborted, App, Get, Post
from trio_sse._runtime.server_extension import EXTENSION, ServerExtension
from trio_sse._server.http1.connection import HTTP1Connection
from trio_sse._server.http2 import HTTP2

from .http2 import connected_by_http2
from .limits import within
from .serving import Certificate, serving
from .sockets import Peer, Truncated, connected

REQUESTS = int(os.environ.get("REQUESTS", "1100"))
"""Requests on one connection."""

REASONS: list[str | None] = []
"""Why streams have ended, in order; emptied before each test."""

SMALL = 4096
"""A receive buffer that is soon full."""

Responder = Callable[[Any, Any, Any], Awaitable[None]]


# -- what is served


async def paced(aborted: Aborted) -> AsyncIterator[Any]:
    number = 0
    try:
        while True:
            yield {"id": str(number), "data": "x"}
            number += 1
            await trio.sleep(0.02)
    finally:
        REASONS.append(aborted.reason)


async def idle(aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"data": "ready"}
        await trio.sleep_forever()
    finally:
        REASONS.append(aborted.reason)


async def flood(aborted: Aborted) -> AsyncIterator[Any]:
    try:
        while True:
            yield {"data": "x" * 1000}
    finally:
        REASONS.append(aborted.reason)


async def failing() -> AsyncIterator[Any]:
    yield {"data": "fine"}
    await wait_all_tasks_blocked()
    raise LookupError


async def short() -> AsyncIterator[Any]:
    yield {"data": "one"}
    yield {"data": "two"}


async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body


APP = App().add(
    SSE("/paced").handle(paced),
    SSE("/idle").heartbeat(0.1).handle(idle),
    SSE("/flood").send_timeout(0.2).handle(flood),
    SSE("/failing").handle(failing),
    SSE("/short").handle(short),
    Get("/hello").handle(lambda: {"hello": "world"}),
    Post("/echo").body(dict[str, Any]).handle(echo),
)


def plain(respond: Responder) -> Responder:
    """An ASGI app that only answers requests."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(scope, receive, send)
            return
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})

    return app


async def start(send: Any, **headers: str) -> None:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": pairs})


async def part(send: Any, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


@pytest.fixture(autouse=True)
def no_reasons() -> None:
    REASONS.clear()


@pytest.fixture
def nothing_to_report(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test during which something above INFO is logged."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno > logging.INFO] == []


@attrs.frozen
class Baseline:
    """The tasks and descriptors of a server without connections."""

    tasks: int
    descriptors: int

    async def comes_back(self) -> None:
        """Wait, but not for long, until there are no more of them."""
        await self.tasks_come_back()
        assert descriptors() == self.descriptors

    async def tasks_come_back(self) -> None:
        """The same where the client has not closed its own end."""
        with trio.fail_after(2):
            while trio.lowlevel.current_statistics().tasks_living > self.tasks:
                await wait_all_tasks_blocked(0.01)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def baseline() -> Baseline:
    await wait_all_tasks_blocked()
    return Baseline(trio.lowlevel.current_statistics().tasks_living, descriptors())


# -- one connection, many requests


@within(60)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_stream_is_not_silenced_by_the_requests_of_another_connection() -> None:
    async with serving(APP) as server, connected(server.port) as stream, connected(server.port) as peer:
        await stream.get("/paced")
        for _ in range(REQUESTS):
            assert await peer.json("/hello") == {"hello": "world"}
        for number in range(20):
            assert (await stream.event())["id"] == str(number)


@within(10)
async def test_requests_that_come_together_are_answered_in_order() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"".join(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % path for path in (b"/short", b"/hello") * 3))
        for _ in range(3):
            head = await peer.head()
            assert await peer.body(head) == b":\ndata: one\n\ndata: two\n\n"
            assert json.loads(await peer.body(await peer.head())) == {"hello": "world"}


PIPELINED = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\nGET /hello HTTP/1.1\r\nhost: x\r\n\r\n"


@within(10)
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_client_that_goes_with_a_request_waiting_is_noticed_by_the_heartbeat(way: str) -> None:
    """The request behind the stream keeps the server from reading on; nothing may wait for it afterwards."""
    async with serving(APP) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(PIPELINED % b"/idle")
            await peer.head()
            await peer.event()
            getattr(peer, way)()
            await before.comes_back()
            assert REASONS == ["client_gone"]


@within(10)
@pytest.mark.parametrize("path", [b"/failing", b"/flood"])
async def test_a_stream_that_is_cut_off_takes_the_request_behind_it_with_it(path: bytes) -> None:
    """After an error, or because the client is too slow, there is no place for another response."""
    async with serving(APP) as server:
        before = await baseline()
        async with connected(server.port, receive_buffer=SMALL) as peer:
            await peer.send(PIPELINED % path)
            if path == b"/flood":
                while not REASONS:
                    await wait_all_tasks_blocked(0.01)
                await before.tasks_come_back()
                assert REASONS == ["too_slow"]
            received = await peer.ended()
            assert received.count(b"HTTP/1.1 ") == 1
            assert not received.endswith(b"0\r\n\r\n")
        await before.comes_back()


# -- request bodies


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize("size", [1000, 900_000, 5_000_000])
@pytest.mark.parametrize("moment", ["at once", "later"])
async def test_a_body_that_nobody_reads_holds_nothing_up(size: int, moment: str) -> None:
    """A plain app leaves it, and may answer when hypercorn has buffered all it will."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if moment == "later":
            await wait_all_tasks_blocked(0.02)
        await start(send, content_length="2")
        await part(send, b"ok", more=False)

    async with serving(plain(respond), keep_alive_timeout=0.2) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            try:
                await peer.request("POST", "/", b"x" * size)
                assert await peer.body(await peer.head()) == b"ok"
            except (Truncated, trio.BrokenResourceError):  # closed, with a part of the body unread
                assert size > 1000
            async with connected(server.port) as other:
                assert await other.body(await other.get("/")) == b"ok"
        await before.comes_back()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_body_that_nobody_reads_does_not_hide_the_client_that_goes() -> None:
    """The queue of the app is full, so the server reads no more; what it writes fails."""
    left = trio.Event()

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        while (await receive())["type"] != "http.disconnect":
            await part(send, b"x")
            await trio.sleep(0.02)
        left.set()

    async with serving(plain(respond)) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 90000000\r\n\r\n")
            await peer.head()
            with trio.move_on_after(0.3):
                while True:
                    await peer.send(b"x" * 65_536)
            peer.reset()
            await left.wait()
        await before.comes_back()


@within(10)
async def test_a_body_in_chunks_is_read() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        for data in (head, b'4\r\n{"a"\r\n', b"3;extension=1\r\n: 1\r\n", b"1\r\n}\r\n", b"0\r\n\r\n"):
            await peer.send(data)
            await wait_all_tasks_blocked()
        assert json.loads(await peer.body(await peer.head())) == {"a": 1}
        assert await peer.json("/hello") == {"hello": "world"}


@within(10)
async def test_a_client_that_waits_for_100_continue_is_told_so() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 7\r\n"
            b"expect: 100-continue\r\n\r\n"
        )
        assert (await peer.head()).status == 100
        await peer.send(b'{"a":1}')
        assert json.loads(await peer.body(await peer.head())) == {"a": 1}


# -- heads that are slow, large or wrong


@within(10)
async def test_a_head_may_come_byte_by_byte() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        for byte in b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n":
            await peer.send(bytes([byte]))
            await wait_all_tasks_blocked()
        assert json.loads(await peer.body(await peer.head())) == {"hello": "world"}


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_head_that_never_ends_is_given_up() -> None:
    async with serving(APP, keep_alive_timeout=0.2) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(b"GET /hello HTTP/1.1\r\nhos")
            assert (await peer.head()).status == 408
            assert await peer.ended() == b""
        await before.comes_back()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_head_that_is_too_large_is_refused() -> None:
    async with serving(APP) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(b"GET /hello HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 20_000)
            assert (await peer.head()).status == 431
            assert await peer.ended() == b""
        await before.comes_back()


GARBAGE = {
    "zeros": b"\x00" * 100,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "no version": b"GET /hello\r\n\r\n",
    "no host": b"GET /hello HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a path with a space": b"GET /hel lo HTTP/1.1\r\nhost: x\r\n\r\n",
    "HTTP/2 that begins wrong": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x01",
}


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_ends_its_own_connection(data: bytes) -> None:
    async with serving(APP) as server, connected(server.port) as stream:
        await stream.get("/paced")
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(data)
            answer = await peer.ended()
            assert answer.startswith(b"HTTP/1.1 400 ") or b"HTTP/1.1" not in answer
        await before.comes_back()
        for number in range(5):
            assert (await stream.event())["id"] == str(number)


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_garbage_in_a_body_ends_the_connection() -> None:
    async with serving(APP) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n")
            answer = await peer.ended()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        await before.comes_back()


# -- responses of all kinds


@within(10)
async def test_a_stream_for_http_1_0_ends_with_the_connection_and_has_no_chunks() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"GET /short HTTP/1.0\r\nhost: x\r\n\r\n")
        head = await peer.head()
        assert head.status == 200
        assert "transfer-encoding" not in head.headers
        assert await peer.ended() == b":\ndata: one\n\ndata: two\n\n"


@within(10)
async def test_head_of_a_stream_has_no_body() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.request("HEAD", "/short")
        head = await peer.head()
        assert head.status == 200
        assert head.headers["content-type"].startswith("text/event-stream")
        assert await peer.json("/hello") == {"hello": "world"}


@within(10)
async def test_a_response_with_a_length_is_not_chunked() -> None:
    async def respond(scope: Any, receive: Any, send: Any) -> None:
        await start(send, content_length="10")
        await part(send, b"01234")
        await part(send, b"56789", more=False)

    async with serving(plain(respond)) as server, connected(server.port) as peer:
        for _ in range(2):
            head = await peer.get("/")
            assert "transfer-encoding" not in head.headers
            assert await peer.body(head) == b"0123456789"


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_websocket_is_refused() -> None:
    async with serving(APP) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.request(
                "GET",
                "/short",
                connection="upgrade",
                upgrade="websocket",
                sec_websocket_version="13",
                sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
            )
            assert (await peer.head()).status == 403
        await before.comes_back()


@within(10)
async def test_http_1_1_is_spoken_over_tls(certificate: Certificate) -> None:
    """With clients that know no ALPN."""
    async with serving(APP, certificate=certificate) as server, connected(server.port) as raw:
        peer = by_tls(raw, certificate)
        for _ in range(2):
            head = await peer.get("/short")
            assert await peer.body(head) == b":\ndata: one\n\ndata: two\n\n"
            assert await peer.json("/hello") == {"hello": "world"}


def by_tls(raw: Peer, certificate: Certificate) -> Peer:
    """The same client with TLS, and no ALPN."""
    tls = trio.SSLStream(raw.stream, certificate.context(), server_hostname="127.0.0.1")
    return Peer(tls)  # type: ignore[arg-type]  # it only sends and receives


# -- sends that are cancelled


@within(20)
@pytest.mark.parametrize("secure", [False, True])
async def test_a_send_to_a_client_that_reads_nothing_can_be_cancelled(secure: bool, certificate: Certificate) -> None:
    """In the middle of a chunk: nothing follows the beginning that has gone out."""
    waited: list[float] = []

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        began = trio.current_time()
        with trio.move_on_after(0.5):
            while True:
                await part(send, b"x" * 100_000)
        waited.append(trio.current_time() - began)
        await part(send, b"after", more=False)

    async with serving(plain(respond), certificate=certificate if secure else None) as server:
        before = await baseline()
        async with connected(server.port, receive_buffer=SMALL) as raw:
            peer = by_tls(raw, certificate) if secure else raw
            assert (await peer.get("/")).status == 200
            while not waited:
                await wait_all_tasks_blocked(0.01)
            with pytest.raises(Truncated) as truncated:
                await read_chunks(peer, b"x" * 100_000)
        await before.comes_back()
    assert waited[0] < 1.5
    assert b"after" not in truncated.value.args[0]


async def read_chunks(peer: Peer, chunk: bytes) -> None:
    while True:
        assert await peer.chunk() == chunk


@attrs.define
class Full:
    """A plain app that fills the socket's buffer itself, and sends into the full buffer under a time-out.

    Attributes:
        sends: What it sends before, while and after the buffer is full.
        junk: The bytes that it has filled the buffer with.
        may_end: Set when it may go on.
    """

    sends: tuple[list[Any], list[Any], list[Any]]
    junk: int = 0
    is_full: trio.Event = attrs.field(factory=trio.Event)
    may_end: trio.Event = attrs.field(factory=trio.Event)
    cancelled: bool = False

    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/hello":
            await start(send, content_length="5")
            await part(send, b"hello", more=False)
            return
        before, during, after = self.sends
        for message in before:
            await send(message)
        await self.fill(scope["extensions"][EXTENSION])
        with trio.move_on_after(0.1) as limit:
            for message in during:
                await send(message)
        self.cancelled = limit.cancelled_caught
        self.is_full.set()
        await self.may_end.wait()
        for message in after:
            await send(message)

    async def fill(self, link: ServerExtension) -> None:
        """Until the kernel has taken nothing for a while."""
        stream: Any = getattr(link.send, "__self__", None)
        sock: socket.socket = stream.send.__self__._tcp._plain
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        idle = 0
        while idle < 5:
            try:
                self.junk += sock.send(b"j" * 1000)
                idle = 0
            except BlockingIOError:
                idle += 1
                await trio.sleep(0.01)


START = {"type": "http.response.start", "status": 200, "headers": []}
MEASURED = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
FIRST = {"type": "http.response.body", "body": b"first", "more_body": True}
LAST = {"type": "http.response.body", "body": b"last", "more_body": False}
NOTHING_MORE = {"type": "http.response.body"}


async def listen_and_cancel(_scope: Any, receive: Any, send: Any) -> None:
    """Answer while another task listens for the disconnect and then cancels, as Starlette's streams do."""

    async def listen() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await start(send)
        await part(send, b"all")
        await part(send, b" of it", more=False)
        await trio.lowlevel.checkpoint()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize("secure", [False, True])
async def test_an_app_that_is_cancelled_by_its_own_disconnect_has_its_connection_used_again(
    secure: bool, certificate: Certificate
) -> None:
    """The disconnect comes at the end of the response, while the server still works on it in the app's task."""
    used = certificate if secure else None
    async with serving(plain(listen_and_cancel), certificate=used) as server, connected(server.port) as raw:
        peer = by_tls(raw, certificate) if secure else raw
        for number in range(5):
            assert (number, await peer.body(await peer.get("/"))) == (number, b"all of it")


@within(10)
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_the_connection_of_such_an_app_is_closed_when_it_is_idle(version: str) -> None:
    async with serving(plain(listen_and_cancel), keep_alive_timeout=0.3) as server:
        if version == "1.1":
            async with connected(server.port) as peer:
                for _ in range(2):
                    assert await peer.body(await peer.get("/")) == b"all of it"
                assert await peer.ended() == b""
        else:
            async with connected_by_http2(server.port, None) as http2:
                for _ in range(2):
                    assert await http2.whole(await http2.get("/")) == b"all of it"
                await http2.read_on()


async def read_exactly(peer: Peer, size: int) -> None:
    """Read the junk, to the last byte."""
    while len(peer._received) < size:
        await peer._more()
    assert peer._take(size) == b"j" * size


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_part_of_which_nothing_has_gone_out_is_left_out_as_a_whole() -> None:
    app = Full(([START], [FIRST], [LAST]))
    async with (
        serving(plain(app.respond), http1="hypercorn") as server,
        connected(server.port, receive_buffer=SMALL) as peer,
    ):
        assert (await peer.get("/")).status == 200
        await app.is_full.wait()
        assert app.cancelled
        await read_exactly(peer, app.junk)
        app.may_end.set()
        assert await peer.chunk() == b"last"
        assert await peer.chunk() == b""
        assert await peer.body(await peer.get("/hello")) == b"hello", "the connection is used again"


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize(
    ("before", "during", "after"),
    [([], [START], []), ([MEASURED], [FIRST], [LAST]), ([START, FIRST], [NOTHING_MORE], [NOTHING_MORE])],
    ids=["head", "body with a length", "end"],
)
async def test_where_nothing_can_follow_a_send_that_was_cancelled_the_connection_is_closed(
    before: list[Any], during: list[Any], after: list[Any]
) -> None:
    app = Full((before, during, after))
    async with serving(plain(app.respond), http1="hypercorn") as server:
        usual = await baseline()
        async with connected(server.port, receive_buffer=SMALL) as peer:
            await peer.request("GET", "/")
            await app.is_full.wait()
            assert app.cancelled
            app.may_end.set()
            received = await peer.ended()
            assert received.endswith(b"j" * app.junk)
            assert received.count(b"HTTP/1.1 200") == len(before[:1])
        await usual.comes_back()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_send_under_a_cancelled_scope_loses_nothing_unnoticed() -> None:
    """It writes what the socket takes; the rest of it is neither forgotten nor taken for what comes next."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        with trio.CancelScope() as scope:
            scope.cancel()
            await part(send, b"x" * 10_000_000)
        await part(send, b"last", more=False)

    async with serving(plain(respond)) as server, connected(server.port) as peer:
        await peer.get("/")
        received = await peer.ended()
        assert 0 < received.count(b"x") < 10_000_000
        assert b"last" not in received


@within(10)
async def test_an_app_that_sends_on_after_its_client_has_gone_leaves_the_others_their_turns() -> None:
    """It does not listen for the disconnect, and awaits nothing but `send`, which drops what it is given."""
    count, stop = 0, False

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        nonlocal count
        await start(send)
        while not stop and count < 1_000_000:
            await part(send, b"x")
            count += 1

    async with serving(plain(respond)) as server:
        before = await baseline()
        async with connected(server.port) as peer:
            await peer.get("/")
            peer.reset()
        for _ in range(200):
            await trio.lowlevel.checkpoint()
        assert 0 < count < 200 * 64
        stop = True
        await before.comes_back()


@within(10)
async def test_what_stands_between_the_app_and_the_server_sees_every_part() -> None:
    """The short way to the socket is not for those who would pass somebody by."""
    seen: list[bytes] = []

    async def upper(scope: Any, receive: Any, send: Any) -> None:
        async def change(message: Any) -> None:
            if message["type"] == "http.response.body":
                seen.append(message["body"])
                message = {**message, "body": message["body"].upper()}
            await send(message)

        await APP(scope, receive, change)

    async with serving(upper) as server, connected(server.port) as peer:
        assert await peer.body(await peer.get("/short")) == b":\nDATA: ONE\n\nDATA: TWO\n\n"
    assert b"".join(seen) == b":\ndata: one\n\ndata: two\n\n"


# -- fairness


@within(10)
async def test_a_tight_stream_leaves_the_others_their_turns() -> None:
    """Counted in turns of the scheduler, which the others take one for an event."""
    events: Counter[str] = Counter()
    longest: Counter[str] = Counter()

    async def tight() -> AsyncIterator[Any]:
        while True:
            yield {"data": "x"}
            events["tight"] += 1

    async def stepping(name: str) -> AsyncIterator[Any]:
        while events[name] < 100:
            before = events["tight"]
            yield {"data": name}
            await trio.lowlevel.checkpoint()
            events[name] += 1
            longest[name] = max(longest[name], events["tight"] - before)

    async def read(name: str) -> None:
        async with connected(server.port) as peer:
            await peer.get(f"/{name}")
            with pytest.raises(EOFError):
                await read_events(peer, {"data": name})

    app = App().add(SSE("/tight").handle(tight), SSE("/:name").handle(stepping))
    async with serving(app) as server, connected(server.port) as rival, trio.open_nursery() as rivals:
        await rival.get("/tight")
        rivals.start_soon(read_away, rival)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(read, str(number))
        rivals.cancel_scope.cancel()
    assert [events[str(number)] for number in range(20)] == [100] * 20
    assert events["tight"] > 1000, "it was no rival"
    assert max(longest.values()) <= 4 * 16, "between two events of another stream"


async def read_events(peer: Peer, event: dict[str, str]) -> None:
    while True:
        assert await peer.event() == event


async def read_away(peer: Peer) -> None:
    while True:
        await peer.stream.receive_some(65_536)


# -- crashes


@within(10)
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_crash_inside_the_server_ends_one_connection_and_is_logged_once(
    version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handle, take = HTTP2.handle, HTTP1Connection._take

    async def crash(self: Any, event: Any) -> None:
        if isinstance(event, RawData) and b"crash" in event.data:
            raise RuntimeError("a mistake in the server")
        await handle(self, event)

    def crash_too(self: Any, data: bytes) -> None:
        if b"crash" in data:
            raise RuntimeError("a mistake in the server")
        take(self, data)

    monkeypatch.setattr(HTTP2, "handle", crash)
    monkeypatch.setattr(HTTP1Connection, "_take", crash_too)
    async with serving(APP) as server, connected(server.port) as stream:
        await stream.get("/paced")
        before = await baseline()
        if version == "1.1":
            async with connected(server.port) as peer:
                await peer.get("/idle")
                await peer.event()
                await peer.send(b"crash")
                await peer.ended()
        else:
            async with connected_by_http2(server.port, None) as http2:
                await http2.event(await http2.get("/idle"))
                await http2.ping()
                await http2.send_raw(b"crash")
                await http2.read_on()
        await before.comes_back()
        assert REASONS == ["cancelled"]
        for number in range(5):
            assert (await stream.event())["id"] == str(number)
    [record] = [record for record in caplog.records if record.levelno > logging.INFO]
    assert record.name == "trio_sse.server"
    assert "RuntimeError: a mistake in the server" in caplog.text


# -- hypercorn, when it is not the one that we know


async def report(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    await part(send, EXTENSION.encode() if EXTENSION in scope["extensions"] else b"stock", more=False)


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_the_hypercorn_that_is_installed_is_served_by_our_own_worker() -> None:
    async with serving(plain(report)) as server, connected(server.port) as peer:
        assert await peer.body(await peer.get("/")) == EXTENSION.encode()


@within(10)
async def test_another_hypercorn_serves_by_itself_and_one_warning_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signatures = {**trio_sse._server.contract.SIGNATURES, "trio.tcp_server:TCPServer._close": "self how"}
    monkeypatch.setattr(trio_sse._server.contract, "SIGNATURES", signatures)
    async with serving(plain(report)) as server, connected(server.port) as peer:
        assert await peer.body(await peer.get("/")) == b"stock"
    [record] = [record for record in caplog.records if record.levelno > logging.INFO]
    assert record.levelno == logging.WARNING
    assert "it differs in trio.tcp_server:TCPServer._close)" in record.getMessage()
