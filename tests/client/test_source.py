"""`EventSource`: what it gives, when it connects again, how it ends, and that it leaves nothing open."""

from __future__ import annotations

import gzip
import logging
import pickle
from typing import Any

import h2.exceptions
import httpx2
import pytest
import trio
from trio.testing import MockClock

from trio_sse import ServerSentEvent
from trio_sse.client import BadResponse, ConnectionFailed, ConnectionLost, EventSource, ReadyState, Retry
from trio_sse.errors import EventTooLarge
from trio_sse.wire import DONE_ID

from .scripted import HANG, Answer, Server, refusing, streaming

GONE = refusing(204)


async def read_all(source: EventSource) -> list[ServerSentEvent]:
    async with source:
        return [event async for event in source]


async def data_of(source: EventSource) -> list[object]:
    return [event.data for event in await read_all(source)]


def told() -> tuple[list[tuple[ConnectionFailed, float]], Any]:
    """A list, and a callback that fills it."""
    news: list[tuple[ConnectionFailed, float]] = []
    return news, lambda error, seconds: news.append((error, seconds))


# -- events


async def test_events_come_as_they_were_sent(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\nevent: tick\ndata: a\n\ndata: b\nda", b"ta: c\n\n: heartbeat\n\n"), GONE)
    assert await read_all(server.source()) == [
        ServerSentEvent("a", "tick", "1"),
        ServerSentEvent("b\nc", None, "1"),
    ]


async def test_an_event_is_given_before_the_next_has_come(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n", HANG))
    async with server.source() as source:
        with trio.fail_after(1):
            assert (await anext(source)).data == "a"


async def test_each_event_is_a_checkpoint(autojump_clock: MockClock) -> None:
    """A burst does not keep other tasks from running."""
    server = Server(streaming(b"data: x\n\n" * 100), GONE)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with server.source() as source, trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(100):
            await anext(source)
        nursery.cancel_scope.cancel()
    assert turns >= 99


async def test_compressed_streams_are_read_in_bounded_pieces(autojump_clock: MockClock) -> None:
    body = b"data: a\n\n" + b":" + b"x" * 50_000_000 + b"\n\ndata: b\n\n"
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    server = Server(streaming(gzip.compress(body), headers=headers), GONE)
    async with server.source(max_event_size=100_000) as source:
        assert (await anext(source)).data == "a"
        with pytest.raises(EventTooLarge):
            await anext(source)
    assert server.open == 0


async def test_broken_compression_is_final(autojump_clock: MockClock) -> None:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    server = Server(streaming(b"data: no gzip at all\n\n", headers=headers))
    async with server.source() as source:
        with pytest.raises(ConnectionFailed) as caught:
            await anext(source)
    assert isinstance(caught.value.__cause__, httpx2.DecodingError)
    assert not isinstance(caught.value, ConnectionLost)


# -- reconnecting


async def test_it_goes_on_after_the_last_event_when_the_stream_ends(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\n"), streaming(b"id: 2\ndata: b\n\nid: 3\ndata: unfinished"), GONE)
    assert await data_of(server.source()) == ["a", "b"]
    assert server.ids() == [None, "1", "2"]
    assert server.waits() == pytest.approx([3, 3])


@pytest.mark.parametrize(
    "error", [httpx2.ReadError("reset"), httpx2.RemoteProtocolError("cut"), httpx2.ReadTimeout("")]
)
async def test_it_goes_on_after_the_last_event_when_the_network_fails(
    error: Exception, autojump_clock: MockClock
) -> None:
    news, on_retry = told()
    server = Server(streaming(b"id: 1\ndata: a\n\n", error), streaming(b"data: b\n\n"), GONE)
    assert await data_of(server.source(on_retry=on_retry)) == ["a", "b"]
    assert server.ids() == [None, "1", "1"]
    assert [type(told) for told, _ in news] == [ConnectionLost, ConnectionLost]
    assert news[0][0].__cause__ is error


async def test_a_server_that_breaks_http_2_is_a_network_that_fails(autojump_clock: MockClock) -> None:
    """httpcore2 lets h2's own error through, where it reads."""
    server = Server(streaming(b"data: a\n\n", h2.exceptions.ProtocolError("bad frame")), GONE)
    assert await data_of(server.source()) == ["a"]


async def test_it_waits_for_a_server_that_is_not_there_yet(autojump_clock: MockClock) -> None:
    server = Server(httpx2.ConnectError("refused"), httpx2.ConnectError("refused"), streaming(b"data: a\n\n"), GONE)
    assert await data_of(server.source()) == ["a"]


async def test_an_id_outlives_its_connection(autojump_clock: MockClock) -> None:
    """WHATWG HTML, 9.2.6: the last event ID is the source's, not the connection's."""
    server = Server(streaming(b"id: 1\ndata: a\n\n"), streaming(b"data: b\n\n"), streaming(), GONE)
    assert [event.id for event in await read_all(server.source())] == ["1", "1"]
    assert server.ids() == [None, "1", "1", "1"]


async def test_an_id_without_an_event_counts(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\n", b"id: 2\n\n"), streaming(b"id: 3\ndata: b\n\nid: 4\n\n"), GONE)
    async with server.source() as source:
        assert [event.id async for event in source] == ["1", "3"]
        assert server.ids() == [None, "2", "4"]
        assert source.last_event_id == "4"


async def test_an_id_that_is_reset_is_not_sent(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\nid\ndata: b\n\n"), GONE)
    await read_all(server.source())
    assert server.ids() == [None, None]


async def test_the_last_event_id_is_that_of_the_event_given_last(autojump_clock: MockClock) -> None:
    """Not of one that has come with it: who stores it and starts anew loses nothing."""
    server = Server(streaming(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n", HANG))
    async with server.source(last_event_id="0") as source:
        assert source.last_event_id == "0"
        await anext(source)
        assert source.last_event_id == "1"
        await anext(source)
        assert source.last_event_id == "2"
    assert server.ids() == ["0"]


async def test_an_id_is_sent_as_utf_8(autojump_clock: MockClock) -> None:
    server = Server(streaming("id: größe-✓\ndata: a\n\n".encode()), GONE)
    await read_all(server.source())
    assert dict(server.requests[1].headers.raw)[b"last-event-id"] == "größe-✓".encode()


@pytest.mark.parametrize("id", ["\x01", "a\x7f", " a", "a ", "x" * 4097])
async def test_an_id_that_no_header_can_carry_is_left_out_and_told(
    id: str, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    server = Server(streaming(f"id:  {id}\ndata: a\n\n".replace("id:  ", "id: ").encode()), GONE)
    assert [event.id for event in await read_all(server.source())] == [id]
    assert server.ids() == [None, None]
    [told] = [r.getMessage() for r in caplog.records if "cannot be sent in a header" in r.getMessage()]
    assert told.isprintable()


async def test_nothing_is_swallowed_where_nobody_listens(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    server = Server(httpx2.ConnectError("refused"), GONE)
    await read_all(server.source())
    [record] = [record for record in caplog.records if record.name == "trio_sse.client"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "http://server/stream: refused; trying again in 3.0 s"


async def test_what_the_callback_raises_goes_to_who_iterates(autojump_clock: MockClock) -> None:
    def give_up(error: ConnectionFailed, seconds: float) -> None:
        raise LookupError

    server = Server(streaming(b"data: a\n\n"))
    async with server.source(on_retry=give_up) as source:
        await anext(source)
        with pytest.raises(LookupError):
            await anext(source)


async def test_what_the_callback_raises_at_the_opening_leaves_nothing_open(autojump_clock: MockClock) -> None:
    def fail() -> None:
        raise LookupError

    server = Server(streaming(b"data: a\n\n"))
    with pytest.raises(LookupError):
        async with server.source(on_open=fail):
            pass
    assert server.open == 0


# -- the ends


async def test_204_ends_it_for_good(autojump_clock: MockClock) -> None:
    server = Server(GONE)
    async with server.source() as source:
        assert source.ready_state is ReadyState.CLOSED
        assert [event async for event in source] == []
        assert [event async for event in source] == []
    assert server.open == 0


async def test_done_ends_it_without_another_request(autojump_clock: MockClock) -> None:
    done = f"event: stream-done\nid: {DONE_ID}\ndata: null\n\n".encode()
    server = Server(streaming(b"id: 1\ndata: a\n\n" + done + b"data: never\n\n", HANG))
    async with server.source() as source:
        assert [event.data async for event in source] == ["a"]
        assert source.ready_state is ReadyState.CLOSED
        assert source.last_event_id == DONE_ID
        assert server.open == 0
        assert [event async for event in source] == []


@pytest.mark.parametrize("event", ["event: stream-done\nid: 7", f"event: other\nid: {DONE_ID}"])
async def test_an_event_that_only_resembles_done_is_an_event(event: str, autojump_clock: MockClock) -> None:
    server = Server(streaming(f"{event}\ndata: a\n\n".encode(), HANG))
    async with server.source() as source:
        assert (await anext(source)).data == "a"


@pytest.mark.parametrize("status", [201, 205, 206, 299, 300, 304, 400, 401, 403, 404, 410, 418, 501, 505])
async def test_other_statuses_are_final(status: int, autojump_clock: MockClock) -> None:
    server = Server(refusing(status, b"why: ", b"because", content_type="text/event-stream"))
    with pytest.raises(BadResponse) as caught:
        async with server.source():
            pass
    error = pickle.loads(pickle.dumps(caught.value))  # as other exceptions, it can be told to another process
    assert (error.status, error.headers["content-type"], error.body) == (status, "text/event-stream", b"why: because")
    assert str(error).startswith(f"http://server/stream: the response has status {status}")
    assert server.open == 0


@pytest.mark.parametrize("found", ["text/html", "text/event-stream2", "application/json; a=text/event-stream", ""])
async def test_another_content_type_is_final(found: str, autojump_clock: MockClock) -> None:
    server = Server(Answer((b"<p>",), headers={"content-type": found} if found else {}))
    with pytest.raises(BadResponse, match="must be text/event-stream, but is") as caught:
        async with server.source():
            pass
    assert caught.value.status == 200
    assert server.open == 0


@pytest.mark.parametrize("found", ["text/event-stream; charset=utf-8", "Text/Event-Stream ;x=y"])
async def test_parameters_of_the_content_type_do_not_matter(found: str, autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n", headers={"content-type": found}), GONE)
    assert await data_of(server.source()) == ["a"]


@pytest.mark.parametrize(
    "types", [["text/html", "text/event-stream"], ["text/event-stream", "*/*"], ["text/plain, text/event-stream"]]
)
async def test_of_two_content_types_the_last_counts(types: list[str], autojump_clock: MockClock) -> None:
    headers = [("content-type", found) for found in types]
    server = Server(streaming(b"data: a\n\n", headers=headers), GONE)
    assert await data_of(server.source()) == ["a"]


async def test_a_last_content_type_that_is_another_is_final(autojump_clock: MockClock) -> None:
    server = Server(streaming(headers=[("content-type", "text/event-stream"), ("content-type", "text/html")]))
    with pytest.raises(BadResponse, match="must be text/event-stream, but is text/event-stream, text/html"):
        await data_of(server.source())


HOSTILE = "\x1b[2J\x9b\u2028\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        Answer((), headers=[("content-type", f"text/{HOSTILE}".encode())]),
        Answer((), status=404, reason=HOSTILE.encode("utf-8")),
        Answer((), status=307, headers={"location": "ftp://other/"}),
        Answer((), status=302, headers=[("location", f"http://{HOSTILE}/".encode())]),
        httpx2.ConnectError(HOSTILE),
        httpx2.UnsupportedProtocol(HOSTILE),
        h2.exceptions.ProtocolError(HOSTILE),
    ],
)
async def test_text_of_the_server_has_no_power_over_terminals_and_logs(
    answer: Answer | Exception, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    for attempts in (1, 2):
        with pytest.raises(ConnectionFailed) as caught:
            await data_of(Server(*[answer] * attempts).source(retry=Retry(max_attempts=attempts, delay=0)))
        assert str(caught.value).isprintable()
        assert caught.value.reason.isprintable()
    assert all(record.getMessage().isprintable() for record in caplog.records if record.name == "trio_sse.client")


async def test_a_refusal_after_a_reconnect_is_final_and_closes(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n"), refusing(404))
    async with server.source() as source:
        await anext(source)
        with pytest.raises(BadResponse):
            await anext(source)
        assert source.ready_state is ReadyState.CLOSED
        assert [event async for event in source] == []


async def test_the_body_of_a_refusal_is_read_up_to_a_bound(autojump_clock: MockClock) -> None:
    server = Server(refusing(404, *(b"x" * 1000 if n % 2 else 0.001 for n in range(200))))
    with pytest.raises(BadResponse) as caught:
        async with server.source():
            pass
    assert caught.value.body == b"x" * 4096
    assert server.sent == 5000
    assert server.open == 0


async def test_the_body_of_a_refusal_is_not_waited_for(autojump_clock: MockClock) -> None:
    server = Server(refusing(404, b"because", HANG))
    with trio.fail_after(6), pytest.raises(BadResponse) as caught:
        async with server.source():
            pass
    assert caught.value.body == b"because"
    assert server.open == 0


async def test_an_event_that_is_too_large_is_final(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\nid: 2\ndata: " + b"x" * 2000, HANG))
    async with server.source(max_event_size=1000) as source:
        assert (await anext(source)).data == "a"
        with trio.fail_after(1), pytest.raises(EventTooLarge, match="1000 bytes: raise max_event_size"):
            await anext(source)
        assert source.last_event_id == "1"
        assert source.ready_state is ReadyState.CLOSED
        assert [event async for event in source] == []
    assert server.open == 0


async def test_the_ready_state_tells_where_it_stands(autojump_clock: MockClock) -> None:
    states: list[ReadyState] = []
    server = Server(httpx2.ConnectError(""), streaming(b"data: a\n\n"), httpx2.ConnectError(""), streaming(HANG))
    source: EventSource = server.source(
        on_open=lambda: states.append(source.ready_state),
        on_retry=lambda error, seconds: states.append(source.ready_state),
    )
    states.append(source.ready_state)
    async with source:
        await anext(source)
        with trio.move_on_after(60):
            await anext(source)
    states.append(source.ready_state)
    assert [state.value for state in states] == [0, 0, 1, 0, 0, 1, 2]


# -- time-outs


async def test_silence_counts_as_a_lost_connection(autojump_clock: MockClock) -> None:
    news, on_retry = told()
    server = Server(streaming(b"id: 1\ndata: a\n\n", 9, b":\n\n", HANG), GONE)
    assert await data_of(server.source(read_timeout=10, on_retry=on_retry)) == ["a"]
    assert [str(error) for error, _ in news] == ["http://server/stream: received nothing for 10 s"]
    assert server.times[1] - server.times[0] == pytest.approx(9 + 10 + 3)
    assert server.ids() == [None, "1"]


async def test_without_a_limit_silence_is_borne(autojump_clock: MockClock) -> None:
    server = Server(streaming(86_400, b"data: a\n\n", HANG))
    async with server.source() as source:
        assert (await anext(source)).data == "a"


async def test_an_answer_that_does_not_come_counts_as_a_lost_connection(autojump_clock: MockClock) -> None:
    news, on_retry = told()
    server = Server(streaming(b"data: never\n\n", after=31), streaming(b"data: a\n\n", after=29), GONE)
    assert await data_of(server.source(on_retry=on_retry)) == ["a"]
    assert str(news[0][0]) == "http://server/stream: no response within 30 s"
    assert server.open == 0


# -- cancellation and closing


async def test_leaving_in_the_midst_closes_the_response(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n", b"data: b\n\n", b"data: c\n\n", HANG))
    async with server.source() as source:
        await anext(source)
        assert server.open == 1
    assert server.open == 0
    assert source.ready_state is ReadyState.CLOSED


async def test_an_error_in_the_block_closes_the_response(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n", HANG))
    with pytest.raises(LookupError):
        async with server.source():
            raise LookupError
    assert server.open == 0


async def test_what_is_buffered_is_read_away_at_the_end(autojump_clock: MockClock) -> None:
    """As many chunks as httpcore2 may have read from its socket already."""
    server = Server(streaming(*[b"data: a\n\n"] * 11_000, HANG))
    async with server.source() as source:
        await anext(source)
    assert server.open == 0


async def test_a_body_that_never_waits_is_not_read_for_ever(autojump_clock: MockClock) -> None:
    class Endless(httpx2.AsyncByteStream):
        count = 0

        def __aiter__(self) -> Endless:
            return self

        async def __anext__(self) -> bytes:
            self.count += 1
            return b"data: a\n\n"

    class Transport(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    stream = Endless()
    async with EventSource("http://server/", client=httpx2.AsyncClient(transport=Transport())) as source:
        await anext(source)
    assert stream.count < 200_000


async def test_a_wait_that_is_cancelled_goes_on_with_the_last_id_at_once(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\n", HANG), streaming(b"id: 2\ndata: b\n\n", HANG))
    async with server.source() as source:
        await anext(source)
        with trio.move_on_after(5):
            await anext(source)
        assert server.open == 0
        assert source.ready_state is ReadyState.CONNECTING
        assert (await anext(source)).data == "b"
    assert server.ids() == [None, "1"]
    assert server.waits() == pytest.approx([5])


@pytest.mark.parametrize("tenths", range(131))
async def test_it_can_be_cancelled_anywhere(tenths: int, autojump_clock: MockClock) -> None:
    """While connecting, reading, waiting to retry and following redirects, and nothing is left open."""
    server = Server(
        streaming(after=31),
        refusing(307, after=0.5, location="/there"),
        streaming(0.5, b"id: 1\ndata: a\n\n", 1, httpx2.ReadError("")),
        refusing(503, b"later", 1, after=0.5),
        streaming(HANG, after=0.5),
    )
    retry = Retry(delay=0.5, jitter=min)
    with trio.move_on_after(tenths / 10 + 0.05) as scope:
        async with server.source(retry=retry, connect_timeout=1.0) as source:
            async for _ in source:
                pass
    assert scope.cancelled_caught
    assert server.open == 0


async def test_cancelling_does_not_lose_or_repeat(autojump_clock: MockClock) -> None:
    """Wherever the waits are cut, a server that replays is read without a hole."""

    class Replaying(Server):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            after = int(request.headers.get("last-event-id", "0"))
            steps = [step for n in range(after + 1, 301) for step in (0.1, f"id: {n}\ndata: {n}\n\n".encode())]
            self._answers = [streaming(*steps, HANG, after=0.05)]
            return await super().handle_async_request(request)

    server, seen = Replaying(), list[object]()
    async with server.source() as source:
        for turn in range(400):
            with trio.move_on_after(0.16 + turn % 7 / 10):
                while True:
                    seen.append((await anext(source)).data)
    assert seen == [str(n) for n in range(1, 301)]
    assert server.open == 0
    assert len(server.requests) > 300


# -- misuse


async def test_iterating_without_entering_says_what_to_do(autojump_clock: MockClock) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(Server().source())


async def test_a_source_is_entered_once(autojump_clock: MockClock) -> None:
    source = Server(GONE).source()
    async with source:
        pass
    with pytest.raises(RuntimeError, match="entered only once"):
        await source.__aenter__()


async def test_after_leaving_there_are_no_more_events(autojump_clock: MockClock) -> None:
    async with Server(streaming(b"data: a\n\ndata: b\n\n", HANG)).source() as source:
        await anext(source)
    assert [event async for event in source] == []


async def test_two_tasks_cannot_iterate_at_once(autojump_clock: MockClock) -> None:
    async with Server(streaming(HANG)).source() as source, trio.open_nursery() as nursery:
        nursery.start_soon(anext, source)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="another task"):
            await anext(source)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"read_timeout": -1}, "read_timeout"),
        ({"read_timeout": float("nan")}, "read_timeout"),
        ({"max_event_size": 0}, "max_event_size must be"),
        ({"last_event_id": "a\nb"}, "last_event_id"),
        ({"headers": {"a b": "c"}}, "not a header name"),
        ({"headers": {"a": "b\r\nc: d"}}, "control character"),
        ({"headers": {"Last-Event-Id": "1"}}, "pass last_event_id"),
        ({"content": "a", "json": 1}, "not both"),
    ],
)
def test_a_mistake_is_told_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EventSource("http://server/", **options)
