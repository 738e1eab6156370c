"""Responses whose content comes piece by piece: downloads, NDJSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import Aborted, AbortReason, App, Forbidden, Get, Post, Response, Route
from trio_sse.errors import StepError
from trio_sse.testing import TestClient, TestResponse


async def ask(route: Route, **options: Any) -> TestResponse:
    return await TestClient(App().add(route)).request(route.method, "/", **options)


async def lines() -> AsyncIterator[str]:
    for number in range(3):
        yield f'{{"number":{number}}}\n'
        await trio.sleep(1)


async def test_text_and_bytes_are_sent_as_they_come(autojump_clock: MockClock) -> None:
    async def both() -> AsyncIterator[str | bytes]:
        yield "é"
        yield b""
        yield b"\xff"

    async with TestClient(App().add(Get("/").handle(lambda: Response(both())))).stream("/") as stream:
        await stream.ended()
    assert stream.writes == ["é".encode(), b"\xff", b""]
    assert stream.complete
    assert dict(stream.headers.items()) == {"content-type": "application/octet-stream"}


async def test_ndjson(autojump_clock: MockClock) -> None:
    response = lambda: Response(lines(), media_type="application/x-ndjson", headers={"x": "1"})  # noqa: E731
    reply = await ask(Post("/").handle(response))
    assert (reply.headers["content-type"], reply.headers["x"]) == ("application/x-ndjson", "1")
    assert reply.body == b'{"number":0}\n{"number":1}\n{"number":2}\n'
    assert trio.current_time() == pytest.approx(3)


async def test_a_length_that_is_known_may_be_given(autojump_clock: MockClock) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    reply = await ask(Get("/").handle(lambda: Response(half(), headers={"content-length": "4"})))
    assert (reply.headers["content-length"], reply.body) == ("4", b"abcd")


async def test_what_is_raised_before_the_first_piece_is_asked_for_is_too_late(autojump_clock: MockClock) -> None:
    """The response starts before the content runs, as a stream does; raise in the handler for a status."""

    async def failing() -> AsyncIterator[bytes]:
        raise Forbidden
        yield b""

    async with TestClient(App().add(Get("/").handle(lambda: Response(failing())))).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), Forbidden)
    assert (stream.status, stream.raw, stream.complete) == (200, b"", False)


async def test_an_error_breaks_it_off_without_a_word(autojump_clock: MockClock) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise LookupError

    async with TestClient(App().add(Get("/").handle(lambda: Response(failing())))).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert (stream.raw, stream.complete) == (b"a", False)


async def test_a_piece_of_another_type_is_an_error_at_its_yield(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    async def wrong() -> AsyncIterator[Any]:
        try:
            yield {"number": 1}
        except StepError as error:
            seen.append(str(error))
        yield b"a"

    reply = await ask(Get("/").handle(lambda: Response(wrong())))
    assert reply.body == b"a"
    assert seen == ["GET /: the content of a response yields bytes or text, not dict"]


async def test_a_disconnect_closes_it_and_steps_exit_after_it(autojump_clock: MockClock) -> None:
    log: list[Any] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("session")

    async def endless(aborted: Aborted) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x"
                await trio.sleep(1)
        finally:
            log.append(aborted.reason)

    route = Get("/").use(session).handle(lambda aborted: Response(endless(aborted)))
    async with TestClient(App().add(route)).stream("/") as stream:
        await stream.written(2)
        stream.disconnect()
        await stream.ended()
    assert log == [AbortReason.CLIENT_GONE, "session"]


async def test_a_client_that_does_not_read_is_dropped(autojump_clock: MockClock) -> None:
    closed: list[float] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(trio.current_time())

    app = App(send_timeout=3).add(Get("/").handle(lambda: Response(endless())))
    async with TestClient(app).stream("/") as stream:
        stream.pause()
        await stream.ended()
    assert closed == [pytest.approx(3)]
    assert not stream.complete


async def test_a_shutdown_lets_it_finish_and_cuts_it_off_visibly(autojump_clock: MockClock) -> None:
    for seconds, complete in ((10, True), (2, False)):
        client = TestClient(App().add(Get("/").handle(lambda: Response(lines()))))
        async with client.stream("/") as stream:
            await stream.written(1)
            client.drain(seconds)
            await stream.ended()
        assert stream.complete is complete


async def test_head_does_not_run_it() -> None:
    assert (await ask(Get("/").handle(lambda: Response(lines())))).status == 200
    reply = await TestClient(App().add(Get("/").handle(lambda: Response(lines())))).request("HEAD", "/")
    assert (reply.status, reply.body) == (200, b"")


def test_a_synchronous_generator_would_block_the_server() -> None:
    with pytest.raises(ValueError, match="write 'async def'"):
        Response(line for line in ("a", "b"))


async def test_no_content_has_no_pieces() -> None:
    source = lines()
    with pytest.raises(ValueError, match="a 204 response has no content"):
        Response(source, status=204)
