"""`EventSource.aclose()` called by any task, in any state: iteration ends for good, and nothing is left open."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from trio_sse.client import BadResponse, EventSource, ReadyState, Retry
from trio_sse.wire import DONE_ID

from .network import Network, NoAnswer, Step
from .scripted import HANG, Answer, Server, refusing, streaming

REFUSED = httpx2.ConnectError("refused")


class Reader:
    """Reads a source in a task.

    Attributes:
        seen: The data that it has read.
        entered: Whether it has got into the block.
        finished: Whether iteration has ended, without an error.
    """

    def __init__(self, source: EventSource, pace: float = 0) -> None:
        self.source = source
        self.seen: list[object] = []
        self.entered = False
        self.finished = False
        self._pace = pace

    async def read(self) -> None:
        async with self.source:
            self.entered = True
            async for event in self.source:
                self.seen.append(event.data)
                await trio.sleep(self._pace)
            self.finished = True


@asynccontextmanager
async def reading(source: EventSource, pace: float = 0) -> AsyncIterator[Reader]:
    """Read while the block lasts, and for a minute after it."""
    reader = Reader(source, pace)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.read)
            yield reader


async def assert_closed(source: EventSource) -> None:
    """It is closed, and stays so."""
    for _ in range(2):
        assert source.ready_state is ReadyState.CLOSED
        with assert_checkpoints(), pytest.raises(StopAsyncIteration):
            await anext(source)
        with pytest.raises(StopAsyncIteration):
            await anext(source.values({"message": str}))
        await source.aclose()
        await trio.sleep(3600)


# -- the states


@attrs.frozen
class State:
    """A state of a source that is being read.

    Attributes:
        answers: What the server does.
        at: When `aclose` is called.
        seen: What has been read by then.
        entered: Whether the reader has got into its block by then.
        pace: How long the reader does something else after each event.
        options: Options of the source.
    """

    answers: tuple[Answer | Exception, ...]
    at: float = 1.0
    seen: tuple[str, ...] = ()
    entered: bool = True
    pace: float = 0.0
    options: dict[str, Any] = attrs.Factory(dict)


A = b"id: 1\ndata: a\n\n"
BURST = b"data: a\n\ndata: b\n\ndata: c\n\n"
GZIP = {"content-type": "text/event-stream", "content-encoding": "gzip"}

STATES = {
    "waiting for the headers": State((streaming(after=HANG),), entered=False),
    "waiting for the headers after a redirect": State(
        (refusing(307, location="/there"), streaming(after=HANG)), entered=False
    ),
    "waiting for the headers of a redirect": State((refusing(307, after=HANG, location="/there"),), entered=False),
    "reading why the server refuses": State((refusing(404, b"because", HANG),), entered=False),
    "reading why the server refuses for now": State((refusing(503, b"because", HANG),), entered=False),
    "backing off before the first connection": State((REFUSED,), entered=False),
    "backing off after a refusal": State((refusing(503),), entered=False),
    "waiting for the first byte": State((streaming(HANG),)),
    "waiting for the next event": State((streaming(A, HANG),), seen=("a",)),
    "waiting for the rest of an event": State((streaming(A, b"data: unfinished", HANG),), seen=("a",)),
    "waiting within a time limit": State((streaming(A, HANG),), seen=("a",), options={"read_timeout": 2}),
    "waiting for compressed bytes": State((streaming(gzip.compress(A), HANG, headers=GZIP),), seen=("a",)),
    "backing off after the end of a stream": State((streaming(A),), seen=("a",)),
    "backing off after an error": State((streaming(A, httpx2.ReadError("")),), seen=("a",)),
    "backing off after a silence": State(
        (streaming(A, HANG),), at=2, seen=("a",), options={"read_timeout": 1, "retry": Retry()}
    ),
    "reconnecting": State((streaming(A), streaming(after=HANG)), at=4, seen=("a",)),
    "waiting on the second connection": State((streaming(A), streaming(HANG)), at=4, seen=("a",)),
    "with events that have not been given": State((streaming(BURST, HANG),), seen=("a",), pace=5),
    "with a stream that has ended unnoticed": State((streaming(BURST),), seen=("a",), pace=5),
    "between two events": State((streaming(A, HANG),), seen=("a",), pace=5),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
async def test_it_ends_the_iteration_of_another_task(state: State, autojump_clock: MockClock) -> None:
    server = Server(*state.answers)
    source = server.source(**state.options)
    async with reading(source, state.pace) as reader:
        await trio.sleep(state.at)
        requests = len(server.requests)
        assert (tuple(reader.seen), reader.entered) == (state.seen, state.entered)
        await source.aclose()
        assert trio.current_time() == pytest.approx(server.times[0] + state.at)
        assert server.open == 0
    assert reader.finished
    assert tuple(reader.seen) == state.seen
    await assert_closed(source)
    assert len(server.requests) == requests


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("closers", [2, 3])
async def test_several_tasks_may_close_it_at_once(closers: int, state: State, autojump_clock: MockClock) -> None:
    """None of them returns before all is closed, however long that takes."""
    server = Server(*state.answers)
    source = server.source(**state.options)
    opened: list[int] = []

    async def close() -> None:
        await source.aclose()
        opened.append(server.open)

    async with reading(source, state.pace) as reader, trio.open_nursery() as nursery:
        await trio.sleep(state.at)
        server.closing = 0.5
        for _ in range(closers):
            nursery.start_soon(close)
    assert opened == [0] * closers
    assert reader.finished
    await assert_closed(source)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("ticks", range(4))
async def test_a_closer_that_is_cancelled_has_closed_it_all_the_same(
    ticks: int, state: State, autojump_clock: MockClock
) -> None:
    server = Server(*state.answers)
    source = server.source(**state.options)
    async with reading(source, state.pace) as reader:
        await trio.sleep(state.at)
        server.closing = 0.5
        with trio.move_on_after(ticks / 5):
            await source.aclose()
        assert source.ready_state is ReadyState.CLOSED
    assert server.open == 0
    assert reader.finished
    await assert_closed(source)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("first", ["the reader", "the closer"])
async def test_a_cancellation_from_outside_is_not_swallowed(
    first: str, state: State, autojump_clock: MockClock
) -> None:
    """The scope of the wait and one around the reader are cancelled in the same moment. The latter ends the reader."""
    server = Server(*state.answers)
    source = server.source(**state.options)
    reader = Reader(source, state.pace)
    ended_by: list[bool] = []

    async def read() -> None:
        with scope:
            await reader.read()
        ended_by.append(scope.cancelled_caught)

    scope = trio.CancelScope()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(state.at)
            if first == "the reader":
                scope.cancel()
                await source.aclose()
            else:
                nursery.start_soon(source.aclose)
                await trio.lowlevel.checkpoint()
                scope.cancel()
    assert (ended_by, reader.finished) in [([True], False), ([False], True)]
    if first == "the reader":
        assert ended_by == [True]
    assert server.open == 0
    await assert_closed(source)


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_connection_ends_at_whatever_step_it_is(step: Step, scheme: str, autojump_clock: MockClock) -> None:
    """With httpcore2's own generators and scopes."""
    network = Network(step)
    source = EventSource(f"{scheme}://server/", client=network.client())
    async with reading(source) as reader:
        await wait_all_tasks_blocked()
        assert reader.entered is (step is Step.BODY or (step is Step.TLS and scheme == "http"))
        await source.aclose()
        assert network.open == 0
    assert reader.finished
    await assert_closed(source)
    assert network.connected <= 1


async def test_a_connection_ends_while_it_looks_up_the_host(autojump_clock: MockClock) -> None:
    trio.socket.set_custom_hostname_resolver(NoAnswer())
    source = EventSource("http://server/")
    async with reading(source) as reader:
        await wait_all_tasks_blocked()
        await source.aclose()
    assert reader.finished
    await assert_closed(source)


# -- before, after and during


async def test_one_that_was_never_entered_is_closed(autojump_clock: MockClock) -> None:
    source = Server().source()
    await source.aclose()
    await assert_closed(source)


async def test_one_that_is_closed_can_be_entered_and_has_no_events(autojump_clock: MockClock) -> None:
    server = Server()
    source = server.source()
    await source.aclose()
    async with source:
        assert [event async for event in source] == []
    assert server.requests == []


async def test_entering_gives_a_closed_source_if_it_is_closed_meanwhile(autojump_clock: MockClock) -> None:
    source = Server(REFUSED).source()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(close_after, 1, source)
        async with source:
            assert source.ready_state is ReadyState.CLOSED
            assert trio.current_time() == pytest.approx(1)


async def close_after(seconds: float, source: EventSource) -> None:
    await trio.sleep(seconds)
    await source.aclose()


async def test_closing_waits_for_a_close_that_has_begun(autojump_clock: MockClock) -> None:
    """The connection is lost, and the reader is closing it: there will be no other one."""
    retries: list[object] = []
    server = Server(streaming(A, httpx2.ReadError("")))
    server.closing = 2
    source = server.source(on_retry=lambda *told: retries.append(told))
    async with reading(source) as reader:
        await trio.sleep(1)
        assert server.open == 1
        await source.aclose()
        assert server.open == 0
        assert trio.current_time() - server.times[0] == pytest.approx(2)
    assert reader.finished
    assert retries == []
    await assert_closed(source)


async def test_closing_waits_for_a_reader_that_leaves_by_itself(autojump_clock: MockClock) -> None:
    server = Server(streaming(A, HANG))
    server.closing = 2
    async with trio.open_nursery() as nursery:
        async with server.source() as source:
            await anext(source)
            nursery.start_soon(close_after, 1, source)
        assert (server.open, source.ready_state) == (0, ReadyState.CLOSED)
    await assert_closed(source)


async def test_a_close_that_does_not_end_has_a_time_limit(autojump_clock: MockClock) -> None:
    class Stuck(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield A

        async def aclose(self) -> None:
            await trio.sleep_forever()

    async def close() -> None:
        await source.aclose()
        ends.append(trio.current_time())

    ends: list[float] = []
    source = EventSource("http://server/", client=serving(Stuck()))
    async with trio.open_nursery() as nursery:
        async with source:
            nursery.start_soon(close)
            await wait_all_tasks_blocked()
            await close()
        await close()
    assert ends == pytest.approx([5, 5, 5])
    await assert_closed(source)


def serving(stream: httpx2.AsyncByteStream) -> httpx2.AsyncClient:
    """A client whose requests are answered with a stream."""

    class Transport(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    return httpx2.AsyncClient(transport=Transport())


async def test_an_answer_that_comes_in_the_same_moment_is_closed(autojump_clock: MockClock) -> None:
    """The connection is there, but its task has not run since; it is not opened, and `on_open` is not called."""
    opened: list[object] = []

    class Simultaneous(Server):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            run_now(source.aclose())
            return response

    server = Simultaneous(streaming(A, HANG))
    source = server.source(on_open=lambda: opened.append(1))
    async with reading(source) as reader:
        pass
    assert reader.finished
    assert (reader.seen, opened, server.open) == ([], [], 0)
    await assert_closed(source)


def run_now(closing: Coroutine[Any, Any, None]) -> None:
    """Run `aclose` to its end at once, as if a task had done so that ran just before this one."""
    with pytest.raises(StopIteration):
        closing.send(None)


@pytest.mark.parametrize("after", [b"data: b\n\n", httpx2.ReadError("")])
async def test_what_comes_in_the_same_moment_is_dropped(after: bytes | Exception, autojump_clock: MockClock) -> None:
    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield A
            run_now(source.aclose())
            if isinstance(after, Exception):
                raise after
            yield after

    retries: list[object] = []
    source = EventSource("http://server/", client=serving(Body()), on_retry=lambda *told: retries.append(told))
    async with reading(source) as reader:
        pass
    assert reader.finished
    assert (reader.seen, source.last_event_id, retries) == (["a"], "1", [])
    await assert_closed(source)


async def test_a_refusal_that_comes_in_the_same_moment_does_not_matter(autojump_clock: MockClock) -> None:
    class Simultaneous(Server):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            run_now(source.aclose())
            raise httpx2.UnsupportedProtocol("gopher")

    source = Simultaneous().source()
    async with reading(source) as reader:
        pass
    assert reader.finished
    await assert_closed(source)


# -- by the task that reads


@pytest.mark.parametrize("when", ["request", "response"])
async def test_a_hook_of_the_client_may_close_it(when: str, autojump_clock: MockClock) -> None:
    """It runs in the task that reads, which cannot wait for itself."""

    async def close(_: object) -> None:
        await source.aclose()

    server = Server(streaming(A, HANG))
    source = server.source(client=server.client(event_hooks={when: [close]}))
    async with reading(source) as reader:
        pass
    assert reader.finished
    assert (reader.seen, server.open) == ([], 0)
    await assert_closed(source)


async def test_a_hook_may_close_it_in_a_task_of_its_own(autojump_clock: MockClock) -> None:
    async def close(_: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.aclose)

    server = Server(streaming(A, HANG))
    source = server.source(client=server.client(event_hooks={"response": [close]}))
    async with reading(source) as reader:
        pass
    assert reader.finished
    assert server.open == 0
    await assert_closed(source)


def at_once(source: EventSource, nursery: trio.Nursery) -> None:
    run_now(source.aclose())


def by_a_task(source: EventSource, nursery: trio.Nursery) -> None:
    nursery.start_soon(source.aclose)


@pytest.mark.parametrize("close", [at_once, by_a_task])
@pytest.mark.parametrize("callback", ["on_open", "on_retry"])
@pytest.mark.parametrize("connection", [1, 2])
async def test_a_callback_may_close_it(
    close: Callable[[EventSource, trio.Nursery], None], callback: str, connection: int, autojump_clock: MockClock
) -> None:
    calls: list[object] = []

    def called(*told: object) -> None:
        calls.append(told)
        if len(calls) == connection:
            close(source, nursery)

    server = Server(*[streaming(A)] * connection)
    async with trio.open_nursery() as nursery:
        options: dict[str, Any] = {callback: called}
        source = server.source(**options)
        async with reading(source) as reader:
            pass
        assert trio.current_time() - server.times[-1] == pytest.approx(0)
    assert reader.finished
    assert (len(calls), len(server.requests), server.open) == (connection, connection, 0)
    await assert_closed(source)


async def test_the_reader_may_close_it_in_the_loop(autojump_clock: MockClock) -> None:
    server = Server(streaming(BURST, HANG))
    async with server.source() as source:
        async for event in source:
            assert event.data == "a"
            await source.aclose()
            assert server.open == 0
    await assert_closed(source)


# -- the ends that come by themselves


async def test_after_done_it_is_closed(autojump_clock: MockClock) -> None:
    done = f"event: stream-done\nid: {DONE_ID}\ndata: null\n\n".encode()
    server = Server(streaming(done, HANG))
    async with reading(server.source()) as reader:
        pass
    assert server.open == 0
    await assert_closed(reader.source)


async def test_after_a_refusal_it_is_closed(autojump_clock: MockClock) -> None:
    source = Server(refusing(404)).source()
    with pytest.raises(BadResponse):
        await source.__aenter__()
    await assert_closed(source)


# -- iteration


async def test_values_end_as_events_do(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: 1\n\n", HANG))
    found: list[object] = []
    async with server.source() as source, trio.open_nursery() as nursery:
        nursery.start_soon(close_after, 1, source)
        async for value in source.values({"message": int}):
            found.append(value)
        assert trio.current_time() == pytest.approx(1)
    assert found == [1]
    assert server.open == 0


async def test_another_task_that_iterates_while_it_closes_is_at_the_end(autojump_clock: MockClock) -> None:
    server = Server(streaming(A, HANG))
    server.closing = 2
    async with server.source() as source, trio.open_nursery() as nursery:
        await anext(source)
        nursery.start_soon(source.aclose)
        await trio.sleep(1)
        assert server.open == 1
        with pytest.raises(StopAsyncIteration):
            await anext(source)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_reading_and_closing_in_the_same_moment(cancelled: bool, autojump_clock: MockClock) -> None:
    """In whatever order Trio runs the tasks, which is random."""

    async def read() -> None:
        with contextlib.suppress(StopAsyncIteration):
            seen.append((await anext(source)).data)

    for _ in range(30):
        server = Server(streaming(BURST, HANG))
        seen: list[object] = []
        async with server.source() as source:
            await anext(source)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                nursery.start_soon(source.aclose)
                if cancelled:
                    await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
            assert server.open == 0
            assert seen in ([], ["b"])
            await assert_closed(source)


async def test_a_cancelled_wait_is_no_close(autojump_clock: MockClock) -> None:
    """What `aclose` does to a wait, and what a time limit of the reader does, are two things."""
    server = Server(streaming(A, HANG), streaming(b"data: b\n\n", HANG))
    async with server.source() as source:
        await anext(source)
        with trio.move_on_after(1) as limit:
            await anext(source)
        assert limit.cancelled_caught
        assert (await anext(source)).data == "b"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(close_after, 1, source)
            with trio.move_on_after(2) as limit, pytest.raises(StopAsyncIteration):
                await anext(source)
            assert not limit.cancelled_caught


async def test_a_task_that_enters_keeps_others_from_iterating(autojump_clock: MockClock) -> None:
    source = Server(streaming(after=1), REFUSED).source()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.__aenter__)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="another task"):
            await anext(source)
        await source.aclose()


# -- any time


def script() -> list[Answer]:
    """Takes 7.5 seconds with these options, and then waits forever."""
    return [
        streaming(after=31),
        refusing(307, after=0.5, location="/there"),
        streaming(0.5, b"id: 1\ndata: a\n\n", 1, b"data: b\n\ndata: c\n\n", httpx2.ReadError("")),
        refusing(503, b"later", 1, after=0.5),
        streaming(HANG, after=0.5),
    ]


OPTIONS: dict[str, Any] = {"retry": Retry(delay=0.5, jitter=min), "connect_timeout": 1.0}


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, 100).map(lambda tenths: tenths / 10),
    aside=st.sampled_from([-1e-9, 0.0, 1e-9]),
    closers=st.integers(1, 3),
    closing=st.sampled_from([0.0, 0.3, 7.0]),
    pace=st.sampled_from([0.0, 0.4, 3.0]),
    cancelled_after=st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.5])),
    leaves_after=st.one_of(st.none(), st.sampled_from([-0.2, 0.0, 0.2])),
)
def test_whenever_it_is_closed_it_ends_for_good(
    at: float,
    aside: float,
    closers: int,
    closing: float,
    pace: float,
    cancelled_after: float | None,
    leaves_after: float | None,
) -> None:
    """Also in the very moment in which something happens, with closers and a reader that are cancelled meanwhile."""
    moment = max(0.0, at + aside)

    async def close(source: EventSource, server: Server, closed: list[int]) -> None:
        await trio.sleep_until(trio.current_time() + moment)
        limit = HANG if cancelled_after is None else cancelled_after
        with trio.move_on_after(limit):
            await source.aclose()
            closed.append(server.open)
        assert source.ready_state is ReadyState.CLOSED

    async def main() -> None:
        server, closed = Server(*script()), list[int]()
        server.closing = closing
        source = server.source(**OPTIONS)
        reader = Reader(source, pace)
        leave = HANG if leaves_after is None else max(0.0, moment + leaves_after)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(closers):
                    nursery.start_soon(close, source, server, closed)
                with trio.move_on_after(leave) as scope:
                    await reader.read()
        assert reader.finished or scope.cancelled_caught
        assert (server.open, closed) == (0, [0] * len(closed))
        assert cancelled_after is not None or len(closed) == closers
        assert reader.seen == ["a", "b", "c"][: len(reader.seen)]
        requests = len(server.requests)
        await assert_closed(source)
        assert len(server.requests) == requests

    trio.run(main, clock=MockClock(autojump_threshold=0))
