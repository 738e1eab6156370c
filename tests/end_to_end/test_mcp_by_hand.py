"""The example of an MCP server that is written by hand, under the SDK's client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from .limits import within
from .programs import TESTS, process

ROOT = TESTS.parent

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp\\.client):ResourceWarning")
"""The SDK's client leaves the streams of responses to the garbage collector."""


class Requests:
    """What a client has sent, and what it was answered: method, status, media type."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, str]] = []
        self.listening = trio.Event()
        self.session = ""

    async def note(self, response: httpx2.Response) -> None:
        method, media_type = response.request.method, response.headers.get("content-type", "").partition(";")[0]
        self.seen.append((method, response.status_code, media_type))
        self.session = response.request.headers.get("mcp-session-id", "")
        if method == "GET":
            self.listening.set()


@asynccontextmanager
async def session(url: str, mode: str, requests: Requests, **options: Any) -> AsyncIterator[Client]:
    """A session of the SDK's client, from the moment on at which it listens to the server."""
    async with (
        httpx2.AsyncClient(event_hooks={"response": [requests.note]}, timeout=5) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client,
    ):
        await requests.listening.wait()
        yield client


def text_of(result: Any) -> str:
    [content] = result.content
    return str(content.text)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@within(20)
async def test_tools_answer_with_json_and_with_streams_and_the_server_speaks_by_itself(mode: str) -> None:
    send, heard = trio.open_memory_channel[Any](10)
    counted: list[float] = []

    async def log(params: Any) -> None:
        await send.send(params.data)

    async def note(progress: float, total: float | None, message: str | None) -> None:
        counted.append(progress)

    async with process("trio-sse", "examples.mcp_by_hand:app", cwd=ROOT) as server:
        requests, url = Requests(), f"http://127.0.0.1:{server.port}/mcp"
        async with session(url, mode, requests, logging_callback=log) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["add_note", "count"]
            assert text_of(await client.call_tool("add_note", {"text": "buy tea"})) == "Noted."
            assert await heard.receive() == "buy tea"
            assert requests.seen[-1] == ("POST", 200, "application/json")
            assert text_of(await client.call_tool("count", {"to": 3}, progress_callback=note)) == "Counted to 3."
            assert requests.seen[-1] == ("POST", 200, "text/event-stream")
            with pytest.raises(MCPError, match="arguments do not fit"):
                await client.call_tool("count", {"to": "three"})
        assert counted == [1, 2, 3]
        assert requests.seen[-1] == ("DELETE", 204, "")


@within(20)
async def test_a_session_that_has_ended_is_an_error_of_json_rpc() -> None:
    async with process("trio-sse", "examples.mcp_by_hand:app", cwd=ROOT) as server:
        requests, url = Requests(), f"http://127.0.0.1:{server.port}/mcp"
        async with session(url, "legacy", requests) as client, httpx2.AsyncClient() as other:
            headers = {"mcp-session-id": requests.session}
            assert (await other.delete(url, headers=headers)).status_code == 204
            with pytest.raises(MCPError, match="The session has ended"):
                await client.call_tool("add_note", {"text": "too late"})
            missing = await other.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert (missing.status_code, missing.json()["error"]["code"]) == (400, -32600)
            foreign = await other.post(url, json={}, headers={"origin": "https://elsewhere.example"})
            assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, -32600)
