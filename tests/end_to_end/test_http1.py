"""HTTP/1.1 of the library's own, over real sockets: what a client may send, how it may leave, and what it is told."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

from trio_sse import SSE, Aborted, App, EventStream, Get, Post, Response
from trio_sse._server.http1 import connection as http1_connection

from .http2 import connected_by_http2, upgraded_to_http2
from .limits import within
from .serving import serving
from .sockets import connected

LEFT: list[str] = []


async def waiting(aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"data": "hello"}
        await trio.sleep_forever()
    finally:
        LEFT.append(f"stream: {aborted.reason}")


async def slow(aborted: Aborted) -> int:
    try:
        await trio.sleep_forever()
    finally:
        LEFT.append(f"value: {aborted.reason}")
    return 0


async def later(body: bytes) -> EventStream:
    await trio.sleep(0.05)
    return EventStream(echo(body))


async def echo(body: bytes) -> AsyncIterator[Any]:
    yield {"data": len(body)}


def size_of(body: bytes) -> int:
    return len(body)


APP = App().add(
    SSE("/events").heartbeat(None).handle(waiting),
    Get("/slow").handle(slow),
    Get("/hello").handle(lambda: Response("hello")),
    Post("/size").handle(size_of),
    Post("/late").handle(later),
    SSE("/posted", method="POST").heartbeat(None).handle(waiting),
)


async def until(condition: Any, seconds: float) -> float:
    """How long it takes until something is the case."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.005)
    return trio.current_time() - began


# -- how a client leaves

AHEAD = {
    "nothing": b"",
    "CRLF": b"\r\n",
    "a stray byte": b"x",
    "stray bytes": b"x" * 1000,
    "very many of them": b"x" * 200_000,
    "a pipelined request": b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n",
    "a part of one": b"GET /hello HT",
}


@pytest.mark.parametrize("way", ["FIN", "RST"])
@pytest.mark.parametrize("path", ["/events", "/slow"])
@pytest.mark.parametrize("ahead", AHEAD.values(), ids=AHEAD)
@within(10)
async def test_a_client_that_leaves_is_noticed_whatever_it_has_sent(ahead: bytes, path: str, way: str) -> None:
    LEFT.clear()
    async with serving(APP) as server:
        async with connected(server.port) as peer:
            await peer.send(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() + ahead)
            if path == "/events":
                await peer.head()
                await peer.event()
            else:
                await trio.sleep(0.05)
            if way == "RST":
                linger = b"\x01\0\0\0\0\0\0\0"
                peer.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        assert await until(lambda: LEFT, 2) < 0.5
        assert [f"{'stream' if path == '/events' else 'value'}: client_gone"] == LEFT


@within(30)
async def test_visits_of_that_kind_leave_every_seat_free() -> None:
    LEFT.clear()
    async with serving(APP, max_connections=30) as server:
        for number in range(200):
            async with connected(server.port) as peer:
                await peer.send(b"GET /slow HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nx")
                await until(lambda number=number: len(LEFT) >= number - 20, 5)
        await until(lambda: len(LEFT) == 200, 5)
        async with connected(server.port) as peer:
            assert await peer.body(await peer.get("/hello")) == b"hello"


# -- after an error nothing follows


@pytest.mark.parametrize("path", ["/late", "/posted", "/size"])
@within(10)
async def test_after_a_400_nothing_more_is_sent(path: str) -> None:
    """The body turns out to be malformed while the response is about to start."""
    async with serving(APP) as server:
        for _ in range(20):
            async with connected(server.port) as peer:
                await peer.send(
                    f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n".encode()
                )
                await trio.lowlevel.checkpoint()
                await peer.send(b"ZZ\r\n")
                received = await peer.ended()
                head, _, rest = received.partition(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 400"):
                    assert rest == b""
                else:  # it had started before
                    assert head.startswith(b"HTTP/1.1 200") or not head
                    assert b"HTTP/1.1 400" not in received
                    assert not received.endswith(b"0\r\n\r\n")


BAD = {
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "both lengths": b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
    "lower case": b"get /hello HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
@within(10)
async def test_a_bad_request_is_answered_and_its_connection_closed(data: bytes) -> None:
    async with serving(APP, graceful_timeout=5) as server, connected(server.port) as peer:
        await peer.send(data)
        head = await peer.head()
        assert (head.status, head.headers["connection"], head.headers["content-length"]) == (400, "close", "0")
        assert await peer.ended() == b""
        server.ask_to_stop()
        await until(server.ended.is_set, 2)


# -- bodies


@within(10)
async def test_a_body_that_nobody_reads_keeps_its_connection_if_it_has_come() -> None:
    async with serving(plain(b"ok")) as server, connected(server.port) as peer:
        for _ in range(3):
            await peer.request("POST", "/", b"x" * 1000)
            head = await peer.head()
            assert (await peer.body(head), "connection" in head.headers) == (b"ok", False)


@within(10)
async def test_and_is_told_of_the_close_if_it_has_not() -> None:
    async with serving(plain(b"ok")) as server, connected(server.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\nx")
        head = await peer.head()
        assert (await peer.body(head), head.headers["connection"]) == (b"ok", "close")
        assert await peer.ended() == b""


def plain(content: bytes, *, after: float = 0) -> Any:
    """An app of others that answers without reading, and goes on for a while."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        length = str(len(content)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": content})
        await trio.sleep(after)

    return app


@within(10)
async def test_the_next_request_does_not_wait_for_the_app_to_return() -> None:
    async with serving(plain(b"ok", after=3600)) as server, connected(server.port) as peer:
        for _ in range(3):
            assert await peer.body(await peer.get("/")) == b"ok"


@within(10)
async def test_a_client_that_waits_for_100_is_told_to_go_on_when_its_body_is_wanted() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        ask = "POST {} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        await peer.send(ask.format("/size").encode())
        assert (await peer.head()).status == 100
        await peer.send(b"abc")
        head = await peer.head()
        assert (head.status, await peer.body(head)) == (200, b"3")


@within(10)
async def test_a_body_that_does_not_come_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_connection, "BODY_SECONDS", 0.2)
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"POST /size HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\n\r\na")
        assert (await peer.head()).status == 408
        assert await peer.ended() == b""


@within(10)
async def test_a_stream_goes_on_while_its_body_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_connection, "BODY_SECONDS", 0.1)
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"POST /posted HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n")
        assert (await peer.head()).status == 200
        await peer.event()
        with trio.move_on_after(0.4):
            await peer.ended()
            raise AssertionError


@within(10)
async def test_an_upload_that_the_app_does_not_read_is_slowed_down_and_kept_small() -> None:
    started, go_on = trio.Event(), trio.Event()
    received = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal received
        if scope["type"] == "lifespan":
            await plain(b"")(scope, receive, send)
            return
        started.set()
        await go_on.wait()
        more = True
        while more:
            message = await receive()
            received += len(message["body"])
            more = message["more_body"]
        await plain(b"ok")(scope, receive, send)

    size = 30_000_000
    async with serving(app) as server, connected(server.port) as peer, trio.open_nursery() as nursery:
        await peer.send(f"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {size}\r\n\r\n".encode())
        sent = trio.Event()

        async def upload() -> None:
            await peer.send(b"x" * size)
            sent.set()

        nursery.start_soon(upload)
        await started.wait()
        with trio.move_on_after(0.3):
            await sent.wait()
            raise AssertionError("30 MB have been taken from the client")
        go_on.set()
        assert await peer.body(await peer.head()) == b"ok"
    assert received == size


# -- the forms of requests


@within(10)
async def test_pipelined_requests_are_answered_in_order() -> None:
    ask = b"POST /size HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n%b"
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"\r\n".join(ask % (size, b"x" * size) for size in (3, 1, 2)))
        assert [await peer.body(await peer.head()) for _ in range(3)] == [b"3", b"1", b"2"]


@pytest.mark.parametrize("size", [1, 7, 1000])
@within(10)
async def test_a_request_may_come_in_pieces(size: int) -> None:
    data = b"POST /size HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n"
    async with serving(APP) as server, connected(server.port) as peer:
        for start in range(0, len(data), size):
            await peer.send(data[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        assert await peer.body(await peer.head()) == b"3"
        assert await peer.body(await peer.get("/hello")) == b"hello"


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "kept"),
    [
        ("GET /hello HTTP/1.0", "", 200, False),
        ("GET /hello HTTP/1.0", "connection: keep-alive\r\n", 200, True),
        ("GET http://127.0.0.1/hello HTTP/1.1", "host: other\r\n", 200, True),
        ("OPTIONS * HTTP/1.1", "host: 127.0.0.1\r\n", 400, True),
        ("GET /hello HTTP/1.1", "host: 127.0.0.1\r\nconnection: close\r\n", 200, False),
        ("HEAD /hello HTTP/1.1", "host: 127.0.0.1\r\n", 200, True),
        ("CONNECT a:443 HTTP/1.1", "host: a:443\r\n", 501, False),
    ],
)
@within(10)
async def test_forms_of_requests(request_line: str, headers: str, status: int, kept: bool) -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(f"{request_line}\r\n{headers}\r\n".encode())
        head = await peer.head()
        assert head.status == status
        if not request_line.startswith("HEAD"):
            await peer.body(head)
        if kept:
            assert await peer.body(await peer.get("/hello")) == b"hello"
        else:
            assert await peer.ended() == b""


# -- other protocols


@within(10)
async def test_http2_without_tls_is_spoken_where_it_is_asked_for() -> None:
    async with serving(APP) as server:
        async with connected_by_http2(server.port, None) as peer:
            assert await peer.whole(await peer.get("/hello")) == b"hello"
        async with upgraded_to_http2(server.port, "/hello") as peer:
            assert await peer.whole(1) == b"hello"


@within(10)
async def test_and_not_elsewhere() -> None:
    upgrade = {"upgrade": "h2c", "connection": "Upgrade, HTTP2-Settings", "http2-settings": "AAMAAABkAAQAAP__"}
    async with serving(APP, h2c=False) as server:
        async with connected(server.port) as peer:
            head = await peer.get("/hello", **upgrade)
            assert (head.status, await peer.body(head)) == (200, b"hello")
        async with connected(server.port) as peer:
            await peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert (await peer.head()).status == 400
            assert await peer.ended() == b""


@pytest.mark.parametrize(
    "upgrade",
    [
        {"upgrade": "h2c", "connection": "Upgrade"},
        {"upgrade": "h2c", "connection": "Upgrade", "http2-settings": "AAMAAABkAAQAAP__"},
        {"upgrade": "h2c", "connection": "HTTP2-Settings", "http2-settings": "AAMAAABkAAQAAP__"},
        {"upgrade": "h2c", "connection": "Upgrade, HTTP2-Settings", "http2-settings": "!"},
        {"upgrade": "h2c", "connection": "Upgrade, HTTP2-Settings", "http2-settings": "AAM"},
        {"upgrade": "h2c, websocket", "connection": "Upgrade"},
    ],
)
@within(10)
async def test_a_wrong_upgrade_is_none(upgrade: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        for _ in range(2):
            head = await peer.get("/hello", **{name.replace("-", "_"): value for name, value in upgrade.items()})
            assert (head.status, await peer.body(head)) == (200, b"hello")
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@within(10)
async def test_hypercorn_may_speak_http1() -> None:
    async with serving(APP, http1="hypercorn") as server, connected(server.port) as peer:
        assert await peer.body(await peer.get("/hello")) == b"hello"
        await peer.get("/events")
        assert (await peer.event())["data"] == "hello"


# -- the access log


@within(10)
async def test_each_request_has_one_line_and_strangers_forge_none(caplog: pytest.LogCaptureFixture) -> None:
    access = logging.getLogger("test.access")
    caplog.set_level(logging.INFO, logger="test.access")
    LEFT.clear()
    async with serving(APP, accesslog=access, access_log_format="%(m)s %(U)s %(s)s") as server:
        async with connected(server.port) as peer:
            await peer.body(await peer.get("/hello"))
            await peer.body(await peer.get("/nowhere%0d%0aGET"))
        async with connected(server.port) as peer:
            await peer.get("/events")
            await peer.event()
        async with connected(server.port) as peer:
            await peer.request("GET", "/slow")
            await trio.sleep(0.05)
        await until(lambda: len(LEFT) == 2, 2)
    lines = [record.getMessage() for record in caplog.records if record.name == "test.access"]
    assert lines == ["GET /hello 200", "GET /nowhere\\r\\nGET 400", "GET /events 200", "GET /slow 499"]
