"""The body of a response: however it is left, nothing stays open."""

from __future__ import annotations

import httpx2
import pytest
import trio
from trio.testing import MockClock

from trio_sse.client._body import Body

from .scripted import HANG, Server, streaming


async def body_of(server: Server) -> Body:
    client = server.client()
    return Body(await client.send(client.build_request("GET", "http://server/"), stream=True))


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_closing_needs_no_leave_to_wait(chunks: int, autojump_clock: MockClock) -> None:
    """A reader that is cancelled closes what it has, whether it has read nothing, something or all of it."""
    server = Server(streaming(b"a", b"b", b"c", HANG))
    body = await body_of(server)
    for _ in range(chunks):
        await body.receive()
    with trio.CancelScope() as scope:
        scope.cancel()
        await body.aclose()
    assert server.open == 0


async def test_closing_twice_is_closing_once(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"a"))
    body = await body_of(server)
    assert [await body.receive(), await body.receive(), await body.receive()] == [b"a", None, None]
    await body.aclose()
    await body.aclose()
    assert server.open == 0


async def test_an_error_that_comes_while_closing_is_nobodys(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"a", httpx2.ReadError("reset")))
    body = await body_of(server)
    await body.receive()
    await body.aclose()
    assert server.open == 0
