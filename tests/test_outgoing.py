"""The outgoing half of a response, by itself. (With a handler and a heartbeat: test_connection, test_heartbeat.)"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import trio
from trio.testing import MockClock

from trio_sse._outgoing import Outgoing


async def test_any_number_of_writers_wait_their_turn(autojump_clock: MockClock) -> None:
    sent: list[bytes] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        await trio.sleep(1)
        sent.append(message["body"])

    out = Outgoing(send)
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

    async def impatient(out: Outgoing) -> None:
        with trio.move_on_after(1):
            await out.write(b"impatient")

    out = Outgoing(send)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.write, b"first")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(impatient, out)
        nursery.start_soon(out.write, b"second")
    assert sent == [b"first", b"second"]
