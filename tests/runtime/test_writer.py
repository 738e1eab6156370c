"""The outgoing half of a response, by itself. (With a handler and a heartbeat: test_connection, test_heartbeat.)"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse._runtime.writer import Writer


def part(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


class Server:
    """ASGI's `send`, and a short way beside it: neither is a checkpoint, like hypercorn's `send` over HTTP/2."""

    def __init__(self, takes: bool = False) -> None:
        self.takes = takes
        self.messages: list[MutableMapping[str, Any]] = []
        self.offered: list[bytes] = []

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    def try_write(self, data: bytes) -> bool:
        self.offered.append(data)
        return self.takes


async def test_any_number_of_writers_wait_their_turn(autojump_clock: MockClock) -> None:
    sent: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(1)
        sent.append(message["body"])

    out = Writer(send)
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(out.write, b"%d" % number)
    assert sorted(sent) == [b"0", b"1", b"2", b"3"]
    assert trio.current_time() == 4


async def test_a_writer_that_is_cancelled_while_waiting_leaves_the_others_their_turn(autojump_clock: MockClock) -> None:
    sent: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(2)
        sent.append(message["body"])

    async def impatient(out: Writer) -> None:
        with trio.move_on_after(1):
            await out.write(b"impatient")

    out = Writer(send)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.write, b"first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(impatient, out)
        nursery.start_soon(out.write, b"second")
    assert sent == [b"first", b"second"]


async def test_every_sixteenth_write_gives_others_a_turn() -> None:
    server, turns = Server(), list[int]()

    class Steps(trio.abc.Instrument):
        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            turns.append(len(server.messages))

    out, steps = Writer(server.send), Steps()
    trio.lowlevel.add_instrument(steps)
    for _ in range(40):
        await out.write(b"x")
    trio.lowlevel.remove_instrument(steps)
    assert turns == [16, 32]


async def test_the_turn_of_others_is_no_cancellation_point() -> None:
    written = 0

    async def send(message: MutableMapping[str, Any]) -> None:
        if written == 15:
            scope.cancel()

    out = Writer(send)
    with trio.CancelScope() as scope:
        for _ in range(20):
            await out.write(b"x")
            written += 1
    assert scope.cancelled_caught
    assert written == out.bytes == 16  # what has gone out is not reported as cancelled


async def test_a_write_that_is_cancelled_before_it_begins_writes_nothing() -> None:
    server = Server(takes=True)
    out = Writer(server.send, server.try_write)
    with trio.CancelScope() as scope:
        scope.cancel()
        await out.write(b"x")
    assert scope.cancelled_caught
    assert (out.bytes, server.offered, server.messages) == (0, [], [])


async def test_bytes_and_the_time_of_the_last_write_are_those_of_the_body(autojump_clock: MockClock) -> None:
    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(2)

    out = Writer(send)
    assert (out.bytes, out.last_write) == (0, 0)
    await out.start(200, ())
    assert (out.bytes, out.last_write) == (0, 0)
    await out.write(b"four")
    assert (out.bytes, out.last_write) == (4, 4)
    await out.write(b"three")
    assert (out.bytes, out.last_write) == (9, 6)


async def test_the_response_counts_as_started_as_soon_as_its_start_is_tried() -> None:
    seen = []

    async def send(message: MutableMapping[str, Any]) -> None:
        seen.append(out.started)
        raise RuntimeError("broken")

    out = Writer(send)
    assert not out.started
    with pytest.raises(RuntimeError, match="broken"):
        await out.start(200, ())
    assert seen == [True]


async def test_what_the_short_way_takes_is_not_sent_again() -> None:
    server = Server(takes=True)
    out = Writer(server.send, server.try_write)
    await out.write(b"one")
    assert (server.offered, server.messages) == ([b"one"], [])
    assert out.bytes == 3


async def test_what_the_short_way_does_not_take_is_sent() -> None:
    server = Server(takes=False)
    out = Writer(server.send, server.try_write)
    await out.write(b"one")
    assert (server.offered, server.messages) == ([b"one"], [part(b"one")])
    assert out.bytes == 3


async def test_nothing_takes_the_short_way_past_a_write_that_is_under_way(autojump_clock: MockClock) -> None:
    sent = []
    server = Server(takes=False)

    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(1)
        sent.append(message["body"])

    out = Writer(send, server.try_write)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.write, b"first")
        await wait_all_tasks_blocked()
        server.takes = True
        assert out.writing
        nursery.start_soon(out.write, b"second")
    assert not out.writing
    assert sent == [b"first", b"second"]
    assert server.offered == [b"first"]


async def test_the_end_of_the_body_says_so_unless_it_is_abrupt() -> None:
    server = Server(takes=True)
    out = Writer(server.send, server.try_write)
    await out.end()
    await out.end(b"cut", complete=False)
    assert server.messages == [{"type": "http.response.body", "body": b"", "more_body": False}, part(b"cut")]
    assert server.offered == []


async def test_quiet_outlasts_all_writes_that_wait_their_turn(autojump_clock: MockClock) -> None:
    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(1)

    out = Writer(send)
    await out.wait_idle()
    assert trio.current_time() == 0
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(out.write, b"x")
        await wait_all_tasks_blocked()
        await out.wait_idle()
        assert 1 <= trio.current_time() <= 3
        assert not out.writing


async def test_a_write_that_fails_leaves_the_next_its_turn() -> None:
    server = Server()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["body"] == b"bad":
            raise RuntimeError("broken")
        await server.send(message)

    out = Writer(send)
    with pytest.raises(RuntimeError, match="broken"):
        await out.write(b"bad")
    await out.write(b"good")
    assert server.messages == [part(b"good")]
    assert out.bytes == 4
