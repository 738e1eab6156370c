"""Our app among others: inside Starlette, with Starlette's middleware around it, and with others mounted in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from h2.errors import ErrorCodes
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from trio_websocket import ConnectionClosed

import trio_sse
from trio_sse import SSE, App, Get
from trio_sse.errors import LifespanError

from .http2 import connected_by_http2
from .limits import within
from .programs import process
from .serving import serving
from .sockets import Truncated, connected
from .websockets import websocket

ORIGIN = "https://page.example"


async def stream(room: str) -> AsyncIterator[Any]:
    yield {"event": "joined", "data": {"room": room}}


def hello(name: str) -> dict[str, str]:
    return {"hello": name}


async def count(app_nursery: trio.Nursery) -> AsyncIterator[Any]:
    send, receive = trio.open_memory_channel[int](0)

    async def produce() -> None:
        async with send:
            for number in range(3):
                await send.send(number)

    app_nursery.start_soon(produce)
    async with receive:
        async for number in receive:
            yield {"data": str(number)}


OURS = App().add(
    SSE("/rooms/:room/events").handle(stream),
    Get("/hello/:name").handle(hello),
    SSE("/count").handle(count),
)


@within(10)
async def test_cors_is_starlettes_to_add() -> None:
    """The preflight is answered, and a stream says which origin may read it."""
    app = CORSMiddleware(
        OURS, allow_origins=[ORIGIN], allow_credentials=True, allow_headers=["last-event-id"], allow_methods=["GET"]
    )
    async with serving(app) as server, connected(server.port) as peer:
        await peer.request(
            "OPTIONS",
            "/rooms/blue/events",
            origin=ORIGIN,
            access_control_request_method="GET",
            access_control_request_headers="last-event-id",
        )
        head = await peer.head()
        await peer.body(head)
        assert head.status == 200
        assert head.headers["access-control-allow-origin"] == ORIGIN
        assert "last-event-id" in head.headers["access-control-allow-headers"].lower()

        head = await peer.get("/rooms/blue/events", origin=ORIGIN)
        assert head.status == 200
        assert head.headers["access-control-allow-origin"] == ORIGIN
        assert head.headers["access-control-allow-credentials"] == "true"
        assert await peer.event() == {"event": "joined", "data": '{"room":"blue"}'}
        with pytest.raises(EOFError):
            await peer.event()

        head = await peer.get("/rooms/blue/events", origin="https://elsewhere.example")
        assert "access-control-allow-origin" not in head.headers


@within(10)
async def test_the_lifespan_runs_through_middleware() -> None:
    app = CORSMiddleware(OURS, allow_origins=[ORIGIN])
    async with serving(app) as server, connected(server.port) as peer:
        assert (await peer.get("/count")).status == 200
        assert [(await peer.event())["data"] for _ in range(3)] == ["0", "1", "2"]


@within(10)
async def test_paths_are_ours_below_a_mount() -> None:
    async with serving(Starlette(routes=[Mount("/api", OURS)])) as server, connected(server.port) as peer:
        assert await peer.json("/api/hello/world") == {"hello": "world"}
        assert await peer.json("/api/hello/a%2Fb") == {"hello": "a/b"}
        assert (await peer.get("/api/rooms/blue/events")).status == 200
        assert await peer.event() == {"event": "joined", "data": '{"room":"blue"}'}
        with pytest.raises(EOFError):
            await peer.event()
        for path in ("/hello/world", "/api/nowhere", "/api/api/hello/world"):
            head = await peer.get(path)
            assert (path, head.status) == (path, 404)
            await peer.body(head)


@within(10)
async def test_the_app_nursery_needs_the_lifespan(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Starlette(routes=[Mount("/api", OURS)])) as server, connected(server.port) as peer:
        head = await peer.get("/api/count")
        assert head.status == 500
        assert json.loads(await peer.body(head)) == {"title": "Internal Server Error", "status": 500}
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [type(error) for error in errors] == [LifespanError]
    assert "app.lifespan()" in str(errors[0])


@within(10)
async def test_the_outer_apps_lifespan_runs_ours() -> None:
    @asynccontextmanager
    async def lifespan(_outer: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with OURS.lifespan() as state:
            yield state

    app = Starlette(routes=[Mount("/api", OURS)], lifespan=lifespan)
    async with serving(app) as server, connected(server.port) as peer:
        assert (await peer.get("/api/count")).status == 200
        assert [(await peer.event())["data"] for _ in range(3)] == ["0", "1", "2"]


async def fails() -> AsyncIterator[Any]:
    yield {"data": 1}
    raise LookupError("mine")


async def fails_at_once() -> AsyncIterator[Any]:
    raise LookupError("mine")
    yield


FAILING = App().add(SSE("/late").handle(fails), SSE("/at-once").handle(fails_at_once), Get("/fine").handle(lambda: 1))


async def pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


def once(app: Any) -> Any:
    return BaseHTTPMiddleware(app, dispatch=pass_on)


MIDDLEWARES: dict[str, Callable[[Any], Any]] = {
    "BaseHTTPMiddleware": once,
    "two of them": lambda app: once(once(app)),
    "GZipMiddleware": GZipMiddleware,
    "a mount with one": lambda app: Starlette(
        routes=[Mount("/", app)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)]
    ),
}


@pytest.mark.parametrize("path", ["/late", "/at-once"])
@pytest.mark.parametrize("middleware", MIDDLEWARES.values(), ids=MIDDLEWARES)
@within(10)
async def test_a_failed_stream_is_broken_off_whatever_is_around_it(middleware: Callable[[Any], Any], path: str) -> None:
    """BaseHTTPMiddleware sends a proper end after an error of the app."""
    async with serving(middleware(FAILING)) as server:
        async with connected(server.port) as peer:
            assert (await peer.get(path)).status == 200
            body = b""
            with pytest.raises(Truncated):  # noqa: PT012 - it may come with any chunk
                while chunk := await peer.chunk():
                    body += chunk
            assert body.endswith(b'event: stream-error\ndata: {"title":"Internal Server Error","status":500}\n\n')
        async with connected(server.port) as peer:
            assert [await peer.json("/fine") for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("path", ["/late", "/at-once"])
@pytest.mark.parametrize("middleware", [lambda app: app, *MIDDLEWARES.values()], ids=["nothing", *MIDDLEWARES])
@within(10)
async def test_over_http2_its_stream_is_reset_after_the_event(middleware: Callable[[Any], Any], path: str) -> None:
    async with serving(middleware(FAILING)) as server, connected_by_http2(server.port, None) as peer:
        fine, failed = await peer.get("/fine"), await peer.get(path)
        body = await peer.whole(failed)
        assert body.endswith(b'event: stream-error\ndata: {"title":"Internal Server Error","status":500}\n\n')
        assert b"1" in await peer.whole(fine)
        assert peer.resets == {failed: ErrorCodes.INTERNAL_ERROR}
        assert b"1" in await peer.whole(await peer.get("/fine")), "the connection goes on"


@within(20)
async def test_on_stock_hypercorn_such_a_middleware_hides_the_break_but_not_the_event() -> None:
    """A limit that docs/how-to/errors.md describes. If this fails, it has gone."""
    async with process("hypercorn", "end_to_end.test_mounting:WRAPPED") as server, connected(server.port) as peer:
        body = await peer.body(await peer.get("/late"))
        assert body.endswith(b'event: stream-error\ndata: {"title":"Internal Server Error","status":500}\n\n')


WRAPPED = once(FAILING)


# -- the other way round


async def parts(_request: Request) -> StreamingResponse:
    async def content() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode()
            await trio.lowlevel.checkpoint()

    return StreamingResponse(content())


async def shout(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text((await socket.receive_text()).upper())
    await socket.close()


async def state(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.word)


@asynccontextmanager
async def with_a_word(_app: Starlette) -> AsyncIterator[dict[str, str]]:
    yield {"word": "hello"}


THEIRS = Starlette(
    routes=[Route("/parts", parts), Route("/state", state), WebSocketRoute("/shout", shout)], lifespan=with_a_word
)
FILES = StaticFiles(directory=Path(__file__).parent)
HOST = OURS.add(trio_sse.Mount("/theirs", THEIRS), trio_sse.Mount("/static", FILES))
THIS_FILE = Path(__file__).read_bytes()


@pytest.mark.parametrize("command", ["trio-sse", "hypercorn"])
@within(30)
async def test_apps_of_others_are_served_below_ours(command: str) -> None:
    async with process(command, "end_to_end.test_mounting:HOST") as server:
        async with connected(server.port) as peer:
            for _ in range(3):
                assert await peer.body(await peer.get("/theirs/parts")) == b"012"
                assert await peer.body(await peer.get("/theirs/state")) == b"hello"
                assert await peer.body(await peer.get("/static/test_mounting.py")) == THIS_FILE
                assert await peer.json("/hello/world") == {"hello": "world"}
                head = await peer.get("/static/none")
                assert (head.status, json.loads(await peer.body(head))["status"]) == (404, 404)
        async with websocket(f"ws://127.0.0.1:{server.port}/theirs/shout") as socket:
            await socket.send_message("hello")
            assert await socket.get_message() == "HELLO"
            with pytest.raises(ConnectionClosed):
                await socket.get_message()


@within(10)
async def test_a_mounted_app_that_fails_to_start_fails_the_server() -> None:
    @asynccontextmanager
    async def failing(_app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="LookupError: no database"), flatten_subgroups=True):
        async with serving(OURS.add(trio_sse.Mount("/x", Starlette(lifespan=failing)))):
            pytest.fail("it has started")


@within(10)
async def test_a_response_of_a_mounted_app_ends_with_the_time_for_the_shutdown() -> None:
    started = trio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            started.set()
            await trio.sleep_forever()

    app = App().add(trio_sse.Mount("/x", endless))
    async with serving(app, graceful_timeout=0.1) as server, connected(server.port) as peer:
        await peer.request("GET", "/x")
        await started.wait()
        with trio.fail_after(3):
            await server.shut_down()
