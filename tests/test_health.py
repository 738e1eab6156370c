"""Health checks: whether the app lives, and whether it takes more clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App, Limits
from trio_sse._runtime.server_extension import EXTENSION, Drain, ServerExtension
from trio_sse.errors import BuildError
from trio_sse.health import liveness, readiness
from trio_sse.testing import TestClient, TestResponse

OVERLOADED = {EXTENSION: ServerExtension(Drain(), overloaded=True)}


async def waiting() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    await trio.sleep_forever()


def client_of(limits: Limits | None = None) -> TestClient:
    app = App(limits=limits or Limits()).add(
        SSE("/events").handle(waiting), live=liveness("/live"), ready=readiness("/ready")
    )
    return TestClient(app)


def told(reply: TestResponse) -> tuple[int, str]:
    assert reply.headers["cache-control"] == "no-store"
    body = reply.json()
    return reply.status, body.get("status") if reply.status == 200 else body["detail"]


async def test_an_app_that_runs_is_alive_and_ready(autojump_clock: MockClock) -> None:
    async with client_of() as client:
        live, ready = await client.get("/live"), await client.get("/ready")
    assert (told(live), told(ready)) == ((200, "alive"), (200, "ready"))
    assert live.headers["content-type"] == ready.headers["content-type"] == "application/json"


async def test_an_app_that_drains_is_alive_and_not_ready(autojump_clock: MockClock) -> None:
    client = client_of()
    client.drain(10)
    assert told(await client.get("/live")) == (200, "alive")
    reply = await client.get("/ready")
    assert told(reply) == (503, "The server is shutting down.")
    assert reply.headers["content-type"] == "application/problem+json"
    assert (await client.get("/events")).status == 503


async def test_an_app_with_as_many_streams_as_may_be_is_alive_and_not_ready(autojump_clock: MockClock) -> None:
    client = client_of(Limits(streams=2))
    async with client.stream("/events"):
        assert told(await client.get("/ready")) == (200, "ready")
        async with client.stream("/events"):
            assert told(await client.get("/ready")) == (503, "Too many streams are open.")
            assert told(await client.get("/live")) == (200, "alive")
        assert told(await client.get("/ready")) == (200, "ready")


async def test_a_server_without_room_is_alive_and_not_ready(autojump_clock: MockClock) -> None:
    client = client_of()
    assert told(await client.get("/live", extensions=OVERLOADED)) == (200, "alive")
    overloaded = (503, "The server has no room for more connections.")
    assert told(await client.get("/ready", extensions=OVERLOADED)) == overloaded


async def test_a_server_that_says_nothing_of_itself_is_no_reason(autojump_clock: MockClock) -> None:
    client = client_of(Limits(streams=1))
    assert told(await client.get("/ready", extensions={})) == (200, "ready")
    async with client.stream("/events", extensions={}):
        assert told(await client.get("/ready", extensions={})) == (503, "Too many streams are open.")


async def test_head_is_answered_likewise(autojump_clock: MockClock) -> None:
    """Many a load balancer asks by HEAD; for that no handler runs."""
    client = client_of()
    assert (await client.request("HEAD", "/ready")).status == 200
    assert (await client.request("HEAD", "/live")).status == 200
    client.drain(10)
    assert (await client.request("HEAD", "/ready")).status == 503
    assert (await client.request("HEAD", "/live")).status == 200


async def test_an_event_source_gets_the_status_too(autojump_clock: MockClock) -> None:
    """A check is no stream, whatever its client accepts."""
    client = client_of()
    client.drain(10)
    assert (await client.get("/ready", headers={"accept": "text/event-stream"})).status == 503


async def test_a_check_is_nobody_who_was_turned_away(autojump_clock: MockClock) -> None:
    client = client_of()
    client.drain(10)
    await client.get("/ready")
    assert client.app.statistics().refused == {}


async def test_they_are_routes_like_any_other(autojump_clock: MockClock) -> None:
    seen: list[str] = []
    app = App().add(ready=readiness("/ready").use(lambda request: seen.append(request.path)))
    assert app.url("ready") == "/ready"
    await TestClient(app).get("/ready")
    assert seen == ["/ready"]
    assert repr(liveness("/live")).startswith("Get('/live')")


def test_a_wrong_path_is_found_at_once() -> None:
    with pytest.raises(BuildError):
        liveness("live")
