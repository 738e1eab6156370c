"""Clients that others wrote read our streams: curl, httpx with httpx-sse, and the npm package eventsource."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest

from examples.notifications import app as notifications
from trio_sse import App

from .limits import within
from .notifications import NAMES, STORY, Notifications, notifying, telling
from .npm import npm_eventsource
from .programs import Program, running
from .serving import Certificate, Server, serving

OURS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
}
RESUMED = [None, "2", "4"]
# httpx and httpx-sse leave it to the garbage collector when the reader goes before the end; ours are still errors
LEAVES_GENERATORS = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")


def check_headers(headers: Mapping[str, str]) -> None:
    """The headers of a stream: ours, and none that HTTP/2 forbids or that lets other origins in."""
    assert {name: headers.get(name) for name in OURS} == OURS
    assert "connection" not in headers
    assert "content-length" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]


@asynccontextmanager
async def curling(*options: str) -> AsyncIterator[Program]:
    async with running("curl", "--silent", "--show-error", "--no-buffer", "--include", *options) as program:
        yield program


async def curl_head(program: Program) -> tuple[str, dict[str, str]]:
    status, headers = await program.line(), {}
    while line := await program.line():
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return status.strip(), headers


@pytest.fixture(params=["http/1.1", "h2"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def speaking(app: object, protocol: str, certificate: Certificate) -> AsyncIterator[Server]:
    """Serve in the clear for HTTP/1.1, with TLS for HTTP/2."""
    async with serving(app, certificate=certificate if protocol == "h2" else None) as server:
        yield server


@asynccontextmanager
async def httpx_client(protocol: str, certificate: Certificate) -> AsyncIterator[httpx.AsyncClient]:
    options = {"http2": True, "verify": certificate.context()} if protocol == "h2" else {}
    async with httpx.AsyncClient(trust_env=False, timeout=5, **options) as client:  # type: ignore[arg-type]
        yield client


# -- live: an event arrives when it is published, not when a buffer is full


@within(15)
async def test_curl_shows_each_event_at_once(curl: str, protocol: str, certificate: Certificate) -> None:
    notifications = Notifications()
    version = {"http/1.1": ("--http1.1",), "h2": ("--http2", "--cacert", str(certificate.authority))}[protocol]
    async with (
        speaking(notifying(notifications), protocol, certificate) as server,
        curling(*version, f"{server.url}/notifications/stream") as program,
    ):
        status, headers = await curl_head(program)
        assert status == {"http/1.1": "HTTP/1.1 200 OK", "h2": "HTTP/2 200"}[protocol]
        check_headers(headers)
        assert await program.frame() == {"event": "connected", "data": '{"status":"ok"}'}
        await notifications.arrived.wait()
        for n in (1, 2):
            notifications.publish({"n": n})
            assert await program.frame() == {"event": "notification", "id": str(n), "data": f'{{"n":{n}}}'}
        program.terminate()
        await notifications.left.wait()


@LEAVES_GENERATORS
@within(10)
async def test_httpx_gets_each_event_at_once(protocol: str, certificate: Certificate) -> None:
    notifications = Notifications()
    async with (
        speaking(notifying(notifications), protocol, certificate) as server,
        httpx_client(protocol, certificate) as client,
    ):
        async with httpx_sse.aconnect_sse(client, "GET", f"{server.url}/notifications/stream") as source:
            assert source.response.http_version == {"http/1.1": "HTTP/1.1", "h2": "HTTP/2"}[protocol]
            check_headers(source.response.headers)
            events = aiter(source.aiter_sse())
            first = await anext(events)
            assert (first.event, first.json()) == ("connected", {"status": "ok"})
            await notifications.arrived.wait()
            for n in (1, 2):
                notifications.publish({"n": n})
                event = await anext(events)
                assert (event.event, event.id, event.json()) == ("notification", str(n), {"n": n})
            assert not notifications.left.is_set()
        await client.aclose()  # over HTTP/2 httpx resets no stream: the server learns of it with the connection's end
        await notifications.left.wait()


@within(15)
@pytest.mark.parametrize("way", ["http", "https", "h2"])
async def test_npm_eventsource_gets_each_event_at_once(node_modules: Path, way: str, certificate: Certificate) -> None:
    notifications, versions = Notifications(), list[str]()
    trusted = None if way == "http" else certificate
    async with (
        serving(noting(notifying(notifications), versions), certificate=trusted) as server,
        npm_eventsource(f"{server.url}/notifications/stream", *NAMES, certificate=trusted, http2=way == "h2") as source,
    ):
        assert await source.happening() == {"kind": "open", "readyState": 1}
        assert await source.event() == ("connected", "", '{"status":"ok"}')
        await notifications.arrived.wait()
        for n in (1, 2):
            notifications.publish({"n": n})
            assert await source.event() == ("notification", str(n), f'{{"n":{n}}}')
        source.program.terminate()
        await notifications.left.wait()
    assert versions == ["2" if way == "h2" else "1.1"]


def noting(app: App, versions: list[str]) -> Any:
    """The app, with the HTTP version of each request noted."""

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            versions.append(scope["http_version"])
        await app(scope, receive, send)

    return noted


# -- the example


@within(15)
async def test_the_notification_example_answers_curl_and_npm_eventsource(
    curl: str, node_modules: Path, protocol: str, certificate: Certificate
) -> None:
    trusted = certificate if protocol == "h2" else None
    version = {"http/1.1": ("--http1.1",), "h2": ("--http2", "--cacert", str(certificate.authority))}[protocol]
    async with speaking(notifications, protocol, certificate) as server, httpx_client(protocol, certificate) as client:
        url = f"{server.url}/notifications/stream"
        async with (
            curling(*version, url) as program,
            npm_eventsource(url, *NAMES, "stream-position", certificate=trusted, http2=protocol == "h2") as source,
        ):
            assert " 200" in (await curl_head(program))[0]
            position = await program.frame()
            assert position == {"event": "stream-position", "id": position["id"], "data": "null"}
            assert await source.event() == ("stream-position", position["id"], "null")
            published = await client.post(f"{server.url}/notifications", json={"title": "Tea is ready"})
            assert published.status_code == 200
            assert json.loads((await program.frame())["data"]) == published.json()
            assert json.loads((await source.event())[2]) == published.json()


# -- in parts: the stream ends, the client comes back with the last id, and Done() stops it


@within(15)
@pytest.mark.parametrize("way", ["http", "https", "h2"])
async def test_npm_eventsource_resumes_and_is_stopped_by_done(
    node_modules: Path, way: str, certificate: Certificate
) -> None:
    resumed_from: list[str | None] = []
    trusted = None if way == "http" else certificate
    async with (
        serving(telling(resumed_from), certificate=trusted) as server,
        npm_eventsource(f"{server.url}/story", *NAMES, certificate=trusted, http2=way == "h2") as source,
    ):
        for number, part in enumerate(STORY, 1):
            assert await source.event() == ("chapter", str(number), part)
        assert (await source.closed())["code"] == 204
    assert resumed_from == RESUMED


@within(10)
async def test_httpx_reads_a_stream_to_its_end_and_resumes(protocol: str, certificate: Certificate) -> None:
    resumed_from: list[str | None] = []
    told: list[tuple[str, str, str]] = []
    last_event_id = ""
    async with (
        speaking(telling(resumed_from), protocol, certificate) as server,
        httpx_client(protocol, certificate) as client,
    ):
        while True:
            headers = {"last-event-id": last_event_id} if last_event_id else {}
            async with httpx_sse.aconnect_sse(client, "GET", f"{server.url}/story", headers=headers) as source:
                if source.response.status_code == 204:
                    break
                async for event in source.aiter_sse():
                    last_event_id = event.id
                    if event.event == "chapter":
                        told.append((event.event, event.id, event.data))
    assert told == [("chapter", str(number), part) for number, part in enumerate(STORY, 1)]
    assert resumed_from == RESUMED


@within(15)
async def test_curl_sees_the_end_of_a_stream_as_success(curl: str, protocol: str, certificate: Certificate) -> None:
    version = {"http/1.1": ("--http1.1",), "h2": ("--http2", "--cacert", str(certificate.authority))}[protocol]
    async with (
        speaking(telling([]), protocol, certificate) as server,
        curling(*version, "--header", "Last-Event-ID: 2", f"{server.url}/story") as program,
    ):
        await curl_head(program)
        assert await program.line() == "retry: 10"
        assert await program.wait() == 0
        assert program.output[-3:] == ["id: 4", f"data: {STORY[3]}", ""]


@within(15)
async def test_curl_sees_204_after_done(curl: str, protocol: str, certificate: Certificate) -> None:
    resumed_from: list[str | None] = []
    version = {"http/1.1": ("--http1.1",), "h2": ("--http2", "--cacert", str(certificate.authority))}[protocol]
    async with speaking(telling(resumed_from), protocol, certificate) as server:
        async with curling(*version, "--header", "Last-Event-ID: 4", f"{server.url}/story") as program:
            assert await program.wait() == 0
        done = next(line for line in reversed(program.output) if line.startswith("id: "))
        async with curling(*version, "--header", f"Last-Event-ID: {done[4:]}", f"{server.url}/story") as program:
            status, headers = await curl_head(program)
            assert await program.wait() == 0
    assert status.split()[1] == "204"
    assert "content-type" not in headers
    assert resumed_from == ["4"], "the handler ran for a client that was told not to come back"


@within(10)
async def test_json_beside_the_stream(protocol: str, certificate: Certificate) -> None:
    """One connection: a page, then a stream to its end, then the page again."""
    async with (
        speaking(telling([], "<p>Hello</p>"), protocol, certificate) as server,
        httpx_client(protocol, certificate) as client,
    ):
        for path, expected in (("/", "<p>Hello</p>"), ("/story", None), ("/", "<p>Hello</p>")):
            response = await client.get(server.url + path)
            assert response.status_code == 200
            assert expected is None or response.text == expected
        assert json.loads((await client.get(server.url + "/nowhere")).text)["status"] == 404
