"""A stream that is cut off whose client does not come back: it is told so as of an error, in the app's shape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App, EventStream, Post, Request, Response, StreamOptions
from trio_sse.errors import HTTPException
from trio_sse.testing import TestClient

SHUTTING_DOWN = (
    b"event: stream-error\n"
    b'data: {"title":"Service Unavailable","status":503,"detail":"The server is shutting down."}\n\n'
)
EXPIRED = (
    b'event: stream-error\ndata: {"title":"Unauthorized","status":401,"detail":"The credentials have expired."}\n\n'
)


async def ticks() -> AsyncIterator[Any]:
    while True:
        yield {"data": "tick"}
        await trio.sleep(2)


def shaped(error: HTTPException, _request: Request) -> Response:
    return Response({"error": error.detail}, status=error.status)


ROUTES = {
    "SSE": SSE("/", method="POST").handle(ticks),
    "Post": Post("/").handle(lambda: EventStream(ticks())),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
async def test_a_shutdown_that_takes_too_long_is_the_last_event(route: Any, autojump_clock: MockClock) -> None:
    client = TestClient(App().add(route))
    async with client.stream("/", method="POST") as stream:
        await trio.sleep(1)
        client.drain(4)
        await stream.ended()
        assert stream.raw == b":\n" + 3 * b"data: tick\n\n" + SHUTTING_DOWN
        assert not stream.complete


async def test_the_event_has_the_shape_of_the_app(autojump_clock: MockClock) -> None:
    client = TestClient(App(error_response=shaped, error_event=None).add(ROUTES["Post"]))
    async with client.stream("/", method="POST") as stream:
        client.drain(1)
        await stream.ended()
        assert stream.raw == b':\ndata: tick\n\ndata: {"error":"The server is shutting down."}\n\n'


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
async def test_expired_credentials_are_the_last_event(route: Any, autojump_clock: MockClock) -> None:
    async def short(expire_at: Any) -> None:
        expire_at(1)

    app = App(wall_clock=lambda: 0.0).add(route.use(short))
    async with TestClient(app).stream("/", method="POST") as stream:
        await stream.ended()
        assert stream.raw == b":\ndata: tick\n\n" + EXPIRED
        assert not stream.complete


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_client_that_comes_back_gets_no_error(method: str, autojump_clock: MockClock) -> None:
    """It is told when to come back; one that asks by POST only if the route says that it does."""
    route = SSE("/", method=method).on_shutdown("reconnect").handle(ticks)
    client = TestClient(App().add(route))
    async with client.stream("/", method=method) as stream:
        await stream.event()
        client.drain(1)
        await stream.ended()
        assert stream.raw.startswith(b":\ndata: tick\n\nretry: ")
        assert stream.complete


async def test_a_lifetime_that_is_over_has_no_event_of_its_own(autojump_clock: MockClock) -> None:
    route = Post("/").handle(lambda: EventStream(ticks(), options=StreamOptions(lifetime=1.5)))
    async with TestClient(App().add(route)).stream("/", method="POST") as stream:
        await stream.ended()
        assert stream.raw == b":\ndata: tick\n\n"
        assert not stream.complete
