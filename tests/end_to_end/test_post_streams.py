"""Streams that answer POST, over real sockets: they finish during a shutdown, and one that is cut off shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from h2.errors import ErrorCodes

from trio_sse import App, EventStream, Post, Response

from .http2 import connected_by_http2
from .limits import within
from .serving import serving
from .sockets import Truncated, connected


async def numbers(count: int, seconds: float) -> AsyncIterator[Any]:
    for number in range(count):
        yield {"data": number}
        await trio.sleep(seconds)


async def lines(count: int, seconds: float) -> AsyncIterator[str]:
    for number in range(count):
        yield f"data: {number}\n\n"
        await trio.sleep(seconds)


APP = App().add(
    Post("/short").handle(lambda: EventStream(numbers(5, 0.05))),
    Post("/long").handle(lambda: EventStream(numbers(1000, 0.05))),
    Post("/short-pieces").handle(lambda: Response(lines(5, 0.05))),
    Post("/long-pieces").handle(lambda: Response(lines(1000, 0.05))),
)
WHOLE = b"data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"


@pytest.mark.parametrize("path", ["/short", "/short-pieces"])
@within(10)
async def test_it_finishes_during_a_shutdown(path: str) -> None:
    async with serving(APP, graceful_timeout=5) as server, connected(server.port) as peer:
        await peer.request("POST", path, content_length="0")
        head = await peer.head()
        first = await peer.chunk()
        server.ask_to_stop()
        body = first + await peer.body(head)
    assert body.removeprefix(b":\n") == WHOLE


@pytest.mark.parametrize("path", ["/long", "/long-pieces"])
@within(10)
async def test_one_that_is_cut_off_has_no_proper_end(path: str) -> None:
    body = b""
    async with serving(APP, graceful_timeout=0.2) as server, connected(server.port) as peer:
        await peer.request("POST", path, content_length="0")
        await peer.head()
        server.ask_to_stop()
        with pytest.raises(Truncated):  # noqa: PT012 - it may come with any chunk
            while chunk := await peer.chunk():
                body += chunk
    assert b"retry" not in body


@pytest.mark.parametrize(("path", "reset"), [("/short", False), ("/long", True), ("/long-pieces", True)])
@within(10)
async def test_over_http2_its_stream_is_reset(path: str, reset: bool) -> None:
    async with serving(APP, graceful_timeout=0.5) as server, connected_by_http2(server.port, None) as peer:
        stream = await peer.request("POST", path)
        assert await peer.status(stream) == 200
        await peer.received(stream, b"data: 0\n\n")
        server.ask_to_stop()
        body = await peer.whole(stream)
    assert peer.resets == ({stream: ErrorCodes.INTERNAL_ERROR} if reset else {})
    assert b"retry" not in body
    assert reset or body.endswith(b"data: 4\n\n")
