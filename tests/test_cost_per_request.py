"""The benchmark of requests accepts a response only if it is the whole of what was asked for."""

from __future__ import annotations

import pytest

from benchmarks.cost_per_request import (
    LOADS,
    SERVERS,
    Figures,
    check_events,
    check_json,
    ends_with_json,
    report,
)

JSON = b'HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{"hello":"world","n":1}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n"
TICKS = (b'event: tick\ndata: {"n":0}\n\n', b'event: tick\r\ndata: {"n": 1}\r\n\r\n')


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def test_the_json_ends_where_its_length_says() -> None:
    assert ends_with_json(JSON)
    assert not any(ends_with_json(JSON[:size]) for size in range(len(JSON)))


def test_json_has_to_be_what_was_asked_for() -> None:
    check_json(JSON)
    with pytest.raises(AssertionError):
        check_json(JSON.replace(b"world", b"wurld"))
    with pytest.raises(ValueError, match="Extra data"):
        check_json(JSON + b"HTTP/1.1")


@pytest.mark.parametrize(
    "parts", [TICKS, (b":\n", TICKS[0] + TICKS[1]), (b"retry: 5\n\n", TICKS[0][:9], TICKS[0][9:] + TICKS[1])]
)
def test_a_whole_stream_is_accepted_however_it_is_framed(parts: tuple[bytes, ...]) -> None:
    check_events(HEAD + chunked(*parts), 2)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(HEAD + chunked(TICKS[0]), id="an event is missing"),
        pytest.param(HEAD + chunked(*TICKS, TICKS[1]), id="an event came twice"),
        pytest.param(HEAD + chunked(TICKS[1], TICKS[0]), id="another order"),
        pytest.param(HEAD + chunked(*TICKS)[:-5], id="no end"),
        pytest.param(HEAD + chunked(*TICKS)[:-2], id="half of the end"),
        pytest.param(HEAD + chunked(*TICKS).replace(b"1}", b"1", 1), id="a chunk lacks a byte"),
        pytest.param(HEAD + chunked(*TICKS) + b"HTTP/1.1", id="more after the end"),
        pytest.param(HEAD.replace(b"200", b"503") + chunked(*TICKS), id="another status"),
        pytest.param(HEAD.replace(b"event-stream", b"plain") + chunked(*TICKS), id="another type"),
    ],
)
def test_a_stream_that_is_not_whole_is_an_error(response: bytes) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_events(response, 2)


def test_a_ratio_is_the_median_of_those_of_the_rounds() -> None:
    """A round in which all were slow counts as any other, so it is not the ratio of the medians."""
    figures: Figures = {
        (load, tls, server): [10.0, 30.0, 20.0] for load in LOADS for tls in (False, True) for server in SERVERS
    }
    figures[LOADS[0], True, SERVERS[1]] = [20.0, 15.0, 60.0]
    lines = list(report(figures))
    assert len(lines) == len(figures)
    (line,) = (line for line in lines if not line.endswith("1.00x"))
    assert line.startswith(f"{LOADS[0].named(tls=True)} ")
    assert line.split()[-4:] == ["20.0", "us", "(15.0-60.0)", "2.00x"]
