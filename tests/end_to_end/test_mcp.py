"""The MCP SDK's own app, mounted and served directly, under the SDK's client, all of it on Trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from examples.mcp_mount import make_app
from trio_sse import App, Mount

from .limits import within
from .mcp_apps import sdk_app
from .programs import process
from .serving import serving
from .sockets import connected

SESSIONS = 8

MODES = ("legacy", "auto")
"""The protocol with a session and a stream for what the server has to say, and the one that is tried first today."""

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp\\.client):ResourceWarning")
"""The SDK's client leaves the streams of responses to the garbage collector."""


@asynccontextmanager
async def session(url: str, mode: str, opened: list[str] | None = None) -> AsyncIterator[Client]:
    """A session of the SDK's client; `opened` notes the connections that it opens."""

    async def note(name: str, _info: Any) -> None:
        if opened is not None and name == "connection.connect_tcp.complete":
            opened.append(name)

    async def trace(request: httpx2.Request) -> None:
        request.extensions["trace"] = note

    async with (
        httpx2.AsyncClient(event_hooks={"request": [trace]}, timeout=5) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def use(url: str, mode: str, sums: list[str]) -> None:
    async with session(url, mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
        for number in range(10):
            sums.append(await call(client, "add", a=number, b=1))


async def call(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert not result.is_error
    [content] = result.content
    assert content.type == "text"
    return content.text


@pytest.mark.parametrize(("app", "path"), [("below", "/ai/mcp"), ("at_root", "/mcp"), ("itself", "/mcp")])
@pytest.mark.parametrize("server", ["trio-sse", "hypercorn"])
@within(60)
async def test_every_session_succeeds(server: str, app: str, path: str) -> None:
    """In another process, so that a connection can be closed while the next request is on its way."""
    async with process(server, f"end_to_end.mcp_apps:{app}") as program:
        for mode in MODES:
            sums: list[str] = []
            async with trio.open_nursery() as nursery:
                for _ in range(SESSIONS):
                    nursery.start_soon(use, f"http://127.0.0.1:{program.port}{path}", mode, sums)
            assert sorted(sums, key=int) == [str(number + 1) for number in range(10) for _ in range(SESSIONS)]


@pytest.mark.parametrize("make", [lambda app: app, lambda app: App().add(Mount("/", app))], ids=["itself", "mounted"])
@within(20)
async def test_the_connections_of_a_session_are_used_again(make: Any) -> None:
    """Of the older protocol that cannot be said: its client leaves each response before its end."""
    opened: list[str] = []
    async with serving(make(sdk_app())) as server, session(server.url + "/mcp", "auto", opened) as client:
        for number in range(20):
            assert await call(client, "add", a=number, b=1) == str(number + 1)
    assert 1 <= len(opened) <= 2


@within(20)
async def test_what_the_examples_tool_notes_is_an_event() -> None:
    async with serving(make_app()) as server, connected(server.port) as page:
        await page.get("/notes/events")
        async with session(server.url + "/ai/mcp", "auto") as client:
            for number, text in enumerate(["buy tea", "drink it"], 1):
                assert await call(client, "add_note", text=text) == f"This is note {number}."
                assert await page.event() == {"event": "note", "id": str(number), "data": text}
        async with connected(server.port) as late:
            await late.get("/notes/events", last_event_id="1")
            assert (await late.event())["data"] == "drink it"
