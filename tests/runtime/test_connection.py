"""The connection's promises, each under virtual time and in memory."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, Aborted, AbortReason, App, Done, Get, NotFound, Post
from trio_sse.testing import TestClient, TestStream


class Journal(list[Any]):
    """What happened, in order."""

    def note(self, *words: Any) -> None:
        self.append(words[0] if len(words) == 1 else words)


@pytest.fixture
def journal() -> Journal:
    return Journal()


def app_of(handler: Callable[..., Any], *steps: Callable[..., object], **settings: Any) -> TestClient:
    return TestClient(App(**settings).add(SSE("/").use(*steps).handle(handler)))


# -- wherever the handler stands, however the stream ends


async def idle(journal: Journal, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"data": "first"}
        await trio.sleep_forever()
    finally:
        journal.note("finally", aborted.reason)


async def blocked(journal: Journal, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        while True:
            yield {"data": "more"}
    finally:
        journal.note("finally", aborted.reason)


async def shielded_once(journal: Journal, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"data": "first"}
        await trio.sleep_forever()
    finally:
        with trio.move_on_after(1, shield=True):
            await trio.sleep(0.5)
            journal.note("finally", aborted.reason)


async def swallows_one_cancelled(journal: Journal, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        try:
            yield {"data": "first"}
            await trio.sleep_forever()
        except trio.Cancelled:
            yield {"data": "too late"}
    finally:
        journal.note("finally", aborted.reason)


STANDING = [idle, blocked, shielded_once, swallows_one_cancelled]


async def leave(stream: TestStream) -> None:
    stream.disconnect()


async def let_the_server_fail(stream: TestStream) -> None:
    stream.fail_receive(RuntimeError("receive failed"))
    stream.disconnect()


@pytest.mark.parametrize("standing", STANDING)
async def test_finally_runs_once_when_the_client_goes(
    autojump_clock: MockClock, standing: Callable[..., Any], journal: Journal
) -> None:
    await ends_with(standing, journal, leave, AbortReason.CLIENT_GONE)


@pytest.mark.parametrize("standing", STANDING)
async def test_finally_runs_once_when_receive_fails(
    autojump_clock: MockClock, standing: Callable[..., Any], journal: Journal
) -> None:
    with pytest.raises(RuntimeError, match="receive failed"):
        await ends_with(standing, journal, let_the_server_fail, AbortReason.ERROR)


@pytest.mark.parametrize("standing", STANDING)
async def test_finally_runs_once_when_the_server_cancels(
    autojump_clock: MockClock, standing: Callable[..., Any], journal: Journal
) -> None:
    with trio.CancelScope() as server:

        async def cancel(_stream: TestStream) -> None:
            server.cancel()

        await ends_with(standing, journal, cancel, AbortReason.CANCELLED)
    assert server.cancelled_caught
    assert journal == [("finally", AbortReason.CANCELLED)]


@pytest.mark.parametrize("standing", STANDING)
async def test_finally_runs_once_when_a_task_of_the_request_crashes(
    autojump_clock: MockClock, standing: Callable[..., Any], journal: Journal
) -> None:
    crash = trio.Event()

    async def crashing() -> None:
        await crash.wait()
        raise ValueError("crashed")

    async def start(nursery: trio.Nursery) -> None:
        nursery.start_soon(crashing)

    async def let_it_crash(stream: TestStream) -> None:
        crash.set()
        await wait_all_tasks_blocked()
        stream.resume()

    with pytest.raises(ValueError, match="crashed"):
        await ends_with(standing, journal, let_it_crash, AbortReason.ERROR, start)


async def ends_with(
    standing: Callable[..., Any],
    journal: Journal,
    end: Callable[[TestStream], Awaitable[None]],
    reason: AbortReason,
    *steps: Callable[..., object],
) -> None:
    """Let a handler come to where it stands, end the stream, and hold what it noted against the promise."""
    route = SSE("/").use(*steps).use(journal=lambda: journal).handle(standing)
    async with TestClient(App().add(route)).stream("/") as stream:
        await stream.event()
        if standing is blocked:
            stream.pause()
        await wait_all_tasks_blocked()
        await end(stream)
        await stream.ended()
        assert journal == [("finally", reason)]


async def test_a_generator_that_was_never_entered_has_nothing_to_clean_up(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def slow_step() -> None:
        await trio.sleep_forever()

    async def never() -> AsyncIterator[Any]:
        journal.note("entered")
        yield

    async with app_of(never, slow_step).stream("/", wait=False) as stream:
        await wait_all_tasks_blocked()
        stream.disconnect()
        await stream.ended()
    assert stream.status is None
    assert journal == []


async def test_a_client_that_is_gone_before_the_start_stops_the_first_step(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def step(aborted: Aborted) -> None:
        try:
            await trio.sleep_forever()
        finally:
            journal.note(aborted.reason)

    async with app_of(blocked, step, journal_of(journal)).stream("/", wait=False) as stream:
        stream.disconnect()
    assert journal == [AbortReason.CLIENT_GONE]


def journal_of(journal: Journal) -> Callable[..., object]:
    import attrs

    @attrs.frozen
    class Provided:
        journal: Journal

    def provide() -> Provided:
        return Provided(journal)

    provide.__annotations__["return"] = Provided
    return provide


# -- aborted


async def test_aborted_is_set_before_anything_is_cancelled(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        except trio.Cancelled:
            journal.note("cancelled", aborted.is_set(), aborted.reason)
            raise

    async with app_of(handler).stream("/") as stream:
        await stream.event()
    assert journal == [("cancelled", True, AbortReason.CLIENT_GONE)]


async def test_aborted_stays_unset_when_the_handler_ends_by_itself(autojump_clock: MockClock, journal: Journal) -> None:
    seen: list[Aborted] = []

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        seen.append(aborted)
        yield {"data": 1}

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        await stream.ended()
    assert stream.complete
    assert not seen[0].is_set()
    assert seen[0].reason is None


async def test_aborted_stays_unset_when_the_handler_fails(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            raise ValueError
        finally:
            journal.note(aborted.is_set())

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), ValueError)
    assert journal == [False]


async def test_a_client_that_goes_while_the_steps_are_left_is_no_abort(
    autojump_clock: MockClock, journal: Journal
) -> None:
    @asynccontextmanager
    async def step(aborted: Aborted) -> AsyncIterator[None]:
        yield
        await trio.sleep(1)
        journal.note("left", aborted.is_set())

    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}

    async with app_of(handler, step).stream("/") as stream:
        await stream.event()
        await wait_all_tasks_blocked()
        stream.disconnect()
    assert journal == [("left", False)]


async def test_the_first_reason_wins(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(3, shield=True):
                await trio.sleep(2)
            journal.note(aborted.reason)

    with trio.CancelScope() as server:
        async with app_of(handler).stream("/") as stream:
            await stream.event()
            stream.disconnect()
            await wait_all_tasks_blocked()
            server.cancel()
            await trio.sleep_forever()
    assert journal == [AbortReason.CLIENT_GONE]


async def test_a_client_that_goes_after_an_error_does_not_change_the_reason(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def crash() -> None:
        raise ValueError

    async def handler(aborted: Aborted, nursery: trio.Nursery) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            nursery.start_soon(crash)
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(2, shield=True):
                await trio.sleep(1)
            journal.note(aborted.reason)

    async with app_of(handler).stream("/") as stream:
        await aborted_soon(stream)
        stream.disconnect()
        await stream.ended()
        assert isinstance(stream.claim_error(), ValueError)
    assert journal == [AbortReason.ERROR]


async def aborted_soon(stream: TestStream) -> None:
    await stream.event()
    await wait_all_tasks_blocked()


async def test_a_client_that_goes_while_the_tasks_end_is_no_abort(autojump_clock: MockClock, journal: Journal) -> None:
    async def task(aborted: Aborted) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(2, shield=True):
                await trio.sleep(1)
            journal.note("task", aborted.is_set())

    async def handler(aborted: Aborted, nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(task, aborted)
        yield {"data": 1}

    async with app_of(handler).stream("/") as stream:
        await aborted_soon(stream)
        stream.disconnect()
    assert journal == [("task", False)]


async def test_another_task_can_wait_for_aborted(autojump_clock: MockClock, journal: Journal) -> None:
    async def watch(aborted: Aborted) -> None:
        journal.note("told", await aborted.wait())

    async def handler(aborted: Aborted, app_nursery: trio.Nursery) -> AsyncIterator[Any]:
        app_nursery.start_soon(watch, aborted)
        yield {"data": 1}
        await trio.sleep_forever()

    async with app_of(handler) as client, client.stream("/") as stream:
        await stream.event()
    assert journal == [("told", AbortReason.CLIENT_GONE)]


# -- one nursery, three siblings


async def test_driver_heartbeat_and_the_requests_nursery_are_its_only_tasks(autojump_clock: MockClock) -> None:
    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        yield {"data": 1}
        await trio.sleep_forever()

    async with app_of(handler).stream("/") as stream:
        for _ in range(3):
            await trio.sleep(60)
            assert sorted(stream.living_tasks) == [
                "GET /",  # the watcher
                "driver of SSE /",
                "heartbeat of SSE /",
                "nursery of SSE /",
            ]


@pytest.mark.parametrize("standing", [idle, shielded_once, swallows_one_cancelled])
async def test_receive_is_called_once_at_a_time_and_never_after_the_disconnect(
    autojump_clock: MockClock, standing: Callable[..., Any], journal: Journal
) -> None:
    client = TestClient(App().add(SSE("/").use(journal=lambda: journal).handle(standing)))
    calls = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def counting() -> Any:
            nonlocal calls
            calls += 1
            return await receive()

        await client.app(scope, counting, send)

    async with TestClient(app).stream("/", body=(b"a", b"b")) as stream:
        await stream.event()
        await wait_all_tasks_blocked()
        assert calls == 3  # two parts of the body, and the one that waits
        stream.disconnect()
        await trio.sleep(60)
    assert calls == 3


# -- one task, in order


async def test_one_task_does_it_all_and_in_this_order(autojump_clock: MockClock, journal: Journal) -> None:
    tasks = set()

    def note(word: str) -> None:
        tasks.add(trio.lowlevel.current_task())
        journal.note(word)

    @asynccontextmanager
    async def outer() -> AsyncIterator[None]:
        note("enter outer")
        yield
        note("leave outer")

    @asynccontextmanager
    async def inner() -> AsyncIterator[None]:
        note("enter inner")
        yield
        note("leave inner")

    async def handler() -> AsyncIterator[Any]:
        try:
            note("handler")
            yield {"data": 1}
        finally:
            note("close")

    client = app_of(handler, outer, inner)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start" or not message["more_body"]:
                note(message["type"])
            await send(message)

        await client.app(scope, receive, noting)

    async with TestClient(app).stream("/") as stream:
        await stream.ended()
    assert journal == [
        "enter outer",
        "enter inner",
        "http.response.start",
        "handler",
        "close",
        "leave inner",
        "leave outer",
        "http.response.body",
    ]
    assert len(tasks) == 1


async def test_a_generator_that_is_closed_at_its_yield_is_closed_before_the_steps_are_left(
    autojump_clock: MockClock, journal: Journal
) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        yield
        journal.note("left")

    async def handler() -> AsyncIterator[Any]:
        try:
            yield Done()
        finally:
            await trio.sleep(1)
            journal.note("closed")

    async with app_of(handler, step).stream("/") as stream:
        await stream.ended()
    assert journal == ["closed", "left"]


async def test_steps_are_left_in_reverse_order_after_the_generator_when_the_client_goes(
    autojump_clock: MockClock, journal: Journal
) -> None:
    def noting(word: str) -> Callable[..., object]:
        @asynccontextmanager
        async def step() -> AsyncIterator[None]:
            try:
                yield
            except trio.Cancelled:
                await trio.sleep(1)  # what the library shields may await
                journal.note(f"roll back {word}")
                raise
            journal.note(f"commit {word}")

        return step

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            journal.note("finally")

    async with app_of(handler, noting("outer"), noting("inner")).stream("/") as stream:
        await stream.event()
    assert journal == ["finally", "roll back inner", "roll back outer"]


async def test_a_step_that_swallows_everything_cannot_make_an_outer_one_commit(
    autojump_clock: MockClock, journal: Journal
) -> None:
    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            journal.note("roll back")
            raise
        journal.note("commit")

    @asynccontextmanager
    async def with_nursery() -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:  # its scope takes the Cancelled for its own
            nursery.start_soon(trio.sleep_forever)
            yield
            nursery.cancel_scope.cancel()

    async with app_of(idle, journal_of(journal), session, with_nursery).stream("/") as stream:
        await stream.event()
    assert journal == [("finally", AbortReason.CLIENT_GONE), "roll back"]


async def test_a_step_sees_the_handlers_error_and_may_swallow_it(autojump_clock: MockClock, journal: Journal) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            journal.note("swallowed")

    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise ValueError

    async with app_of(handler, step).stream("/") as stream:
        await stream.ended()
    assert journal == ["swallowed"]
    assert stream.complete


async def test_a_step_has_five_seconds_to_leave(
    autojump_clock: MockClock, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await trio.sleep(60)
            journal.note("not reached")

    async with app_of(idle, journal_of(journal), step).stream("/") as stream:
        await stream.event()
        left = trio.current_time()
        stream.disconnect()
        await stream.ended()
        assert trio.current_time() - left == 5
    assert journal == [("finally", AbortReason.CLIENT_GONE)]
    assert [record.getMessage() for record in caplog.records if "leaving" in record.getMessage()] == [
        f"SSE /: leaving {step.__qualname__.replace('<locals>.', '')}() has not ended within 5 s; it was cancelled"
    ]


async def test_a_step_that_overruns_does_not_hide_the_handlers_error(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await trio.sleep(60)

    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise ValueError("mine")

    async with app_of(handler, step, cleanup_timeout=1).stream("/") as stream:
        await stream.ended()
        assert str(stream.claim_error()) == "mine"
    assert "has not ended within 1 s" in caplog.text


async def test_an_error_in_a_steps_exit_ends_the_stream_after_the_generator(
    autojump_clock: MockClock, journal: Journal
) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        yield
        raise ValueError("commit failed")

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
        finally:
            journal.note("finally")

    async with app_of(handler, step).stream("/") as stream:
        assert [event.event for event in await stream.events(2)] == [None, "stream-error"]
        await stream.ended()
        assert str(stream.claim_error()) == "commit failed"
    assert journal == ["finally"]
    assert not stream.complete


# -- clean-up follows Trio's rules


async def test_an_await_in_finally_needs_the_users_own_shield(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": 1}
        finally:
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled:
                journal.note("cancelled in finally")
                raise

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        stream.pause()
        await wait_all_tasks_blocked()
    assert journal == ["cancelled in finally"]


async def test_a_handler_that_swallows_cancelled_for_long_is_reported_with_its_line(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stubborn() -> AsyncIterator[Any]:
        yield {"data": 1}
        for _ in range(100):
            with trio.CancelScope(shield=True):
                await trio.sleep(1)

    async with app_of(stubborn).stream("/") as stream:
        await stream.event()
    (record,) = caplog.records
    assert record.name == "trio_sse"
    assert record.getMessage().startswith("SSE /: the handler has not ended within 5 s; it stands at ")
    assert "stubborn" in record.getMessage()
    assert f"{__file__}:" in record.getMessage()


async def test_a_generator_that_yields_for_ever_after_cancelled_is_closed(autojump_clock: MockClock) -> None:
    async def stubborn() -> AsyncIterator[Any]:
        while True:
            try:  # noqa: SIM105 - as a user writes it
                yield {"data": 1}
            except trio.Cancelled:
                pass

    async with app_of(stubborn).stream("/") as stream:
        await stream.event()
        stream.pause()
        await wait_all_tasks_blocked()


async def test_a_late_yield_is_cancelled_once_more_and_an_await_in_finally_with_it(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            try:
                yield {"data": 1}
                await trio.sleep_forever()
            except trio.Cancelled:
                yield {"data": "too late"}
        finally:
            try:
                await trio.sleep(1)
                journal.note("closed in peace")
            except trio.Cancelled:
                journal.note("cancelled")
                raise

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        await wait_all_tasks_blocked()
        stream.disconnect()
        await stream.ended()
    # The late yield was told again, by Cancelled, where Trio's rules hold.
    assert journal == ["cancelled"]


async def test_what_the_library_closes_after_an_abort_is_shielded_for_a_while(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            for _ in range(3):
                try:
                    yield {"data": 1}
                    await trio.sleep_forever()
                except trio.Cancelled:
                    pass
        finally:
            await trio.sleep(1)
            journal.note("closed in peace")

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        await wait_all_tasks_blocked()
        stream.disconnect()
        await stream.ended()
    assert journal == ["closed in peace"]


async def test_a_handler_that_swallows_cancelled_cannot_make_a_step_commit(
    autojump_clock: MockClock, journal: Journal
) -> None:
    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        try:
            yield
        except trio.Cancelled:
            journal.note("roll back")
            raise
        journal.note("commit")

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        except trio.Cancelled:
            pass

    async with app_of(handler, session).stream("/") as stream:
        await stream.event()
    assert journal == ["roll back"]


async def test_a_generator_that_ignores_generator_exit_is_an_error_that_names_the_route(
    autojump_clock: MockClock,
) -> None:
    async def stubborn() -> AsyncIterator[Any]:
        ignored = 0
        while True:
            try:
                yield {"data": 1}
            except trio.Cancelled:
                pass
            except GeneratorExit:
                ignored += 1
                if ignored == 2:  # the garbage collector's
                    raise

    async with app_of(stubborn).stream("/") as stream:
        await stream.event()
        stream.pause()
        await wait_all_tasks_blocked()
        stream.disconnect()
        await stream.ended()
        error = stream.claim_error()
    assert "ignored GeneratorExit" in str(error)
    assert "SSE /" in error.__notes__[0]


# -- errors


async def test_an_error_is_told_in_one_event_that_leaks_nothing_and_raised_as_it_is(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise ValueError("secret")

    async with app_of(handler).stream("/") as stream:
        first, last = await stream.events(2)
        await stream.ended()
        error = stream.claim_error()
    assert first.data == "1"
    assert last.event == "stream-error"
    assert b"secret" not in stream.raw
    assert not stream.complete
    assert type(error) is ValueError
    assert error.__notes__ == [f"while answering SSE / with {handler.__qualname__.replace('<locals>.', '')}()"]


async def test_the_error_event_can_be_named_otherwise(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise ValueError

    async with app_of(handler, error_event="oops").stream("/") as stream:
        assert (await stream.events(2))[1].event == "oops"
        await stream.ended()
        stream.claim_error()


async def test_an_http_error_after_the_start_is_told_in_the_event_and_raised_with_advice(
    autojump_clock: MockClock,
) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise NotFound("no such room")

    async with app_of(handler).stream("/") as stream:
        last = (await stream.events(2))[1]
        await stream.ended()
        error = stream.claim_error()
    assert last.event == "stream-error"
    assert last.data == '{"title":"Not Found","status":404,"detail":"no such room"}'
    assert isinstance(error, NotFound)
    assert error.__notes__[0].startswith("It was raised after the response had started, too late for a status")


async def test_a_refusal_that_nobody_waits_for_is_no_error(autojump_clock: MockClock) -> None:
    async def step() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise NotFound

    async with app_of(idle, step, journal_of(Journal())).stream("/", wait=False) as stream:
        await wait_all_tasks_blocked()
        stream.disconnect()
    assert stream.status is None


async def test_two_errors_are_raised_together(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        raise ValueError("task")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            nursery.start_soon(crash)
            await trio.sleep_forever()
        finally:
            raise KeyError("handler")

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert pytest.RaisesGroup(ValueError, KeyError).matches(error)
    assert stream.pending()[-1].event == "stream-error"


async def test_a_group_that_the_handler_raises_stays_the_handlers_group(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        raise ValueError

    async def handler() -> AsyncIterator[Any]:
        async with trio.open_nursery() as own:
            own.start_soon(crash)
            yield {"data": 1}
            await trio.sleep_forever()

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
        assert pytest.RaisesGroup(ValueError).matches(stream.claim_error())


# -- the request's nursery


async def test_tasks_of_the_request_end_after_the_generator_and_before_the_steps(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            journal.note("task")

    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        yield
        journal.note("step")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(task)
        try:
            yield {"data": 1}
        finally:
            journal.note("generator")

    async with app_of(handler, step).stream("/") as stream:
        await stream.ended()
    assert journal == ["generator", "task", "step"]
    assert trio.current_time() == 0


async def test_tasks_of_the_request_are_not_cancelled_before_the_generator(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            journal.note("task")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(task)
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(2, shield=True):
                await trio.sleep(1)
            journal.note("generator")

    with trio.CancelScope() as server:
        async with app_of(handler).stream("/") as stream:
            await stream.event()
            server.cancel()
            await trio.sleep_forever()
    assert journal == ["generator", "task"]


async def test_an_error_of_a_task_that_overstays_is_raised(autojump_clock: MockClock) -> None:
    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(7)
        raise ValueError("late")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(stubborn)
        yield {"data": 1}

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
        assert str(stream.claim_error()) == "late"


async def test_a_task_that_overstays_is_reported_by_name(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(20)

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(stubborn, name="stubborn")
        yield {"data": 1}

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
    assert "a task in the request's nursery has not ended within 5 s; still running: stubborn" in caplog.text


# -- back-pressure and writes


async def test_a_client_that_does_not_read_stops_the_generator(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler() -> AsyncIterator[Any]:
        for number in range(1000):
            journal.note(number)
            yield {"data": number}

    async with app_of(handler, send_timeout=math.inf).stream("/") as stream:
        await stream.event()
        stream.pause()
        await wait_all_tasks_blocked()
        reached = len(journal)
        await trio.sleep(3600)
        assert len(journal) == reached < 10
        stream.resume()
        await stream.ended()
    assert len(journal) == 1000


async def test_a_handler_is_never_more_than_one_event_ahead_of_its_client(autojump_clock: MockClock) -> None:
    asked = 0

    async def handler() -> AsyncIterator[Any]:
        nonlocal asked
        for asked in range(1, 6):
            yield {"data": asked}

    client = app_of(handler)
    taken: list[bytes] = []
    ahead: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def slowly(message: Any) -> None:
            await trio.sleep(1)
            await send(message)
            if message.get("body", b"").startswith(b"data:"):
                taken.append(message["body"])
                ahead.append(asked - len(taken))

        await client.app(scope, receive, slowly)

    async with TestClient(app).stream("/") as stream:
        await stream.ended()
    assert ahead == [0] * 5  # when a client has an event, the next one has not been asked for


async def test_events_that_are_yielded_together_leave_in_one_write(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield [{"data": 1}, {"data": 2}, {"data": 3}]
        yield {"data": 4}

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
    assert stream.writes[1:3] == [b"data: 1\n\ndata: 2\n\ndata: 3\n\n", b"data: 4\n\n"]


async def test_an_event_never_waits_for_a_later_one(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        for number in range(3):
            yield {"data": number}
            await trio.sleep(10)

    async with app_of(handler).stream("/") as stream:
        times = [(await stream.event(), trio.current_time())[1] for _ in range(3)]
    start = times[0]
    assert [time - start for time in times] == [0, 10, 20]


async def test_an_empty_batch_writes_nothing_and_is_a_checkpoint(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        while True:
            yield []

    async with app_of(handler).stream("/") as stream:
        await stream.written(1)
        await trio.lowlevel.checkpoint()
        stream.disconnect()
        await stream.ended()
    assert stream.writes == [b":\n"]


async def test_a_tight_handler_does_not_starve_others_even_if_send_is_no_checkpoint(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        while True:
            yield {"data": 1}

    app = App().add(SSE("/").handle(handler))
    sent = 0

    async def send(message: Any) -> None:
        nonlocal sent
        sent += 1

    async def receive() -> Any:
        await trio.sleep_forever()

    from support.asgi import scope_of

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app, scope_of("GET", "/", {}), receive, send)
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            scope.cancel()
    assert 0 < sent < 200


# -- what goes wrong during a send is raised at the yield


async def test_a_time_out_around_a_yield_fires_while_the_client_does_not_read(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def handler() -> AsyncIterator[Any]:
        with trio.move_on_after(3) as scope:
            while True:
                yield {"data": "tick"}
        journal.note(scope.cancelled_caught, trio.current_time())
        yield {"data": "after"}

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        start = trio.current_time()
        stream.pause()
        await trio.sleep(10)
        stream.resume()
        await stream.ended()
    assert journal == [(True, start + 3)]
    assert stream.pending()[-1].data == "after"  # a cancelled send is harmless: the next one is whole
    assert stream.complete


async def test_a_crash_in_the_handlers_own_nursery_around_a_yield_reads_as_it_is_written(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async def crash() -> None:
        await trio.sleep(1)
        raise ValueError

    async def handler() -> AsyncIterator[Any]:
        try:
            async with trio.open_nursery() as own:
                own.start_soon(crash)
                while True:
                    yield {"data": "tick"}
        except* ValueError:
            journal.note("caught")
        yield {"data": "after"}

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(2)
        stream.resume()
        await stream.ended()
    assert journal == ["caught"]
    assert stream.pending()[-1].data == "after"


async def test_an_error_of_send_is_raised_at_the_yield(autojump_clock: MockClock, journal: Journal) -> None:
    broken = trio.Event()

    async def handler() -> AsyncIterator[Any]:
        yield {"data": 1}
        await broken.wait()
        try:
            yield {"data": 2}
        except RuntimeError as error:
            journal.note(str(error))
            raise

    async with app_of(handler).stream("/") as stream:
        await stream.event()
        stream.fail_send(RuntimeError("broken middleware"))
        broken.set()
        await stream.ended()
        stream.claim_error()
    assert journal == ["broken middleware"]


async def test_a_send_that_raises_os_error_means_that_the_client_has_gone(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async with app_of(blocked, journal_of(journal)).stream("/") as stream:
        await stream.event()
        stream.fail_send(ConnectionResetError())
        await stream.ended()
    assert journal == [("finally", AbortReason.CLIENT_GONE)]


async def test_a_heartbeat_that_finds_the_client_gone_ends_the_handler(
    autojump_clock: MockClock, journal: Journal
) -> None:
    async with app_of(idle, journal_of(journal)).stream("/") as stream:
        await aborted_soon(stream)
        stream.fail_send(BrokenPipeError())
        await stream.ended()
        assert trio.current_time() == 15
    assert journal == [("finally", AbortReason.CLIENT_GONE)]


async def test_a_bad_event_is_raised_at_the_yield_and_names_route_and_field(
    autojump_clock: MockClock, journal: Journal
) -> None:
    from trio_sse.errors import EventError

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"id": "a\nb"}
        except EventError as error:
            journal.note(error.field, str(error))
        yield {"data": "on it goes"}

    async with app_of(handler).stream("/") as stream:
        assert (await stream.event()).data == "on it goes"
    ((field, message),) = journal
    assert field == "id"
    assert message.startswith("SSE /: event field 'id': ")


async def test_a_bare_value_is_an_error(autojump_clock: MockClock) -> None:
    from trio_sse.errors import EventError

    async def handler() -> AsyncIterator[Any]:
        yield "hello"

    async with app_of(handler).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), EventError)


# -- the end of the response


class StuckAtTheEnd:
    """An app around the app whose last send does not return, as hypercorn's over HTTP/2 may not."""

    def __init__(self, client: TestClient) -> None:
        self.app = client.app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def stuck(message: Any) -> None:
            if message.get("more_body", True):
                await send(message)
            else:
                await trio.sleep_forever()

        await self.app(scope, receive, stuck)


async def short() -> AsyncIterator[Any]:
    yield {"data": 1}


async def test_a_last_send_that_sticks_is_cut_when_the_client_has_long_gone(autojump_clock: MockClock) -> None:
    async with TestClient(StuckAtTheEnd(app_of(short, send_timeout=math.inf))).stream("/") as stream:
        await trio.sleep(100)
        assert not stream.app_ended
        stream.disconnect()
        await stream.ended()
        assert trio.current_time() == 105


@pytest.mark.parametrize("gone", [False, True])
async def test_a_last_send_that_sticks_holds_up_no_shutdown(autojump_clock: MockClock, gone: bool) -> None:
    with trio.CancelScope() as server:
        async with TestClient(StuckAtTheEnd(app_of(short))).stream("/") as stream:
            await stream.event()
            await wait_all_tasks_blocked()
            if gone:
                stream.disconnect()
                await wait_all_tasks_blocked()
            server.cancel()
            await trio.sleep_forever()
    assert trio.current_time() == 0


# -- plain requests go the same way


async def test_a_plain_handler_is_cancelled_when_the_client_goes(autojump_clock: MockClock, journal: Journal) -> None:
    async def handler(aborted: Aborted) -> None:
        try:
            await trio.sleep_forever()
        finally:
            journal.note(aborted.reason)

    async with TestClient(App().add(Get("/").handle(handler))).stream("/", wait=False) as stream:
        await wait_all_tasks_blocked()
        stream.disconnect()
    assert journal == [AbortReason.CLIENT_GONE]
    assert stream.status is None


async def test_a_body_that_nobody_reads_is_drained(autojump_clock: MockClock) -> None:
    async def handler() -> str:
        await trio.sleep(1)
        return "done"

    client = TestClient(App().add(Post("/").handle(handler)))
    async with client.stream("/", method="POST", body=tuple(b"x" * 1000 for _ in range(50))) as stream:
        await stream.ended()
        assert stream.unread_chunks == 0
    assert stream.status == 200
