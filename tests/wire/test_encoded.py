"""Events that are framed already: what is taken as they are, and what a stream could not contain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse.wire import MAX_ID_SIZE, Decoder, EncodedEvent, EventError, ServerSentEvent, encode, encode_many

ONE = "event: tick\nid: 7\ndata: 1\n\n"


class Framed(str):
    """What datastar-py makes: a str of its own class."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"data: forged\n\n"


def refused(framed: Any) -> EventError:
    with pytest.raises(EventError) as caught:
        EncodedEvent(framed)
    return caught.value


@pytest.mark.parametrize("framed", [ONE, ONE.encode(), Framed(ONE)])
def test_framed_text_and_bytes_are_taken_as_they_are(framed: str | bytes) -> None:
    event = EncodedEvent(framed)
    assert (event.frames, event.count) == (ONE.encode(), 1)
    assert repr(event) == "<EncodedEvent: 1 event, 27 bytes>"


@pytest.mark.parametrize(
    ("framed", "count"),
    [
        (ONE + ONE, 2),
        (":\n" + ONE, 1),
        (ONE + ": bye\nretry: 5\n", 1),
        (":\n", 0),
        ("retry: 5\n", 0),
        ("\n", 0),
        ("id: 7\n\n", 0),
        ("event: note\n\n", 0),
        ("data: a\r\rdata: b\r\n\r\ndata: c\n\r", 3),
        ("data\n\n", 1),
        ("other: 1\ndata: a\n\n", 1),
        ("data: \ufeff\u2028\x00\n\n", 1),
        (f"data: {'x' * 2_000_000}\n\n", 1),
    ],
)
def test_events_are_counted_as_clients_dispatch_them(framed: str, count: int) -> None:
    assert EncodedEvent(framed).count == count


@pytest.mark.parametrize("unfinished", ["data: a\n", "data: a", "id: 7\n", "event: e\n", "data", "x", ":", "retry: 5"])
def test_what_would_run_into_the_next_event_is_refused(unfinished: str) -> None:
    assert "blank line" in refused(unfinished).reason
    assert "blank line" in refused(ONE + unfinished).reason


@pytest.mark.parametrize(
    ("framed", "field", "words"),
    [
        ("", "", "is empty"),
        (b"", "", "is empty"),
        (b"data: \xff\n\n", "", "is not UTF-8"),
        ("data: \ud800\n\n", "", "lone surrogate"),
        ("\ufeffdata: a\n\n", "", "byte order mark"),
        ("id: a\0b\ndata: a\n\n", "id", "NUL"),
        ("data: a\nid:\0\n\n", "id", "NUL"),
        (f"id: {'x' * (MAX_ID_SIZE + 1)}\ndata: a\n\n", "id", "longer"),
        (bytearray(b"data: a\n\n"), "", "not bytearray; EncodedEvent.of"),
        ({"data": 1}, "", "not dict; EncodedEvent.of"),
        (None, "", "not NoneType; EncodedEvent.of"),
    ],
)
def test_what_clients_would_not_read_is_refused(framed: Any, field: str, words: str) -> None:
    error = refused(framed)
    assert error.field == field
    assert words in error.reason


def test_an_event_is_encoded_once() -> None:
    event = EncodedEvent.of({"event": "tick", "id": "7", "data": 1})
    assert event == EncodedEvent(ONE)
    assert hash(event) == hash(EncodedEvent(ONE))
    assert (event.frames, event.count) == (ONE.encode(), 1)


def test_several_events_are_sent_together_and_each_counts_as_it_does_alone() -> None:
    event = EncodedEvent.of({"data": [1]}, ServerSentEvent(retry=5), json=lambda value: f"<{value}>")
    assert (event.frames, event.count) == (b"data: <[1]>\n\nretry: 5\n", 2)
    assert repr(event) == "<EncodedEvent: 2 events, 22 bytes>"


def test_an_event_that_cannot_be_sent_cannot_be_encoded() -> None:
    with pytest.raises(EventError, match="event"):
        EncodedEvent.of({"event": "a\nb", "data": 1})
    with pytest.raises(EventError, match="empty"):
        EncodedEvent.of()


def test_text_that_is_no_event_is_refused_with_the_way_out() -> None:
    for framed in (ONE, ONE.encode()):
        with pytest.raises(EventError, match="if it is framed already, make it an EncodedEvent"):
            encode(framed)  # type: ignore[arg-type]  # what is tested is that this fails


events = st.fixed_dictionaries(
    {
        "data": st.text(st.characters(exclude_categories=["Cs"])),
        "id": st.none() | st.text("ab \u20ac", max_size=5),
        "retry": st.none() | st.integers(0, 10**6),
    }
)
pieces = st.sampled_from(["data: a", "data", "id: 1", "event: e", "retry: 5", ": c", "x", "\n", "\r", "\r\n", "\n\n"])


@given(st.lists(events, min_size=1, max_size=5))
def test_what_the_encoder_writes_is_framed(given_events: list[Any]) -> None:
    encoded = EncodedEvent.of(*given_events)
    assert EncodedEvent(encoded.frames) == encoded
    assert EncodedEvent(encoded.frames).count == encoded.count == len(given_events)


@given(st.lists(pieces, min_size=1, max_size=12).map("".join))
def test_what_is_taken_changes_no_event_around_it(framed: str) -> None:
    before, after = encode({"data": "before"}), encode_many([{"data": "after"}, {"data": "end"}])
    try:
        encoded = EncodedEvent(framed)
    except EventError:
        return
    seen = Decoder().feed(before + encoded.frames + after)
    alone = Decoder().feed(encoded.frames)
    assert [(event.event, event.data) for event in seen] == [
        (None, "before"),
        *((event.event, event.data) for event in alone),
        (None, "after"),
        (None, "end"),
    ]
    assert len(alone) == encoded.count
