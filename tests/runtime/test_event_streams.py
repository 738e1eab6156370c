"""Streams that a handler returns as a value: from a plain route, from an SSE route, and all that a stream promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import (
    SSE,
    Aborted,
    AbortReason,
    App,
    Delete,
    Done,
    EventStream,
    Forbidden,
    Get,
    Limits,
    Patch,
    Post,
    Put,
    Route,
    StreamOptions,
)
from trio_sse.errors import BuildError, ContentTooLarge
from trio_sse.testing import TestClient, TestStream

KINDS: list[Callable[[str], Route]] = [Get, Post, Put, Patch, Delete]
JSON = {"accept": "application/json"}
CUT_OFF = (
    b":\ndata: hello\n\nevent: stream-error\n"
    b'data: {"title":"Service Unavailable","status":503,"detail":"The server is shutting down."}\n\n'
)
"""What the client of a POST gets that a shutdown does not wait for."""


@attrs.frozen
class Ask:
    stream: bool = False


async def chunks(count: int = 2) -> AsyncGenerator[Any]:
    for number in range(count):
        yield {"data": number}


def answer(body: Ask) -> Any:
    return EventStream(chunks()) if body.stream else {"count": 2}


CHAT = Post("/").body(Ask).handle(answer)


def client(*routes: Route, **settings: Any) -> TestClient:
    return TestClient(App(**settings).add(*routes))


# -- JSON or a stream


async def test_the_handler_decides_whatever_the_client_accepts(autojump_clock: MockClock) -> None:
    for accept in ("application/json", "text/event-stream", "*/*", None):
        reply = await client(CHAT).post("/", {"stream": True}, headers={"accept": accept})
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store, no-transform"
        assert reply.body == b":\ndata: 0\n\ndata: 1\n\n"
        reply = await client(CHAT).post("/", {"stream": False}, headers={"accept": accept})
        assert reply.json() == {"count": 2}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_of_route_may_return_a_stream(kind: Callable[[str], Route], autojump_clock: MockClock) -> None:
    async def handler() -> EventStream:
        return EventStream(chunks())

    reply = await client(kind("/").handle(handler)).request(kind("/").method, "/")
    assert (reply.status, reply.body) == (200, b":\ndata: 0\n\ndata: 1\n\n")


async def test_accept_chooses_between_two_routes_and_the_plain_one_may_stream(autojump_clock: MockClock) -> None:
    app = client(SSE("/").handle(chunks), Get("/").handle(lambda: EventStream(chunks(1))))
    assert (await app.get("/", headers=JSON)).body == b":\ndata: 0\n\n"
    assert (await app.get("/", headers={"accept": "text/event-stream"})).body == b":\ndata: 0\n\ndata: 1\n\n"


async def test_a_status_and_headers_of_its_own(autojump_clock: MockClock) -> None:
    headers = [("X-Model", "tiny"), ("Cache-Control", "private"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    reply = await client(Post("/").handle(lambda: EventStream(chunks(1), status=201, headers=headers))).post("/")
    assert reply.status == 201
    assert reply.headers["x-model"] == "tiny"
    assert reply.headers.get_all("cache-control") == ("private",)
    assert reply.headers.get_all("set-cookie") == ("a=1", "b=2")
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_an_sse_route_may_return_one_with_headers_or_a_plain_iterable(autojump_clock: MockClock) -> None:
    async def handler(room: int) -> Any:
        return EventStream(chunks(room), headers={"x-room": str(room)}) if room else chunks(1)

    app = client(SSE("/:room").retry(500).handle(handler))
    reply = await app.get("/2")
    assert (reply.headers["x-room"], reply.body) == ("2", b"retry: 500\ndata: 0\n\ndata: 1\n\n")
    reply = await app.get("/0")
    assert ("x-room" in reply.headers, reply.body) == (False, b"retry: 500\ndata: 0\n\n")


async def test_options_of_one_stream(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Tick:
        number: int

    async def ticks() -> AsyncIterator[Any]:
        yield Tick(1)
        await trio.sleep(5)
        yield Tick(2)

    options = StreamOptions(heartbeat=2, retry=700, events=(("tick", Tick),))
    reply = await client(Post("/").handle(lambda: EventStream(ticks(), options=options))).post("/")
    tick = b'event: tick\ndata: {"number":%d}\n\n'
    assert reply.body == b"retry: 700\n" + tick % 1 + b":\n:\n" + tick % 2


async def test_without_options_a_stream_has_the_defaults(autojump_clock: MockClock) -> None:
    async def slow() -> AsyncIterator[Any]:
        await trio.sleep(20)
        yield {"data": 1}

    assert (await client(Post("/").handle(lambda: EventStream(slow()))).post("/")).body == b":\n:\ndata: 1\n\n"


async def test_a_context_manager_of_a_stream(autojump_clock: MockClock) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[Any]]:
        seen.append("entered")
        yield chunks(1)
        seen.append("exited")

    assert (await client(Post("/").handle(lambda: EventStream(opened()))).post("/")).body == b":\ndata: 0\n\n"
    assert seen == ["entered", "exited"]


async def test_done_ends_it(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield Done()
        raise AssertionError

    reply = await client(Get("/").handle(lambda: EventStream(handler()))).get("/")
    assert b"stream-done" in reply.body


# -- what may go wrong


async def test_what_is_raised_before_the_return_is_a_status() -> None:
    def handler() -> EventStream:
        raise Forbidden

    assert (await client(Post("/").handle(handler)).post("/")).status == 403


async def test_what_is_raised_while_it_starts_is_a_status() -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[Any]]:
        raise ContentTooLarge("Too many tokens.")
        yield chunks()

    reply = await client(Post("/").handle(lambda: EventStream(opened()))).post("/")
    assert (reply.status, reply.json()["detail"]) == (413, "Too many tokens.")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (chunks, r"chunks at .*>; call it: EventStream\(chunks\(\)\)"),
        ([1, 2], r"not \[1, 2\]$"),
        ((number for number in range(2)), "async iterable"),
    ],
)
def test_a_source_of_another_kind_is_an_error(source: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        EventStream(source)


def test_a_coroutine_is_closed_with_a_hint() -> None:
    async def source() -> None: ...

    with pytest.raises(TypeError, match="await it first"):
        EventStream(source())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("status", [100, 204, 205, 304, 404])
async def test_a_stream_has_the_status_of_a_success(status: int) -> None:
    source = chunks()
    with pytest.raises(ValueError, match="status from 200 to 299"):
        EventStream(source, status=status)
    await source.aclose()


async def test_a_header_that_the_server_sets_is_refused() -> None:
    source = chunks()
    with pytest.raises(ValueError, match="sets the header"):
        EventStream(source, headers={"content-length": "3"})
    await source.aclose()


async def test_a_failing_stream_tells_it_and_is_broken_off(autojump_clock: MockClock) -> None:
    async def failing() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise LookupError("secret")

    async with client(Post("/").handle(lambda: EventStream(failing()))).stream("/", method="POST") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert stream.raw == (
        b':\ndata: 1\n\nevent: stream-error\ndata: {"title":"Internal Server Error","status":500}\n\n'
    )
    assert not stream.complete


async def test_a_note_says_where_an_error_can_still_be_a_status(autojump_clock: MockClock) -> None:
    async def failing() -> AsyncIterator[Any]:
        yield {"data": 1}
        raise Forbidden

    for route, remedy in (
        (SSE("/").handle(failing), "let the handler be a coroutine function"),
        (Get("/").handle(lambda: EventStream(failing())), "in the handler, before it returns its stream."),
    ):
        async with client(route).stream("/") as stream:
            await stream.ended()
            assert remedy in stream.claim_error().__notes__[0]


# -- its promises


class Recorded:
    """A source that says how it ended."""

    def __init__(self) -> None:
        self.reason: AbortReason | None = None
        self.ended = False

    async def stream(self, aborted: Aborted) -> AsyncGenerator[Any]:
        try:
            yield {"data": "hello"}
            await trio.sleep_forever()
        finally:
            self.reason, self.ended = aborted.reason, True


def recorded(record: Recorded, kind: Callable[[str], Route] = Post) -> Route:
    return kind("/").handle(lambda aborted: EventStream(record.stream(aborted)))


async def test_a_disconnect_closes_the_source(autojump_clock: MockClock) -> None:
    record = Recorded()
    async with client(recorded(record)).stream("/", method="POST") as stream:
        await stream.event()
        stream.disconnect()
        await stream.ended()
    assert (record.ended, record.reason) == (True, AbortReason.CLIENT_GONE)


async def test_a_client_that_is_slow_is_dropped(autojump_clock: MockClock) -> None:
    seen: list[AbortReason | None] = []

    async def pouring(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": 1}
                await trio.sleep(1)
        finally:
            seen.append(aborted.reason)

    options = StreamOptions(send_timeout=3)
    route = Post("/").handle(lambda aborted: EventStream(pouring(aborted), options=options))
    async with client(route).stream("/", method="POST") as stream:
        await stream.event()
        stream.pause()
        await stream.ended()
        assert trio.current_time() == pytest.approx(4)
    assert seen == [AbortReason.TOO_SLOW]


async def test_its_lifetime_ends_it(autojump_clock: MockClock) -> None:
    record = Recorded()
    options = StreamOptions(lifetime=100)
    route = Get("/").handle(lambda aborted: EventStream(record.stream(aborted), options=options))
    async with client(route).stream("/") as stream:
        await stream.ended()
        assert 90 <= trio.current_time() <= 110
    assert (record.reason, stream.complete) == (AbortReason.LIFETIME, True)


async def test_it_counts_among_the_streams_from_its_start_to_its_end(autojump_clock: MockClock) -> None:
    app = App(limits=Limits(streams=1)).add(recorded(Recorded()), Get("/value").handle(lambda: 1))
    test_client = TestClient(app)
    async with test_client.stream("/", method="POST") as stream:
        await stream.event()
        assert (app.statistics().open, app.statistics().opened, app.statistics().events) == (1, 1, 1)
        assert app.statistics().full
        refused = await test_client.post("/")
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
        assert (await test_client.get("/value")).json() == 1, "a value is no stream"
        stream.disconnect()
    assert app.statistics().ended == {"client_gone": 1}
    assert app.statistics().refused == {"streams": 1}
    assert not app.statistics().full


async def test_the_source_of_a_stream_that_is_refused_is_closed(autojump_clock: MockClock) -> None:
    closed: list[str] = []

    class Source:
        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> Any:
            await trio.sleep_forever()

        async def aclose(self) -> None:
            closed.append("closed")

    test_client = client(Post("/").handle(lambda: EventStream(Source())), limits=Limits(streams=0 + 1))
    async with test_client.stream("/", method="POST") as stream:
        await stream.started()
        assert (await test_client.post("/")).status == 503
        assert closed == ["closed"]
        stream.disconnect()
    assert closed == ["closed", "closed"]


async def test_whose_stream_it_is_counts_once_it_starts(autojump_clock: MockClock) -> None:
    def claim(headers: Any, count_as: Callable[[str], None]) -> None:
        count_as(headers["x-user"])

    app = App(limits=Limits(streams_per_client=1)).add(Post("/").use(claim).handle(lambda: EventStream(forever())))
    test_client = TestClient(app)

    def ask(user: str) -> Any:
        return test_client.stream("/", method="POST", headers={"x-user": user})

    async with ask("ada") as first, ask("bob") as second:
        assert (first.status, second.status) == (200, 200)
        async with ask("ada") as third:
            assert third.status == 429
        first.disconnect()
        await first.ended()
        async with ask("ada") as fourth:
            assert fourth.status == 200
            fourth.disconnect()
        second.disconnect()


async def forever() -> AsyncGenerator[Any]:
    yield {"data": "hello"}
    await trio.sleep_forever()


async def test_an_expiry_ends_it_and_never_a_value(autojump_clock: MockClock) -> None:
    async def slow_value() -> Any:
        await trio.sleep(20)
        return {"late": True}

    def expire(expire_at: Callable[[float], None]) -> None:
        expire_at(trio.current_time() + 10)

    app = App(wall_clock=trio.current_time).add(
        Get("/value").use(expire).handle(slow_value), Get("/stream").use(expire).handle(lambda: EventStream(forever()))
    )
    test_client = TestClient(app)
    assert (await test_client.get("/value")).json() == {"late": True}
    begun = trio.current_time()
    async with test_client.stream("/stream") as stream:
        await stream.ended()
    assert trio.current_time() - begun == pytest.approx(10)
    assert b"stream-expired" in stream.raw

    async def late() -> EventStream:
        await trio.sleep(20)
        return EventStream(forever())

    late_client = TestClient(App(wall_clock=trio.current_time).add(Get("/").use(expire).handle(late)))
    reply = await late_client.get("/")
    assert reply.status == 401, "its credentials have expired before it starts"


async def test_steps_exit_after_the_stream(autojump_clock: MockClock) -> None:
    log: list[str] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[str]:
        log.append("open")
        yield "session"
        log.append("closed")

    async def source() -> AsyncIterator[Any]:
        log.append("first")
        yield {"data": 1}
        log.append("last")

    await client(Post("/").use(session=session).handle(lambda session: EventStream(source()))).post("/")
    assert log == ["open", "first", "last", "closed"]


async def test_head_does_not_run_the_handler() -> None:
    reply = await client(Get("/").handle(lambda: EventStream(chunks()))).request("HEAD", "/")
    assert (reply.status, reply.body) == (200, b"")


# -- clients that come back, and others


async def drained(route: Route, test_client: TestClient) -> TestStream:
    async with test_client.stream("/", method=route.method) as stream:
        await stream.event()
        await wait_all_tasks_blocked()
        test_client.drain(10)
        await stream.ended()
    return stream


async def test_a_post_stream_finishes_during_a_shutdown(autojump_clock: MockClock) -> None:
    async def slow() -> AsyncIterator[Any]:
        for number in range(4):
            yield {"data": number}
            await trio.sleep(1)

    async def sse() -> Any:
        return slow()

    for route in (Post("/").handle(lambda: EventStream(slow())), SSE("/", method="POST").handle(sse)):
        stream = await drained(route, client(route))
        assert stream.raw == b":\ndata: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n", "no 'retry', and all of it"
        assert stream.complete


async def test_a_post_stream_that_is_cut_off_has_no_proper_end(autojump_clock: MockClock) -> None:
    record = Recorded()
    stream = await drained(recorded(record), client(recorded(record)))
    assert trio.current_time() == pytest.approx(10)
    assert (stream.raw, stream.complete, record.reason) == (CUT_OFF, False, AbortReason.DRAINING)


async def test_a_get_stream_of_a_plain_route_is_handed_over(autojump_clock: MockClock) -> None:
    record = Recorded()
    stream = await drained(recorded(record, Get), client(recorded(record, Get), reconnect_delay=(2.0, 2.0)))
    assert (stream.raw, stream.complete) == (b":\ndata: hello\n\nretry: 2000\n", True)
    assert trio.current_time() == pytest.approx(0)


@pytest.mark.parametrize(
    ("policy", "raw", "complete"),
    [
        ("reconnect", b":\ndata: hello\n\nretry: 2000\n", True),
        ("finish", CUT_OFF, False),
        ("cancel", CUT_OFF, False),
    ],
)
async def test_a_post_stream_may_choose_its_policy(
    policy: Any, raw: bytes, complete: bool, autojump_clock: MockClock
) -> None:
    async def handler() -> Any:
        return forever()

    by_route = SSE("/", method="POST").on_shutdown(policy).handle(handler)
    options = StreamOptions(on_shutdown=policy)
    by_value = Post("/").handle(lambda: EventStream(forever(), options=options))
    for route in (by_route, by_value):
        stream = await drained(route, client(route, reconnect_delay=(2.0, 2.0)))
        assert (stream.raw, stream.complete) == (raw, complete)


async def test_a_post_stream_whose_lifetime_ends_is_cut_off(autojump_clock: MockClock) -> None:
    route = SSE("/", method="POST").lifetime(10).handle(forever)
    async with client(route).stream("/", method="POST") as stream:
        await stream.ended()
    assert not stream.complete


async def test_a_request_whose_handler_returns_a_stream_during_a_shutdown(autojump_clock: MockClock) -> None:
    """A GET stream would end at once, so it is refused; another one finishes."""

    async def handler() -> EventStream:
        await trio.sleep(2)
        return EventStream(chunks(1))

    for kind, status, body in ((Get, 200, b"retry: 2000\n"), (Post, 200, b":\ndata: 0\n\n")):
        test_client = client(kind("/").handle(handler), reconnect_delay=(2.0, 2.0))
        async with test_client.stream(
            "/", method=kind("/").method, headers={"accept": "text/event-stream"}, wait=False
        ) as stream:
            await wait_all_tasks_blocked()
            test_client.drain(10)
            await stream.ended()
        assert (stream.status, stream.raw) == (status, body)


def test_options_are_checked_when_they_are_made() -> None:
    with pytest.raises(BuildError):
        StreamOptions(heartbeat=-1)
