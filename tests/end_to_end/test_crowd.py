"""More clients than the server has room for: each gets an answer, nobody who is in is put out, and room comes back."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from trio_sse import SSE, App, Get, Limits, Response

from .limits import within
from .programs import TESTS, running
from .serving import serving
from .sockets import Truncated, connected
from .test_browser import PAGE, Browse, until
from .test_drain import many_files

__all__ = ("many_files",)

DESCRIPTORS = 128
CROWD = 2000


@within(60)
async def test_two_thousand_at_once_where_few_files_may_be_open(many_files: None) -> None:
    """As fast as a client can. Those that are let in stay, others are told to come back, and none is left waiting."""
    served = f"ulimit -n {DESCRIPTORS}; exec {sys.executable} -m trio_sse run --bind 127.0.0.1:0 end_to_end.crowd:quiet"
    answers: Counter[str] = Counter()
    everybody = trio.Event()

    async def one(port: int, number: int) -> None:
        async with connected(port) as peer:
            head = await peer.get(f"/quiet/{number}", accept="text/event-stream")
            assert head.status == 200
            if "content-length" in head.headers:  # it is over already
                assert re.fullmatch(rb"retry: \d{4}\n", await peer.body(head))
                answers["refused"] += 1
            else:
                assert (await peer.event())["data"] == str(number)
                answers["served"] += 1
            if answers.total() == CROWD:
                everybody.set()
            await everybody.wait()

    async with running("sh", "-c", served, cwd=TESTS) as server:
        port = int((await server.line_with(r"Running on http://127\.0\.0\.1:(\d+)"))[1])
        async with trio.open_nursery() as nursery:
            for number in range(CROWD):
                nursery.start_soon(one, port, number)
        assert answers.total() == CROWD
        assert DESCRIPTORS / 3 < answers["served"] < DESCRIPTORS
        for _ in range(answers["served"]):
            await server.line_with("left: client_gone")
        async with AsyncExitStack() as stack:
            for number in range(answers["served"]):
                peer = await stack.enter_async_context(connected(port))
                await peer.get(f"/quiet/again{number}")
                assert (await peer.event())["data"] == f"again{number}"
        server.terminate()
        assert await server.wait() == 0
    assert "Traceback" not in server.text
    assert "no connection can be accepted" not in server.text


@within(10)
async def test_beyond_the_last_seat_a_client_waits_until_somebody_leaves() -> None:
    """Eight connections: seven streams, one seat for who is only told to come back."""

    async def stream(number: int) -> AsyncIterator[Any]:
        yield {"data": number}
        await trio.sleep_forever()

    app = App().add(SSE("/:number").handle(stream), live=Get("/live").during_shutdown().handle(lambda: "alive"))
    async with serving(app, max_connections=8) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connected(server.port)) for _ in range(7)]
        for number, peer in enumerate(peers):
            await peer.get(f"/{number}")
            assert await peer.event() == {"data": str(number)}
        async with connected(server.port) as plain:
            head = await plain.get("/7")
            assert head.status == 503
            assert b"no room" in await plain.body(head)
            assert await plain.ended() == b""
        async with connected(server.port) as probe:
            assert await probe.json("/live") == "alive"  # a health check is answered all the same
            assert await probe.ended() == b""
        async with connected(server.port) as holding, connected(server.port) as waiting:
            await waiting.request("GET", "/8")
            with trio.move_on_after(0.2):
                await waiting.head()
                pytest.fail("there was no seat")
            holding.close()
            peers[0].close()
            assert (await waiting.head()).status in (200, 503)


@within(30)
async def test_a_browser_that_is_refused_comes_back_by_itself(browse: Browse) -> None:
    """It never says CLOSED, which is 2: there would be no way back from there."""

    async def stream() -> AsyncIterator[Any]:
        yield {"data": "welcome"}
        await trio.sleep_forever()

    page = Get("/").handle(lambda: Response(PAGE.replace("STREAM", "/stream"), media_type="text/html"))
    app = App(limits=Limits(streams=1), reconnect_delay=(0.1, 0.3)).add(page, SSE("/stream").handle(stream))
    async with serving(app) as server, browse() as browser:
        async with connected(server.port) as first:
            await first.get("/stream")
            assert await first.event() == {"data": "welcome"}
            watching = await browser.open(server.url)
            diary = await watching.evaluate(until(6))
            assert {tuple(entry) for entry in diary} == {("open",), ("error", 0)}
        count = len(diary)
        while ["message", "", "welcome"] not in diary:
            count += 1
            diary = await watching.evaluate(until(count))
        assert ["error", 2] not in diary
        assert app.statistics().refused["streams"] >= 3


@within(20)
async def test_the_last_one_in_is_not_the_first_one_out() -> None:
    """What is open stays open, whoever knocks."""

    async def stream(number: int) -> AsyncIterator[Any]:
        yield {"data": number}
        await trio.sleep_forever()

    app = App(limits=Limits(streams_per_client=3)).add(SSE("/:number").heartbeat(0.05).handle(stream))
    async with serving(app) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connected(server.port)) for _ in range(3)]
        for number, peer in enumerate(peers):
            await peer.get(f"/{number}")
            assert await peer.event() == {"data": str(number)}
        for _ in range(20):
            async with connected(server.port) as knocking:
                head = await knocking.get("/9")
                assert head.status == 429
                assert 1 <= int(head.headers["retry-after"]) <= 5
        for peer in peers:
            try:
                assert await peer.frame() == ":"  # a heartbeat
            except Truncated:
                pytest.fail("a stream that was open has been closed")
