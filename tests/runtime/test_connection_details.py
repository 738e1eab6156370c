"""The connection's promises where they are narrow: equal times, late errors, messages that say little."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, Aborted, AbortReason, App
from trio_sse._runtime.connection import Connection
from trio_sse._runtime.server_extension import Drain, ServerExtension
from trio_sse.testing import TestClient

Message = MutableMapping[str, Any]


async def nothing_comes() -> Message:
    await trio.sleep_forever()
    raise AssertionError


class Taken(list[Message]):
    """What a server was given to send."""

    async def send(self, message: Message) -> None:
        self.append(message)


def connection_of(taken: Taken, link: ServerExtension | None = None) -> Connection:
    return Connection(nothing_comes, taken.send, label="GET /", max_body=100, cleanup_timeout=5, extension=link)


# -- reasons


@pytest.mark.parametrize(
    ("first", "second"), [(AbortReason.EXPIRED, AbortReason.LIFETIME), (AbortReason.LIFETIME, AbortReason.EXPIRED)]
)
async def test_of_two_ends_at_the_same_time_the_one_that_was_set_first_counts(
    first: AbortReason, second: AbortReason, autojump_clock: MockClock
) -> None:
    connection = connection_of(Taken())

    async def work() -> None:
        connection.end_at(7, first)
        connection.end_at(7, second)
        connection.end_at(8, second)
        await trio.sleep_forever()

    async def finish(error: Exception | None) -> None:
        assert error is None

    await connection.run(work, finish)
    assert trio.current_time() == 7
    assert connection.aborted.reason is first
    assert await connection.aborted.wait() is first


def test_aborted_says_what_it_is() -> None:
    aborted = Aborted()
    assert repr(aborted) == "<Aborted: not set>"
    aborted._set(AbortReason.TOO_SLOW)
    assert repr(aborted) == "<Aborted: too_slow>"


# -- the server's cancellation


async def test_a_handler_that_overstays_a_cancellation_is_reported(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> AsyncIterator[Any]:
        yield {"data": 1}
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    with trio.CancelScope() as server:
        async with TestClient(App().add(SSE("/").handle(stubborn))).stream("/") as stream:
            await stream.event()
            server.cancel()
            await trio.sleep_forever()
    assert trio.current_time() == 60
    (record,) = caplog.records
    assert record.getMessage().startswith("SSE /: the handler has not ended within 5 s; it stands at ")


async def test_an_error_is_raised_even_if_the_server_cancels_while_the_client_is_told(
    autojump_clock: MockClock,
) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        await trio.sleep(1)
        raise ValueError("mine")

    mine = pytest.RaisesExc(ValueError, match="mine")
    with pytest.RaisesGroup(mine, flatten_subgroups=True), trio.CancelScope() as server:
        async with TestClient(App().add(SSE("/").handle(handler))).stream("/") as stream:
            await stream.event()
            stream.pause()
            await trio.sleep(2)
            assert not stream.app_ended
            server.cancel()
            await trio.sleep_forever()
    assert trio.current_time() == 2


async def test_a_cancellation_counts_even_after_an_overstay_was_reported(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connection_of(Taken())

    async def work() -> None:
        connection.end_at(10, AbortReason.EXPIRED)
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    async def finish(error: Exception | None) -> None:
        await trio.sleep_forever()  # a client that does not read

    with trio.move_on_at(30) as server:
        await connection.run(work, finish)
    assert server.cancelled_caught
    assert trio.current_time() == 60  # nothing waits for the client
    assert connection.aborted.reason is AbortReason.EXPIRED
    assert len(caplog.records) == 2  # after the expiry, and after the cancellation


# -- what a server may leave out


async def test_a_message_that_does_not_say_that_more_comes_is_the_last() -> None:
    messages: list[Message] = [
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"one", "more_body": True},
        {"type": "http.request", "body": b", two"},
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else await nothing_comes()

    connection = Connection(receive, Taken().send, label="POST /", max_body=100, cleanup_timeout=5)
    read = []

    async def work() -> None:
        assert connection.body is not None
        read.append(await connection.body.read())

    async def finish(error: Exception | None) -> None:
        assert error is None

    await connection.run(work, finish)
    assert read == [b"one, two"]


# -- the link to the server


async def test_the_servers_short_way_is_taken_for_the_body(autojump_clock: MockClock) -> None:
    taken, short = Taken(), list[bytes]()

    def try_write(data: bytes) -> bool:
        short.append(data)
        return True

    connection = connection_of(taken, ServerExtension(Drain(), try_write=try_write, send=taken.send))

    async def work() -> None:
        await connection.writer.start(200, ())
        await connection.writer.write(b"data")

    async def finish(error: Exception | None) -> None:
        await connection.writer.end()

    await connection.run(work, finish)
    assert short == [b"data"]
    assert [message["type"] for message in taken] == ["http.response.start", "http.response.body"]
    assert taken[1]["body"] == b""


async def test_a_request_that_has_ended_takes_no_part_in_a_later_drain(autojump_clock: MockClock) -> None:
    drain, told = Drain(), list[str]()
    connection = connection_of(Taken(), ServerExtension(drain))
    connection.on_drain = lambda: told.append("drain")

    async def work() -> None:
        assert connection.draining is drain.draining

    async def finish(error: Exception | None) -> None:
        pass

    await connection.run(work, finish)
    drain.begin(10)
    assert told == []


async def test_nobody_is_blamed_for_a_loop_that_was_stalled(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten seconds are gone at once, as for a process that was stopped: the handler has had no turn in them."""

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            autojump_clock.jump(10)
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()

    for _ in range(10):  # who gets a turn first is left to chance
        async with TestClient(App(cleanup_timeout=5).add(SSE("/").handle(handler))).stream("/") as stream:
            await stream.event()
    assert caplog.records == []
