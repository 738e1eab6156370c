"""The six places in which the system that this library ports contradicts its own page: here each promise holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_sse import SSE, Aborted, App, Forbidden, Headers, Unauthorized

from .http2 import connected_by_http2
from .limits import within
from .programs import process
from .serving import Certificate, serving
from .sockets import connected


@within(10)
@pytest.mark.parametrize("way", ["close", "reset", "half_close"])
async def test_1_an_idle_handler_is_cleaned_up_at_once(way: str) -> None:
    """No heartbeat, no further event: the disconnect itself ends the handler."""
    reasons: list[str | None] = []
    left = trio.Event()

    async def idle(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "ready"}
            await trio.sleep_forever()
        finally:
            reasons.append(aborted.reason)
            left.set()

    async with serving(App().add(SSE("/").heartbeat(None).handle(idle))) as server, connected(server.port) as peer:
        await peer.get("/")
        await peer.event()
        if way == "half_close":
            await peer.half_close()
        else:
            getattr(peer, way)()
        with trio.fail_after(1):
            await left.wait()
    assert reasons == ["client_gone"]


@attrs.frozen
class Authenticated:
    user: str


def auth(headers: Headers, cookies: Mapping[str, str]) -> Authenticated:
    if headers.get("authorization") != "Bearer open sesame":
        raise Unauthorized("Say who you are.")
    return Authenticated(cookies["name"])


@within(10)
async def test_2_steps_see_headers_and_cookies_on_a_stream() -> None:
    async def welcome(user: str) -> AsyncIterator[Any]:
        yield {"event": "welcome", "data": {"name": user}}

    app = App().add(SSE("/").use(auth).guard(lambda user: user == "ada").handle(welcome))
    async with serving(app) as server, connected(server.port) as peer:
        head = await peer.get("/", authorization="Bearer open sesame", cookie="theme=dark; name=ada")
        assert head.status == 200
        assert await peer.event() == {"event": "welcome", "data": '{"name":"ada"}'}


@attrs.frozen
class Since:
    since: int


def refuse() -> None:
    raise Forbidden("Not today.")


@within(10)
async def test_3_what_fails_before_the_stream_is_a_real_status() -> None:
    entered: list[str] = []

    async def never() -> AsyncIterator[Any]:
        entered.append("handler")
        yield {"data": "never"}

    app = App().add(
        SSE("/query").query(Since).handle(never),
        SSE("/guard").guard(lambda: False).handle(never),
        SSE("/middleware").use(auth).handle(never),
        SSE("/refused").use(refuse).handle(never),
    )
    expected = {"/query?since=x": 422, "/query": 422, "/guard": 403, "/middleware": 401, "/refused": 403}
    async with serving(app) as server, connected(server.port) as peer:
        for path, status in expected.items():
            head = await peer.get(path, accept="text/event-stream")
            assert (path, head.status) == (path, status)
            assert head.headers["content-type"] == "application/problem+json"
            assert json.loads(await peer.body(head))["status"] == status
            assert ("www-authenticate" in head.headers) == (status == 401)
    assert entered == []


async def short() -> AsyncIterator[Any]:
    yield {"data": "all"}


@within(10)
async def test_4_no_origin_is_let_in_unasked() -> None:
    async with serving(App().add(SSE("/").handle(short))) as server, connected(server.port) as peer:
        for path in ("/", "/nowhere"):
            head = await peer.get(path, origin="https://elsewhere.example")
            assert not [name for name in head.headers if name.startswith("access-control-")]
            await peer.body(head)


@within(20)
async def test_5_a_client_that_does_not_read_stops_the_handler() -> None:
    """And one that reads again sets it going again."""
    event = {"data": "x" * 1024}
    yielded = 0
    goal, reached = float("inf"), trio.Event()

    async def flood() -> AsyncIterator[Any]:
        nonlocal yielded
        while True:
            yield event
            yielded += 1
            if yielded >= goal:
                reached.set()

    app = App().add(SSE("/").handle(flood))
    async with serving(app) as server, connected(server.port, receive_buffer=8192) as peer:
        await peer.get("/")
        await wait_all_tasks_blocked(0.1)
        stopped_at = yielded
        assert 0 < stopped_at < 8000, "more than the kernel's buffers hold"
        await wait_all_tasks_blocked(0.1)
        assert yielded == stopped_at
        goal = stopped_at + 3
        for _ in range(stopped_at):
            assert await peer.event() == event
        await reached.wait()


@within(20)
async def test_5_a_client_that_gives_no_window_stops_the_handler_over_http2(certificate: Certificate) -> None:
    """In a process of its own, which can be killed: see test_server for what a stalled client did to a shutdown."""
    secure = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    async with (
        process("trio-sse", "end_to_end.apps:flooding", *secure) as server,
        connected_by_http2(server.port, certificate) as peer,
    ):
        await peer.get("/flood/one")
        with trio.move_on_after(1):
            await server.line_with("one left")
        assert "one left" not in server.output, "25 MB went into a buffer"


@within(10)
async def test_6_an_app_of_nothing_but_streams_serves() -> None:
    async with serving(App().add(SSE("/only").handle(short))) as server, connected(server.port) as peer:
        assert (await peer.get("/only")).status == 200
        assert await peer.event() == {"data": "all"}
