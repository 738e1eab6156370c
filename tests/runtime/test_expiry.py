"""Expiry: a stream ends when `expire_at` says so, its client is told, and nothing else can get in between."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from support.asgi import scope_of
from trio_sse import SSE, Aborted, AbortReason, App, Done, Get, Post, Unauthorized
from trio_sse.testing import TestClient, TestStream

EPOCH = 1_000_000.0
EXPIRED = b"event: stream-expired\ndata: null\n\n"
START = b":\n"

ExpireAt = Callable[[Any], None]


def Client(app: Any) -> TestClient:
    """A client that waits for two virtual hours, so that a stream that does not end fails its test."""
    return TestClient(app, patience=7200)


@attrs.define
class Record:
    """What a stream saw of its end."""

    reasons: list[AbortReason | None] = attrs.field(factory=list)
    ended_at: float | None = None


def until(*seconds: float) -> Callable[..., None]:
    """A step after which the stream ends after so many seconds, each of them asked for."""

    def step(expire_at: ExpireAt) -> None:
        for each in seconds:
            expire_at(EPOCH + trio.current_time() + each)

    return step


def app_of(handler: Callable[..., Any], *steps: Callable[..., Any], **settings: Any) -> App:
    """A stream without heartbeats, and a wall clock that goes with Trio's."""
    route = SSE("/").use(*steps).heartbeat(None).handle(handler)
    return App(wall_clock=lambda: EPOCH + trio.current_time(), **settings).add(route)


def waiting(record: Record) -> Callable[..., Any]:
    """A handler that says hello, and then waits."""

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        except trio.Cancelled:
            record.reasons.append(aborted.reason)
            raise
        finally:
            record.reasons.append(aborted.reason)
            record.ended_at = trio.current_time()

    return handler


# -- when


@pytest.mark.parametrize(("seconds", "end"), [((60,), 60), ((60, 20, 40), 20), ((1, 2), 1), ((0.001,), 0.001)])
async def test_the_earliest_of_several_counts(
    seconds: tuple[float, ...], end: float, autojump_clock: MockClock
) -> None:
    record = Record()
    reply = await Client(app_of(waiting(record), until(*seconds))).get("/")
    assert record.ended_at == pytest.approx(end)
    assert reply.body == START + b"data: hello\n\n" + EXPIRED


async def test_several_steps_may_ask_and_the_earliest_counts(autojump_clock: MockClock) -> None:
    record = Record()
    await Client(app_of(waiting(record), until(60), until(30), until(90))).get("/")
    assert record.ended_at == pytest.approx(30)


async def test_a_handler_may_ask_while_it_runs(autojump_clock: MockClock) -> None:
    async def handler(expire_at: ExpireAt) -> AsyncIterator[Any]:
        yield {"data": "hello"}
        await trio.sleep(5)
        expire_at(EPOCH + trio.current_time() + 5)
        await trio.sleep_forever()

    reply = await Client(app_of(handler)).get("/")
    assert trio.current_time() == pytest.approx(10)
    assert reply.body == START + b"data: hello\n\n" + EXPIRED


@pytest.mark.parametrize(
    "when",
    [
        EPOCH + 60,
        int(EPOCH) + 60,
        datetime.fromtimestamp(EPOCH + 60, UTC),
        datetime.fromtimestamp(EPOCH + 60, timezone(timedelta(hours=-7))),
    ],
)
async def test_a_moment_is_a_datetime_or_seconds_since_1970(when: Any, autojump_clock: MockClock) -> None:
    record = Record()
    await Client(app_of(waiting(record), lambda expire_at: expire_at(when))).get("/")
    assert record.ended_at == pytest.approx(60)


async def test_a_datetime_without_a_zone_is_an_error(autojump_clock: MockClock) -> None:
    naive = datetime.fromtimestamp(EPOCH + 60, UTC).replace(tzinfo=None)
    app = app_of(waiting(Record()), lambda expire_at: expire_at(naive))
    async with Client(app).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert isinstance(error, ValueError)
    assert str(error) == f"{naive!r} has no time zone, so it is not a moment; make it with tz=UTC"
    assert stream.status == 500


@pytest.mark.parametrize("when", [EPOCH, EPOCH - 1, 0, -1, float("-inf"), datetime.fromtimestamp(EPOCH, UTC)])
@pytest.mark.parametrize("route", [SSE("/"), Get("/")])
async def test_what_has_expired_already_is_a_401(when: Any, route: Any, autojump_clock: MockClock) -> None:
    app = App(wall_clock=lambda: EPOCH + trio.current_time())
    app = app.add(route.use(lambda expire_at: expire_at(when)).handle(lambda: None))
    reply = await Client(app).get("/")
    assert (reply.status, reply.json()["detail"]) == (401, "The credentials have expired.")
    assert reply.headers["www-authenticate"] == "Bearer"


async def test_what_is_no_number_is_an_error(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": "let in"}

    async with Client(app_of(handler, lambda expire_at: expire_at(float("nan")))).stream("/") as stream:
        await stream.ended()
        stream.claim_error()
    assert stream.status == 500


async def test_a_running_handler_that_asks_for_a_time_in_the_past_ends_as_expired(autojump_clock: MockClock) -> None:
    async def handler(expire_at: ExpireAt) -> AsyncIterator[Any]:
        yield {"data": "hello"}
        expire_at(EPOCH - 1)
        await trio.sleep_forever()

    assert (await Client(app_of(handler)).get("/")).body == START + b"data: hello\n\n" + EXPIRED


async def test_infinity_is_never(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        await trio.sleep(3600)
        yield {"data": "done"}

    app = app_of(handler, lambda expire_at: expire_at(float("inf")))
    assert (await Client(app).get("/")).body == START + b"data: done\n\n"


async def test_the_wall_clock_is_read_once_and_may_jump_afterwards(autojump_clock: MockClock) -> None:
    """A step of the system's clock, by NTP or by hand, neither ends a stream nor lets it live on."""
    readings = iter([EPOCH])
    record = Record()
    route = SSE("/").use(lambda expire_at: expire_at(EPOCH + 60)).heartbeat(1).handle(waiting(record))
    await Client(App(wall_clock=lambda: next(readings)).add(route)).get("/")
    assert record.ended_at == pytest.approx(60)


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
async def test_a_long_time_is_kept_to_the_second(hours: int, autojump_clock: MockClock) -> None:
    record = Record()
    route = SSE("/").use(until(hours * 3600 + 1)).heartbeat(1800).handle(waiting(record))
    app = App(wall_clock=lambda: EPOCH + trio.current_time()).add(route)
    client = Client(app)
    client.patience = hours * 3600 + 100
    reply = await client.get("/")
    assert record.ended_at == pytest.approx(hours * 3600 + 1, abs=0.001)
    assert reply.body == START + b"data: hello\n\n" + START * (2 * hours) + EXPIRED


# -- how


async def test_aborted_is_set_before_the_handler_is_cancelled(autojump_clock: MockClock) -> None:
    record = Record()
    await Client(app_of(waiting(record), until(60))).get("/")
    assert record.reasons == [AbortReason.EXPIRED, AbortReason.EXPIRED]


async def test_the_client_is_told_after_the_last_event_and_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"id": "7", "data": "hello"}
        await trio.sleep_forever()

    async with Client(app_of(handler, until(60))).stream("/") as stream:
        await stream.ended()
    assert [(event.event, event.id, event.data) for event in stream.pending()] == [
        (None, "7", "hello"),
        ("stream-expired", "7", "null"),  # as EventSource has it: the last id that was seen
    ]
    assert stream.raw.endswith(EXPIRED), "it has no id of its own"
    assert stream.complete, "the body has its proper end"
    assert stream.error is None


async def test_the_last_words_of_a_handler_are_not_sent(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        except trio.Cancelled:
            yield {"data": "one more"}

    reply = await Client(app_of(handler, until(60))).get("/")
    assert reply.body == START + b"data: hello\n\n" + EXPIRED


async def test_a_handler_that_swallows_the_cancellation_still_ends_as_expired(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": "hello"}
        with trio.move_on_after(1e6):
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                return  # deliberately

    reply = await Client(app_of(handler, until(60))).get("/")
    assert reply.body == START + b"data: hello\n\n" + EXPIRED


async def test_steps_are_left_and_the_requests_tasks_end(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        try:
            yield
        except trio.Cancelled:
            await trio.sleep(1)
            seen.append("rolled back")
            raise

    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            seen.append("task")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(task)
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            seen.append("generator")

    reply = await Client(app_of(handler, session, until(60))).get("/")
    assert seen == ["generator", "task", "rolled back"]
    assert reply.body.endswith(EXPIRED)
    assert trio.current_time() == pytest.approx(61)


async def test_a_task_beside_the_handler_may_wait_for_it(autojump_clock: MockClock) -> None:
    told: list[AbortReason] = []

    async def task(aborted: Aborted) -> None:
        told.append(await aborted.wait())

    async def handler(nursery: trio.Nursery, aborted: Aborted) -> AsyncIterator[Any]:
        nursery.start_soon(task, aborted)
        yield {"data": "hello"}
        await trio.sleep_forever()

    await Client(app_of(handler, until(60))).get("/")
    assert told == [AbortReason.EXPIRED]


# -- before the response has started


async def test_a_slow_step_is_cut_off_and_the_answer_is_a_401(autojump_clock: MockClock) -> None:
    record = Record()

    async def slow(aborted: Aborted) -> None:
        try:
            await trio.sleep(100)
        finally:
            record.reasons.append(aborted.reason)

    reply = await Client(app_of(waiting(Record()), until(60), slow)).get("/")
    assert (reply.status, reply.json()["detail"]) == (401, "The credentials have expired.")
    assert "www-authenticate" in reply.headers
    assert record.reasons == [AbortReason.EXPIRED]
    assert trio.current_time() == pytest.approx(60)


async def test_a_handler_that_has_not_returned_its_stream_is_cut_off_with_a_401(autojump_clock: MockClock) -> None:
    async def decides() -> Any:
        await trio.sleep(100)

    assert (await Client(app_of(decides, until(60))).get("/")).status == 401
    assert trio.current_time() == pytest.approx(60)


async def test_a_body_that_never_comes_is_a_401(autojump_clock: MockClock) -> None:
    def echo(body: bytes) -> Any:
        return body

    app = App(wall_clock=lambda: EPOCH + trio.current_time())
    app = app.add(SSE("/", method="POST").use(until(60)).handle(echo))

    class Silent(TestStream):
        async def receive(self) -> dict[str, Any]:
            await trio.sleep_forever()
            raise NotImplementedError

    stream = Silent(())
    with trio.fail_after(70):
        await Client(app)._run(scope_of("POST", "/", {}), stream)
    assert (stream.status, stream.complete) == (401, True)


async def test_a_step_that_answers_for_itself_when_it_is_cut_off_has_its_answer(autojump_clock: MockClock) -> None:
    async def slow() -> None:
        try:
            await trio.sleep(100)
        except trio.Cancelled:
            raise Unauthorized("Too slow.", challenge="Basic") from None

    reply = await Client(app_of(waiting(Record()), until(60), slow)).get("/")
    assert (reply.status, reply.json()["detail"]) == (401, "Too slow.")


async def test_an_error_while_it_is_cut_off_is_raised(autojump_clock: MockClock) -> None:
    async def slow() -> None:
        try:
            await trio.sleep(100)
        finally:
            raise LookupError("broken")

    async with Client(app_of(waiting(Record()), until(60), slow)).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert stream.status == 500


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_plain_request_is_not_cut_off(method: str, autojump_clock: MockClock) -> None:
    async def handler(aborted: Aborted) -> str | None:
        await trio.sleep(100)
        return aborted.reason

    route = Get("/") if method == "GET" else Post("/")
    app = App(wall_clock=lambda: EPOCH).add(route.use(until(1)).handle(handler))
    reply = await Client(app).request(method, "/")
    assert (reply.status, reply.body) == (204, b"")


async def test_head_of_a_stream_is_answered_and_over(autojump_clock: MockClock) -> None:
    reply = await Client(app_of(waiting(Record()), until(60))).request("HEAD", "/")
    assert (reply.status, reply.body, trio.current_time()) == (200, b"", 0)


# -- where the handler stands


async def test_a_handler_that_nobody_reads_from_ends_in_time(autojump_clock: MockClock) -> None:
    """It stands at its `yield`, since the server takes no more; so does the last event, which has a time limit."""
    record = Record()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x"}
                await trio.sleep(1)
        finally:
            record.reasons.append(aborted.reason)
            record.ended_at = trio.current_time()

    app = app_of(handler, until(60), cleanup_timeout=3, send_timeout=math.inf)
    async with Client(app).stream("/") as stream:
        await trio.sleep(10.5)
        stream.pause()
        await stream.ended()
        assert record.ended_at == pytest.approx(60)
        assert trio.current_time() == pytest.approx(63)
        assert not stream.complete
    assert record.reasons == [AbortReason.EXPIRED]


async def test_a_client_that_reads_again_in_time_is_told(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        while True:
            yield {"data": "x"}
            await trio.sleep(100)

    async with Client(app_of(handler, until(60), cleanup_timeout=3)).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(62)
        stream.resume()
        await stream.ended()
    assert stream.raw.endswith(b"data: x\n\n" + EXPIRED)
    assert stream.complete


async def test_a_client_that_goes_while_it_is_told_holds_nothing_up(autojump_clock: MockClock) -> None:
    async with Client(app_of(waiting(Record()), until(60), cleanup_timeout=3)).stream("/") as stream:
        await stream.event()
        stream.pause()
        await trio.sleep(61)
        stream.disconnect()
        await stream.ended()
    assert trio.current_time() == pytest.approx(61)


async def test_expiry_while_the_finally_of_a_stream_that_ended_itself_runs(autojump_clock: MockClock) -> None:
    """The handler has not ended yet, so this is an abort like any other: its clean-up is cancelled."""
    record = Record()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
        finally:
            try:
                await trio.sleep(100)
            finally:
                record.reasons.append(aborted.reason)
                record.ended_at = trio.current_time()

    reply = await Client(app_of(handler, until(60))).get("/")
    assert record.reasons == [AbortReason.EXPIRED]
    assert record.ended_at == pytest.approx(60)
    assert reply.body.endswith(EXPIRED)


async def test_expiry_while_the_generator_is_closed_leaves_its_clean_up_alone(autojump_clock: MockClock) -> None:
    """After `Done()` it is closed, shielded and within the time limit: it may take a second of it."""
    seen: list[float] = []

    async def handler() -> AsyncIterator[Any]:
        try:
            yield Done()
        finally:
            await trio.sleep(2)
            seen.append(trio.current_time())

    reply = await Client(app_of(handler, until(1))).get("/")
    assert seen == [pytest.approx(2)]
    assert b"stream-done" in reply.body


async def test_expiry_after_the_handler_has_ended_is_none(autojump_clock: MockClock) -> None:
    seen: list[AbortReason | None] = []

    @asynccontextmanager
    async def slow_to_leave(aborted: Aborted) -> AsyncIterator[None]:
        yield
        await trio.sleep(2)
        seen.append(aborted.reason)

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "all"}

    reply = await Client(app_of(handler, slow_to_leave, until(1))).get("/")
    assert seen == [None]
    assert reply.body == START + b"data: all\n\n"


async def test_a_response_that_nobody_reads_to_its_end_is_given_up_in_time(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": "all"}
        await trio.sleep(10)

    app = app_of(handler, until(60), cleanup_timeout=3, send_timeout=math.inf)
    async with Client(app).stream("/") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
        assert trio.current_time() == pytest.approx(63)
        assert not stream.complete


async def test_expiry_while_steps_are_left_does_not_cut_the_end_off(autojump_clock: MockClock) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        yield
        await trio.sleep(2)

    async def handler() -> AsyncIterator[Any]:
        yield {"data": "all"}

    route = SSE("/").use(step).use(slow_too=step).use(until(0.5)).heartbeat(None).handle(handler)
    app = App(wall_clock=lambda: EPOCH + trio.current_time(), cleanup_timeout=3).add(route)
    reply = await Client(app).get("/")
    assert reply.body == START + b"data: all\n\n"
    assert trio.current_time() == pytest.approx(4)


async def test_an_error_of_the_handler_while_it_is_told_is_raised(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            raise LookupError("broken")

    async with Client(app_of(handler, until(60))).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert b"stream-error" in stream.raw
    assert b"stream-expired" not in stream.raw
    assert not stream.complete


async def test_a_handler_that_overstays_is_reported(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": "hello"}
        with trio.CancelScope(shield=True):
            await trio.sleep(100)

    with caplog.at_level(logging.ERROR, "trio_sse"):
        async with Client(app_of(handler, until(60), cleanup_timeout=3)).stream("/") as stream:
            await trio.sleep(62)
            assert not caplog.records
            await stream.ended()
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("SSE /: the handler has not ended within 3 s; it stands at ")
    assert "test_expiry.py" in message
    assert trio.current_time() == pytest.approx(100)


async def test_after_a_long_clean_up_the_client_is_told_all_the_same(autojump_clock: MockClock) -> None:
    """The generator and the step each keep to the limit; together they take longer."""

    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await trio.sleep(2)

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(2, shield=True):
                await trio.sleep_forever()

    reply = await Client(app_of(handler, step, until(60), cleanup_timeout=3)).get("/")
    assert trio.current_time() == pytest.approx(64)
    assert reply.body.endswith(EXPIRED)


# -- together with other ends


async def test_a_client_that_has_gone_before_is_gone(autojump_clock: MockClock) -> None:
    record = Record()
    async with Client(app_of(waiting(record), until(60))).stream("/") as stream:
        await stream.event()
        await trio.sleep(59)
        stream.disconnect()
        await trio.sleep(10)
        assert stream.app_ended
    assert record.reasons == [AbortReason.CLIENT_GONE] * 2


@pytest.mark.parametrize("first", ["expiry", "disconnect"])
async def test_a_client_that_goes_at_the_same_instant(first: str, autojump_clock: MockClock) -> None:
    """One of the two counts, for all who ask; and nothing is left."""
    record = Record()
    async with Client(app_of(waiting(record), until(60))).stream("/") as stream:
        await stream.event()
        await trio.sleep_until(60)
        if first == "expiry":
            await trio.lowlevel.checkpoint()
        stream.disconnect()
        await stream.ended()
    assert record.reasons in ([AbortReason.EXPIRED] * 2, [AbortReason.CLIENT_GONE] * 2)
    assert trio.current_time() == pytest.approx(60)


async def test_a_server_that_cancels_at_the_same_instant(autojump_clock: MockClock) -> None:
    record = Record()
    with trio.CancelScope(deadline=60) as server:
        await Client(app_of(waiting(record), until(60))).get("/")
    assert server.cancelled_caught
    assert record.reasons in ([AbortReason.EXPIRED] * 2, [AbortReason.CANCELLED] * 2)


async def test_a_server_that_cancels_during_the_wind_down_waits_for_the_clean_up_alone(
    autojump_clock: MockClock,
) -> None:
    record = Record()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(10, shield=True):
                await trio.sleep(2)
            record.reasons.append(aborted.reason)
            record.ended_at = trio.current_time()

    stream = TestStream(())
    with trio.CancelScope(deadline=61) as server:
        await Client(app_of(handler, until(60)))._run(scope_of("GET", "/", {}), stream)
    assert server.cancelled_caught
    assert record.reasons == [AbortReason.EXPIRED]
    assert record.ended_at == pytest.approx(62)
    assert EXPIRED not in stream.raw, "the server has gone, so nobody is told"
    assert trio.current_time() == pytest.approx(62)


async def test_a_server_that_cancels_while_the_client_is_told(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as server:
        async with Client(app_of(waiting(Record()), until(60))).stream("/") as stream:
            await stream.event()
            stream.pause()
            await trio.sleep(61)
            server.cancel()
            await trio.sleep_forever()
    assert server.cancelled_caught
    assert trio.current_time() == pytest.approx(61)


async def test_a_crash_beside_the_handler_before_it_counts(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        await trio.sleep(30)
        raise LookupError("broken")

    async def handler(nursery: trio.Nursery) -> AsyncIterator[Any]:
        nursery.start_soon(crash)
        yield {"data": "hello"}
        await trio.sleep_forever()

    async with Client(app_of(handler, until(60))).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert b"stream-expired" not in stream.raw
    assert trio.current_time() == pytest.approx(30)


async def test_heartbeats_stop_with_it(autojump_clock: MockClock) -> None:
    route = SSE("/").use(until(10)).heartbeat(3).handle(waiting(Record()))
    app = App(wall_clock=lambda: EPOCH + trio.current_time()).add(route)
    reply = await Client(app).get("/")
    assert reply.body == START + b"data: hello\n\n" + START * 3 + EXPIRED


async def test_over_http2_it_ends_as_well(autojump_clock: MockClock) -> None:
    reply = await Client(app_of(waiting(Record()), until(60))).get("/", http_version="2")
    assert reply.body.endswith(EXPIRED)


async def test_each_stream_has_its_own(autojump_clock: MockClock) -> None:
    ends: dict[int, float] = {}

    def lasts(seconds: int, expire_at: ExpireAt) -> None:
        expire_at(EPOCH + trio.current_time() + seconds)

    async def handler(seconds: int) -> AsyncIterator[Any]:
        try:
            yield {"data": seconds}
            await trio.sleep_forever()
        finally:
            ends[seconds] = trio.current_time()

    route = SSE("/:seconds").use(lasts).heartbeat(None).handle(handler)
    app = App(wall_clock=lambda: EPOCH + trio.current_time()).add(route)
    async with trio.open_nursery() as nursery:
        for seconds in (10, 30, 20):
            nursery.start_soon(Client(app).get, f"/{seconds}")
    assert ends == {seconds: pytest.approx(seconds) for seconds in (10, 20, 30)}


# -- whatever comes together

SECONDS = st.integers(1, 60).map(lambda tenths: tenths / 10)
NEVER = 1000.0


class CancelledStream(TestStream):
    """A stream whose last send may be cancelled: the server is, at any moment."""

    async def _prepare_for_the_next_request(self) -> None:
        self.half_close()


@settings(max_examples=300, deadline=None)
@given(
    expiry=SECONDS,
    disconnect=SECONDS | st.just(NEVER),
    cancel=SECONDS | st.just(NEVER),
    pause=SECONDS | st.just(NEVER),
    paused_for=SECONDS,
    clean_up=st.sampled_from([0, 0.5, 2]),
)
def test_the_first_end_counts_and_the_clean_up_runs_once(
    expiry: float, disconnect: float, cancel: float, pause: float, paused_for: float, clean_up: float
) -> None:
    record, stream = Record(), CancelledStream(())

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x"}
                await trio.sleep(0.25)
        except trio.Cancelled:
            assert aborted.is_set()
            raise
        finally:
            record.reasons.append(aborted.reason)
            with trio.move_on_after(clean_up, shield=True):
                await trio.sleep_forever()
            record.ended_at = trio.current_time()

    async def act() -> None:
        for at, do in sorted(
            [(disconnect, stream.disconnect), (pause, stream.pause), (pause + paused_for, stream.resume)],
            key=lambda pair: pair[0],
        ):
            await trio.sleep_until(at)
            do()

    async def main() -> None:
        with trio.fail_after(2 * NEVER):
            await live()

    async def live() -> None:
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            with trio.CancelScope(deadline=cancel):
                await Client(app_of(handler, until(expiry), cleanup_timeout=4))._run(scope_of("GET", "/", {}), stream)
            nursery.cancel_scope.cancel()
        assert trio.lowlevel.current_statistics().tasks_living == before, "a task is left"

    trio.run(main, clock=MockClock(autojump_threshold=0))
    check(record, stream, expiry=expiry, disconnect=disconnect, cancel=cancel, pause=pause, clean_up=clean_up)


def check(record: Record, stream: TestStream, *, pause: float, clean_up: float, **ends: float) -> None:
    reasons = {"expiry": AbortReason.EXPIRED, "disconnect": AbortReason.CLIENT_GONE, "cancel": AbortReason.CANCELLED}
    first = min(ends.values())
    assert stream.error is None
    assert len(record.reasons) == 1, "finally runs once"
    assert record.reasons[0] in {reasons[end] for end, at in ends.items() if at == first}
    assert record.ended_at == pytest.approx(first + clean_up)
    if record.reasons != [AbortReason.EXPIRED]:
        assert EXPIRED not in stream.raw
    elif pause == NEVER and min(ends["disconnect"], ends["cancel"]) > first + clean_up:
        assert stream.complete
        assert stream.raw.endswith(b"data: x\n\n" + EXPIRED)
