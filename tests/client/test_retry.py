"""When a source connects again: back-off, jitter, what the server asks for, and when it gives up."""

from __future__ import annotations

from random import Random

import httpx2
import pytest
import trio
from trio.testing import MockClock

from trio_sse.client import BadResponse, ConnectionLost, Retry
from trio_sse.client._retry import Backoff, retry_after

from .scripted import HANG, Server, refusing, streaming

GONE = refusing(204)
REFUSED = httpx2.ConnectError("refused")
LOST = ConnectionLost("http://server/", "lost")


def near(*seconds: float) -> object:
    return pytest.approx(seconds, abs=0.1)


async def run(server: Server, **retry: object) -> list[float]:
    """Read to the end; the seconds between the requests."""
    options = {"jitter": min, **retry}
    async with server.source(retry=Retry(**options)) as source:  # type: ignore[arg-type]
        async for _ in source:
            pass
    return server.waits()


# -- how long


async def test_the_random_part_doubles_up_to_its_limit(autojump_clock: MockClock) -> None:
    waits = await run(Server(*[REFUSED] * 7, GONE), jitter=max, delay=3, max_delay=60)
    assert waits == near(3 + 3, 3 + 6, 3 + 12, 3 + 24, 3 + 48, 3 + 60, 3 + 60)


async def test_the_least_wait_is_the_reconnection_time(autojump_clock: MockClock) -> None:
    """WHATWG HTML, 9.2.3: wait that long, and optionally some more."""
    assert await run(Server(*[REFUSED] * 5, GONE), delay=3) == near(3, 3, 3, 3, 3)


async def test_the_jitter_is_that_of_the_random_source(autojump_clock: MockClock) -> None:
    seen = [await run(Server(*[REFUSED] * 5, GONE), jitter=Random(7).uniform) for _ in range(2)]
    expected = Random(7)
    assert seen[0] == near(*[3 + expected.uniform(0, 3 * 2**n) for n in range(5)])
    assert seen[0] == near(*seen[1])


async def test_two_clients_do_not_return_together(autojump_clock: MockClock) -> None:
    waits = [Backoff(Retry()).wait_after(LOST) for _ in range(100)]
    assert len(set(waits)) == 100
    assert all(wait is not None and 3 <= wait <= 6 for wait in waits)


async def test_an_event_begins_the_count_anew(autojump_clock: MockClock) -> None:
    server = Server(REFUSED, REFUSED, streaming(b"data: a\n\n"), REFUSED, GONE)
    assert await run(server, jitter=max) == near(6, 9, 6, 9)


async def test_a_connection_without_an_event_does_not(autojump_clock: MockClock) -> None:
    """A server that accepts, and closes at once, is not hammered."""
    server = Server(*[streaming(b": hello\n\n", 1)] * 3, GONE)
    assert await run(server, jitter=max) == near(1 + 6, 1 + 9, 1 + 15)


async def test_a_connection_that_stood_long_begins_the_count_anew(autojump_clock: MockClock) -> None:
    """A quiet stream that a proxy cuts every minute is not failing."""
    server = Server(*[streaming(b": hello\n\n", 61)] * 3, GONE)
    assert await run(server, jitter=max) == near(61 + 6, 61 + 6, 61 + 6)


async def test_the_time_without_a_connection_does_not_count_as_standing(autojump_clock: MockClock) -> None:
    server = Server(*[refusing(503, after=25)] * 3, GONE)
    assert await run(server, jitter=max, max_delay=20) == near(25 + 6, 25 + 9, 25 + 15)


async def test_the_servers_retry_is_honoured_and_stays(autojump_clock: MockClock) -> None:
    first, quiet, last = (streaming(body) for body in (b"retry: 500\n\n", b"data: a\n\n", b"retry: 9000\n\n"))
    server = Server(first, REFUSED, quiet, last, GONE)
    assert await run(server) == near(0.5, 0.5, 0.5, 9)


@pytest.mark.parametrize("body", [b"retry: 500\n", b":\nretry: 500\r", b"data: a\n\nretry: 500\n:\ndata: cut sho"])
async def test_the_servers_retry_needs_no_blank_line(body: bytes, autojump_clock: MockClock) -> None:
    assert await run(Server(streaming(body), GONE)) == near(0.5)
    assert await run(Server(streaming(body, httpx2.ReadError("reset")), GONE)) == near(0.5)


async def test_the_servers_retry_is_the_unit_of_the_random_part(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"retry: 500\n\n"), REFUSED, REFUSED, GONE)
    assert await run(server, jitter=max) == pytest.approx([1, 1.5, 2.5], abs=0.05)


async def test_the_servers_retry_is_capped(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"retry: 99999999999999999999\n\n"), GONE)
    assert await run(server, max_asked=100) == near(100)


async def test_a_server_that_asks_for_no_wait_is_not_hammered(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"retry: 0\n\n"), *[REFUSED] * 3, GONE)
    assert await run(server, jitter=max) == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.03)


@pytest.mark.parametrize("body", [b"data: a\n\n", b"retry: 0\nid: 1\ndata: a\n\n"])
async def test_a_server_that_ends_at_once_is_asked_less_often_even_if_it_sends_events(
    body: bytes, autojump_clock: MockClock
) -> None:
    server = Server(*[streaming(body)] * 12, GONE)
    expected = [min(0.1 * 2**n, 60) for n in range(12)]
    assert await run(server, jitter=max, delay=0) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    "body", [b"retry: 0\n\n", b"retry: 0\nid: 1\n\n", b"retry: 0\n\n: comment\n\ndata: unfinished"]
)
@pytest.mark.parametrize("lasts", [0, 0.6])
async def test_a_server_that_ends_without_an_event_is_asked_less_often(
    lasts: float, body: bytes, autojump_clock: MockClock
) -> None:
    server = Server(*[streaming(body, lasts)] * 12, GONE)
    expected = [lasts + min(0.1 * 2**n, 60) for n in range(12)]
    assert await run(server, jitter=max) == pytest.approx(expected, abs=0.03)


async def test_on_average_a_server_that_asks_for_no_wait_is_asked_three_times_a_minute(
    autojump_clock: MockClock,
) -> None:
    server = Server(*[streaming(b"retry: 0\ndata: a\n\n")] * 10_000)
    with trio.move_on_after(3600):
        await run(server, jitter=Random(1).uniform)
    assert len(server.requests) < 3 * 60


@pytest.mark.parametrize(("lasts", "asked"), [(0.5, 0), (0.35, 200), (0, 500), (30, 0)])
async def test_a_connection_that_lasted_and_brought_an_event_is_a_success(
    lasts: float, asked: int, autojump_clock: MockClock
) -> None:
    """A server that answers polls, for instance, is asked at the pace that it sets."""
    server = Server(*[streaming(f"retry: {asked}\ndata: a\n\n".encode(), lasts)] * 5, GONE)
    cycle = lasts + asked / 1000 + max(0.1, asked / 1000)
    assert await run(server, jitter=max) == pytest.approx([cycle] * 5, abs=0.03)


async def test_an_event_begins_the_count_of_attempts_anew_even_if_the_connection_did_not_last(
    autojump_clock: MockClock,
) -> None:
    server = Server(*[streaming(b"retry: 0\ndata: a\n\n")] * 10, GONE)
    await run(server, max_attempts=2)
    assert len(server.requests) == 11


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(Retry(jitter=max))
    assert [backoff.wait_after(LOST) for _ in range(2000)][-1] == 63


# -- temporary refusals


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_temporary_refusal_is_tried_again(status: int, autojump_clock: MockClock) -> None:
    server = Server(refusing(status, b"busy"), streaming(b"data: a\n\n"), GONE)
    assert await run(server) == near(3, 3)
    assert server.open == 0


async def test_refusals_can_be_final_as_they_are_for_a_browser(autojump_clock: MockClock) -> None:
    with pytest.raises(BadResponse, match="503"):
        await run(Server(refusing(503)), statuses=())


async def test_other_statuses_can_be_temporary(autojump_clock: MockClock) -> None:
    assert await run(Server(refusing(404), GONE), statuses={404}) == near(3)


async def test_retry_after_is_heeded(autojump_clock: MockClock) -> None:
    server = Server(
        refusing(503, retry_after="20"),
        refusing(429, retry_after="1"),
        refusing(503, retry_after="86400"),
        refusing(503, date="Mon, 01 Jan 2024 00:00:00 GMT", retry_after="Mon, 01 Jan 2024 00:00:40 GMT"),
        GONE,
    )
    assert await run(server) == near(20, 3, 300, 40)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": ""}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "٣"}, 0),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "9" * 5000}, 9_999_999_999),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT", "date": "Mon, 01 Jan 2024 00:00:09 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 -0000", "date": "Mon, 01 Jan 2023 00:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:09 GMT", "date": "yesterday"}, 0),
        ({"retry-after": "\xa07"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:0٩ GMT", "date": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 99999999999:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 +99999999999999"}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:09 GMT", "date": "Mon, 01 Jan 2024 99999999999:00:00 GMT"}, 0),
    ],
)
def test_what_a_retry_after_says(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == seconds


# -- giving up


async def test_after_the_last_attempt_its_error_is_raised(autojump_clock: MockClock) -> None:
    server = Server(REFUSED, refusing(503), httpx2.ConnectError("the last"))
    with pytest.raises(ConnectionLost, match="the last") as caught:
        await run(server, max_attempts=3)
    assert caught.value.__notes__ == ["gave up after 3 attempts without an event (Retry.max_attempts)"]


async def test_attempts_are_counted_from_the_last_event(autojump_clock: MockClock) -> None:
    server = Server(REFUSED, streaming(b"data: a\n\n"), REFUSED, streaming(b"data: b\n\n"), GONE)
    await run(server, max_attempts=3)
    assert len(server.requests) == 5


async def test_one_attempt_is_no_reconnect(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n"))
    async with server.source(retry=Retry(max_attempts=1)) as source:
        await anext(source)
        with pytest.raises(ConnectionLost, match="the server ended the stream"):
            await anext(source)
        assert [event async for event in source] == []


async def test_an_orderly_end_can_be_the_end(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n", httpx2.ReadError("cut")), streaming(b"data: b\n\n"))
    async with server.source(retry=Retry(after_end=False)) as source:
        assert [event.data async for event in source] == ["a", "b"]
        assert server.open == 0


@pytest.mark.parametrize(
    "error", [httpx2.UnsupportedProtocol("ftp"), httpx2.DecodingError("bad"), httpx2.ConnectError("untrusted")]
)
async def test_what_will_not_get_better_is_not_tried_again(error: Exception, autojump_clock: MockClock) -> None:
    import ssl

    if isinstance(error, httpx2.ConnectError):
        error.__cause__ = OSError()
        error.__cause__.__context__ = ssl.SSLCertVerificationError("self-signed")
    from trio_sse.client import ConnectionFailed

    with pytest.raises(ConnectionFailed) as caught:
        await run(Server(error))
    assert type(caught.value) is ConnectionFailed
    assert caught.value.__cause__ is error


async def test_an_error_that_is_no_networks_passes_through(autojump_clock: MockClock) -> None:
    with pytest.raises(ZeroDivisionError):
        await run(Server(ZeroDivisionError()))


async def test_a_wait_that_is_cancelled_is_over(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n"), streaming(b"data: b\n\n", HANG))
    async with server.source() as source:
        await anext(source)
        with trio.move_on_after(1):
            await anext(source)
        assert (await anext(source)).data == "b"
    assert server.waits() == near(1)


# -- the value


@pytest.mark.parametrize(
    "wrong", [{"delay": -1}, {"max_delay": float("nan")}, {"max_asked": float("inf")}, {"max_attempts": 0}]
)
def test_a_policy_that_makes_no_sense_is_told_at_once(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]


def test_policies_are_values() -> None:
    assert Retry(delay=1) == Retry(delay=1) != Retry(delay=2)
    assert repr(Retry(statuses=[503])).startswith("Retry(delay=3.0, ")
