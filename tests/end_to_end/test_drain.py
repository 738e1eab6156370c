"""A server that shuts down: each client is told when to come back, each handler ends, and the process with them."""

from __future__ import annotations

import re
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.routing import Mount

from trio_sse import SSE, Aborted, App, Draining, Get

from .http2 import connected_by_http2
from .limits import within
from .programs import process
from .serving import Certificate, serving
from .sockets import Peer, Truncated, connected

MANY = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets this process, and so the servers that it starts, have as many files open as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def read_on(peer: Peer) -> None:
    while True:
        await peer.event()


async def open_many(port: int, count: int, stack: AsyncExitStack) -> list[Peer]:
    """Open streams, a few at a time."""
    peers: list[Peer] = []
    limit = trio.CapacityLimiter(50)

    async def open_one(number: int) -> None:
        async with limit:
            peer = await stack.enter_async_context(connected(port))
            assert (await peer.get(f"/quiet/{number}")).status == 200
            assert (await peer.event())["data"] == str(number)
            peers.append(peer)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(open_one, number)
    return peers


async def retries(peers: list[Peer]) -> list[int]:
    """What each client is told of when to come back, when it has read its stream to the end in order."""
    told: list[int] = []

    async def read(peer: Peer) -> None:
        told.append(int((await peer.event())["retry"]))
        assert await peer.chunk() == b""

    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(read, peer)
    return told


@pytest.mark.parametrize("workers", ["1", "2"])
@within(60)
async def test_a_thousand_clients_are_told_when_to_come_back_and_every_handler_ends(
    many_files: None, workers: str
) -> None:
    async with (
        process("trio-sse", "end_to_end.crowd:quiet", "--graceful-timeout", "5", "--workers", workers) as server,
        AsyncExitStack() as stack,
    ):
        peers = await open_many(server.port, MANY, stack)
        began = trio.current_time()
        server.terminate()
        told = await retries(peers)
        assert await server.wait() == 0
        assert trio.current_time() - began < 5
    assert len(told) == MANY
    assert min(told) >= 1000 and max(told) <= 5000
    assert max(sum(1 for retry in told if start <= retry < start + 500) for start in range(1000, 5001, 500)) < MANY / 4
    left = [line for line in server.output if "left: " in line]
    assert sorted(left) == sorted(f"{number} left: draining" for number in range(MANY))
    assert "Traceback" not in server.text


@within(10)
async def test_a_request_that_comes_too_late_is_turned_away() -> None:
    """It was on its way already when the shutdown began."""
    ended: list[str] = []

    async def stream(draining: Draining) -> AsyncIterator[Any]:
        yield {"data": "here"}
        await draining.wait()
        await trio.sleep(0.1)
        ended.append("by itself")
        yield {"data": "the last word"}

    app = App().add(SSE("/").on_shutdown("finish").handle(stream), Get("/hello").handle(lambda: "hello"))
    async with (
        serving(app, graceful_timeout=5) as server,
        connected(server.port) as open_one,
        connected(server.port) as plain,
        connected(server.port) as source,
        connected(server.port) as used,
        connected(server.port) as idle,
        trio.open_nursery() as nursery,
    ):
        await open_one.get("/")
        assert await open_one.event() == {"data": "here"}
        assert await used.json("/hello") == "hello"
        nursery.start_soon(server.shut_down)
        retry = await open_one.event()
        assert 1000 <= int(retry["retry"]) <= 5000
        head = await plain.get("/hello")
        assert (head.status, head.headers["connection"]) == (503, "close")
        assert 1 <= int(head.headers["retry-after"]) <= 5
        assert b"The server is shutting down." in await plain.body(head)
        head = await source.get("/", accept="text/event-stream")
        assert head.status == 200
        assert re.fullmatch(rb"retry: \d{4}\n", await source.body(head))
        assert (await used.get("/hello")).status == 503
        assert await idle.ended() == b""
        assert await open_one.event() == {"data": "the last word"}
        assert await open_one.chunk() == b""
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", server.port)
    assert ended == ["by itself"]


@within(10)
async def test_over_http2_a_late_request_gets_an_answer_too(certificate: Certificate) -> None:
    async def stream(draining: Draining) -> AsyncIterator[Any]:
        yield {"data": "here"}
        await draining.wait()
        await trio.sleep(0.2)

    app = App().add(SSE("/").on_shutdown("finish").handle(stream))
    async with (
        serving(app, certificate=certificate, graceful_timeout=5) as server,
        connected_by_http2(server.port, certificate) as peer,
        trio.open_nursery() as nursery,
    ):
        first = await peer.get("/")
        await peer.received(first, b"data: here\n\n")
        nursery.start_soon(server.shut_down)
        await peer.received(first, b"retry: ")
        late = await peer.get("/")
        await peer.received(late, b"The server is shutting down.")


@within(10)
async def test_an_app_that_is_mounted_in_another_is_drained_as_well() -> None:
    reasons: list[Any] = []

    async def stream(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "here"}
            await trio.sleep_forever()
        finally:
            reasons.append(str(aborted.reason))

    outer = Starlette(routes=[Mount("/inner", App().add(SSE("/").handle(stream)))])
    async with serving(outer) as server, connected(server.port) as peer:
        await peer.get("/inner/")
        assert await peer.event() == {"data": "here"}
        await server.shut_down()
        assert "retry" in await peer.event()
        assert await peer.chunk() == b""
    assert reasons == ["draining"]


@within(10)
async def test_a_route_that_is_cut_ends_in_the_midst_of_a_write() -> None:
    reasons: list[Any] = []

    async def stream(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x" * 65_536}
        finally:
            reasons.append(str(aborted.reason))

    app = App().add(SSE("/").on_shutdown("cancel").handle(stream))
    async with serving(app, graceful_timeout=60) as server, connected(server.port, receive_buffer=4096) as peer:
        await peer.get("/")
        await trio.testing.wait_all_tasks_blocked(0.05)
        began = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - began < 5
        with pytest.raises(Truncated):
            await read_on(peer)
    assert reasons == ["draining"]


@within(10)
async def test_a_client_that_never_says_hello_over_tls_holds_up_no_shutdown(certificate: Certificate) -> None:
    app = App().add(Get("/hello").handle(lambda: "hello"))
    async with (
        serving(app, certificate=certificate, graceful_timeout=60) as server,
        connected(server.port) as silent,
        connected_by_http2(server.port, certificate) as other,
    ):
        await other.get("/hello")  # by now the first one has been accepted
        began = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - began < 2
        assert await silent.ended() == b""
