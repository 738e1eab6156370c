"""The request body as it comes in: what is kept of it, how long the watcher waits, and what a reader gets."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from support.asgi import scope_of
from trio_sse import App, Forbidden, Post
from trio_sse._runtime.body import MAX_BUFFERED, RequestBody
from trio_sse.errors import ContentTooLarge
from trio_sse.testing import TestClient

PIECE = bytes(64 * 1024)
MANY = 4 * MAX_BUFFERED // len(PIECE)


async def test_the_pieces_are_received_in_order_and_empty_ones_are_left_out() -> None:
    body = RequestBody(100)
    for piece, more in [(b"a", True), (b"", True), (b"b", False)]:
        body.feed(piece, more)
    assert [await body.receive() for _ in range(4)] == [b"a", b"b", b"", b""]


async def test_a_reader_waits_for_the_next_piece(autojump_clock: MockClock) -> None:
    body = RequestBody(100)
    received = []

    async def read() -> None:
        received.append(await body.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        assert received == []
        body.feed(b"", True)
        await wait_all_tasks_blocked()
        assert received == []
        body.feed(b"a", True)
    assert received == [b"a"]


async def test_the_whole_body_can_be_read_again() -> None:
    body = RequestBody(100)
    body.feed(b"a", True)
    body.feed(b"b", False)
    assert (await body.read(), await body.read()) == (b"ab", b"ab")


async def test_a_body_that_is_too_large_is_dropped_at_once() -> None:
    body = RequestBody(3)
    body.feed(b"abc", True)
    assert await body.receive() == b"abc"
    body.feed(b"d", True)
    body.feed(b"e", True)
    with pytest.raises(ContentTooLarge):
        await body.receive()
    with pytest.raises(ContentTooLarge):
        await body.read()


async def test_the_feeder_waits_for_room_until_something_is_read(autojump_clock: MockClock) -> None:
    body = RequestBody(10 * MAX_BUFFERED)
    body.feed(bytes(MAX_BUFFERED), True)
    await body.wait_for_room()
    body.feed(b"a", True)
    ended = trio.Event()

    async def feed() -> None:
        await body.wait_for_room()
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        await wait_all_tasks_blocked()
        assert not ended.is_set()
        await body.receive()
    assert ended.is_set()


async def test_the_feeder_does_not_wait_for_a_body_that_nothing_will_read(autojump_clock: MockClock) -> None:
    body = RequestBody(10 * MAX_BUFFERED)
    body.feed(bytes(MAX_BUFFERED + 1), True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.wait_for_room)
        await wait_all_tasks_blocked()
        body.discard()
    body.feed(bytes(MAX_BUFFERED + 1), True)
    await body.wait_for_room()


# -- in a request


def echo(body: list[int]) -> list[int]:
    return body


async def test_a_body_that_a_slow_step_precedes_is_received_only_in_part(autojump_clock: MockClock) -> None:
    unread = []

    async def slow() -> None:
        await trio.sleep(10)
        unread.append(stream.unread_chunks)

    route = Post("/").use(slow).body(list[int], max_size=10 * MAX_BUFFERED).handle(echo)
    pieces = [b"[1", *[b" " * len(PIECE)] * MANY, b"]"]
    async with TestClient(App().add(route)).stream(
        "/", method="POST", body=pieces, headers={"content-type": "application/json"}, wait=False
    ) as stream:
        await stream.ended()
        assert stream.raw == b"[1]"
    assert unread == [MANY + 2 - (MAX_BUFFERED // len(PIECE) + 1)]


async def test_a_client_that_is_gone_before_much_of_its_body_came_is_noticed_at_once(
    autojump_clock: MockClock,
) -> None:
    ended = []

    async def slow() -> None:
        try:
            await trio.sleep(10)
        finally:
            ended.append(trio.current_time())

    route = Post("/").use(slow).body(list[int], max_size=10 * MAX_BUFFERED).handle(echo)
    start = trio.current_time()
    messages: list[Any] = [
        {"type": "http.request", "body": bytes(MAX_BUFFERED), "more_body": True},
        {"type": "http.disconnect"},
    ]
    await run(App().add(route), messages)
    assert ended == [start]


async def test_a_refusal_is_sent_while_the_watcher_waits_for_room(autojump_clock: MockClock) -> None:
    async def refuse() -> None:
        await wait_all_tasks_blocked()
        raise Forbidden

    route = Post("/").use(refuse).body(list[int], max_size=10 * MAX_BUFFERED).handle(echo)
    messages = [{"type": "http.request", "body": PIECE, "more_body": True} for _ in range(MANY)]
    sent = await run(App().add(route), messages)
    assert sent[0]["status"] == 403
    assert len(messages) > 1


async def run(app: App, messages: list[Any]) -> list[Any]:
    """Run a request whose body is not complete; what the app sent."""
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else await trio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of("POST", "/", {"content-type": "application/json"}), receive, send)
    return sent
