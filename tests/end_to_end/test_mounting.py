"""Our app among others: inside Starlette, and with Starlette's middleware around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from trio_sse import SSE, App, Get
from trio_sse.errors import LifespanError

from .limits import within
from .serving import serving
from .sockets import connected

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
