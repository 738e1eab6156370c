"""What a handler may give, and how each kind is driven and closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, App, Done, NotFound
from trio_sse.errors import NoContent, StepError
from trio_sse.testing import TestClient
from trio_sse.wire import DONE_ID


def client_of(handler: Callable[..., Any]) -> TestClient:
    return TestClient(App().add(SSE("/").handle(handler)))


async def test_a_generator_starts_the_response_before_its_body_is_entered(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield

    async with client_of(handler).stream("/") as stream:
        await stream.started()
        await wait_all_tasks_blocked()
        assert stream.status == 200
        assert stream.writes == [b":\n"]


async def test_the_retry_time_is_the_first_frame(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}

    client = TestClient(App().add(SSE("/").retry(2500).handle(handler)))
    async with client.stream("/") as stream:
        await stream.ended()
    assert stream.writes[0] == b"retry: 2500\n"


async def test_the_headers_of_a_stream() -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}

    async with client_of(handler).stream("/") as stream:
        await stream.started()
    assert stream.headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
    }


# -- coroutine functions that return an async iterable


@pytest.mark.parametrize(("error", "status"), [(NotFound("no such room"), 404), (NoContent(), 204)])
async def test_what_a_coroutine_handler_raises_before_it_returns_is_a_status(error: Exception, status: int) -> None:
    async def handler() -> AsyncIterator[Any]:
        raise error

    assert (await client_of(handler).get("/")).status == status


async def test_a_coroutine_handler_may_return_a_generator_which_is_closed(autojump_clock: MockClock) -> None:
    closed = []

    async def events() -> AsyncGenerator[Any, None]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            closed.append(trio.lowlevel.current_task())

    async def handler() -> AsyncIterator[Any]:
        await trio.sleep(1)
        return events()

    async with client_of(handler).stream("/") as stream:
        assert (await stream.event()).data == "1"
    assert len(closed) == 1


async def test_a_memory_channel_is_an_event_source(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[Any](10)

    async def handler() -> AsyncIterator[Any]:
        return receive

    async with client_of(handler).stream("/") as stream:
        await send.send({"data": 1})
        assert (await stream.event()).data == "1"
    with pytest.raises(trio.BrokenResourceError):
        await send.send({"data": 2})


async def test_a_channel_that_is_closed_ends_the_stream(autojump_clock: MockClock) -> None:
    send, receive = trio.open_memory_channel[Any](10)

    def handler() -> AsyncIterator[Any]:
        return receive

    async with client_of(handler).stream("/") as stream:
        await send.send({"data": 1})
        await send.aclose()
        await stream.ended()
    assert stream.complete
    assert [event.data for event in stream.pending()] == ["1"]


class Countdown:
    """An async iterator that is a plain class, with an `aclose` of its own."""

    def __init__(self, start: int) -> None:
        self.left = start
        self.closed = 0

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> Any:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        await trio.lowlevel.checkpoint()
        return {"data": self.left}

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


async def test_any_async_iterator_is_closed_once_when_it_has_ended(autojump_clock: MockClock) -> None:
    source = Countdown(3)

    async def handler() -> Countdown:
        return source

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert [event.data for event in stream.pending()] == ["2", "1", "0"]
    assert source.closed == 1


async def test_an_iterator_that_cannot_be_closed_need_not_be(autojump_clock: MockClock) -> None:
    class Once:
        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> Any:
            await trio.lowlevel.checkpoint()
            if items:
                return items.pop()
            raise StopAsyncIteration

    items = [{"data": 1}]

    async def handler() -> Once:
        return Once()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert stream.complete
    assert [event.data for event in stream.pending()] == ["1"]


async def test_any_async_iterator_is_closed_when_the_client_goes(autojump_clock: MockClock) -> None:
    source = Countdown(10**9)

    async def handler() -> Countdown:
        return source

    async with client_of(handler).stream("/") as stream:
        await stream.event()
        stream.pause()
        await wait_all_tasks_blocked()
    assert source.closed == 1


async def test_any_async_iterator_is_closed_when_the_client_goes_before_the_start(
    autojump_clock: MockClock,
) -> None:
    source = Countdown(10**9)

    async def handler() -> Countdown:
        stream.pause()
        return source

    async with client_of(handler).stream("/", wait=False) as stream:
        await wait_all_tasks_blocked()
        stream.disconnect()
    assert stream.status is None
    assert source.closed == 1


async def test_a_context_manager_of_an_iterable_is_entered_before_the_start_and_left_after(
    autojump_clock: MockClock,
) -> None:
    journal = []

    @asynccontextmanager
    async def subscription() -> AsyncIterator[Countdown]:
        journal.append("subscribe")
        try:
            yield source
        finally:
            journal.append("unsubscribe")

    source = Countdown(2)

    async def handler() -> Any:
        return subscription()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert journal == ["subscribe", "unsubscribe"]
    assert stream.complete
    assert len(stream.pending()) == 2


async def test_what_entering_a_context_manager_raises_is_a_status() -> None:
    @asynccontextmanager
    async def subscription() -> AsyncIterator[Any]:
        raise NotFound
        yield

    async def handler() -> Any:
        return subscription()

    assert (await client_of(handler).get("/")).status == 404


async def test_a_safe_channel_of_trio_is_a_handler(autojump_clock: MockClock) -> None:
    closed = []

    @trio.as_safe_channel
    async def handler() -> AsyncGenerator[Any, None]:
        try:
            with trio.move_on_after(100):
                yield {"data": 1}
                await trio.sleep_forever()
        finally:
            closed.append(True)

    async with client_of(handler).stream("/") as stream:
        assert (await stream.event()).data == "1"
    assert closed == [True]


@pytest.mark.parametrize("value", [None, [1, 2], "text", {"data": 1}])
async def test_what_is_not_an_async_iterable_is_an_error_before_the_start(value: object) -> None:
    async def handler() -> Any:
        return value

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert stream.status == 500
    assert isinstance(error, StepError)
    assert f"returned {type(value).__name__}" in str(error)


async def test_a_context_manager_of_what_is_not_an_async_iterable_is_left_and_an_error_before_the_start() -> None:
    journal = []

    @asynccontextmanager
    async def subscription() -> AsyncIterator[list[int]]:
        try:
            yield [1, 2]
        finally:
            journal.append("unsubscribe")

    async def handler() -> Any:
        return subscription()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert stream.status == 500
    assert isinstance(error, StepError)
    assert "returned list" in str(error)
    assert journal == ["unsubscribe"]


async def test_a_plain_function_that_returns_a_coroutine_is_told_so() -> None:
    async def stream_of() -> AsyncIterator[Any]:
        return Countdown(1)

    def handler() -> Any:
        return stream_of()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
        assert "returned coroutine" in str(stream.claim_error())


# -- Done


async def test_done_ends_the_stream_with_an_id_and_closes_the_generator(autojump_clock: MockClock) -> None:
    closed = []

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            yield Done()
            yield {"data": "never"}
        finally:
            await trio.sleep(1)  # nothing has been cancelled
            closed.append(True)

    client = client_of(handler)
    async with client.stream("/") as stream:
        await stream.ended()
    assert stream.complete
    assert bytes(stream.raw).endswith(b"data: 1\n\nevent: stream-done\nid: trio-sse.done\ndata: null\n\n")
    assert closed == [True]


async def test_done_in_a_batch_ends_the_stream_after_what_is_before_it(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield [{"data": 1}, Done(), {"data": "never"}]

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert stream.writes[1] == b"data: 1\n\nevent: stream-done\nid: trio-sse.done\ndata: null\n\n"


async def test_done_ends_the_stream_of_any_iterator_and_closes_it(autojump_clock: MockClock) -> None:
    class WithDone(Countdown):
        async def __anext__(self) -> Any:
            item = await super().__anext__()
            return Done() if self.left == 1 else item

    source = WithDone(4)

    async def handler() -> Countdown:
        return source

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert stream.complete
    assert bytes(stream.raw).endswith(b"data: 2\n\nevent: stream-done\nid: trio-sse.done\ndata: null\n\n")
    assert (source.left, source.closed) == (1, 1)


async def test_the_client_that_comes_back_after_done_gets_a_204_before_any_step() -> None:
    steps = []

    async def handler() -> AsyncIterator[Any]:
        yield Done()

    app = App().add(SSE("/").use(lambda: steps.append("ran")).handle(handler))
    reply = await TestClient(app).get("/", headers={"last-event-id": DONE_ID})
    assert reply.status == 204
    assert steps == []


async def test_closing_a_generator_that_overstays_is_cut_and_reported(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            yield Done()
        finally:
            await trio.sleep(60)

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
        assert trio.current_time() == pytest.approx(5)
    assert stream.complete
    assert "SSE /: closing the handler has not ended within 5 s" in caplog.text


async def test_a_nursery_around_the_last_yield_closes_without_a_group(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        async with trio.open_nursery() as own:
            own.start_soon(trio.sleep_forever)
            yield Done()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
    assert stream.complete


async def test_an_error_that_a_nursery_around_the_last_yield_meets_when_closed_is_raised(
    autojump_clock: MockClock,
) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError

    async def handler() -> AsyncIterator[Any]:
        async with trio.open_nursery() as own:
            own.start_soon(fails_when_cancelled)
            await trio.sleep(1)
            yield Done()

    async with client_of(handler).stream("/") as stream:
        await stream.ended()
        assert pytest.RaisesGroup(ValueError).matches(stream.claim_error())
    assert not stream.complete
