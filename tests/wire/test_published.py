"""Events of topics: their bytes, and gaps."""

from __future__ import annotations

import pytest

from trio_sse import SSE
from trio_sse._plan.event_encoder import EventEncoder, encoder_for
from trio_sse.errors import BuildError
from trio_sse.wire import Decoder, Gap, PublishedEvent, encode_json

EVENT = PublishedEvent("rooms/1", "run00001.7", None, 17, None, b"id: run00001.7\ndata: 17\n\n")
NAMED = PublishedEvent("rooms/1", "run00001.8", "x", 18, None, b"id: run00001.8\nevent: x\ndata: 18\n\n")
GAP = Gap("trimmed", "run00001.3", "run00001.6", ("rooms/1", "a/*"), "run00001.5")


def plain() -> EventEncoder:
    return EventEncoder("SSE /", encode_json, None)


def test_an_event_that_was_published_goes_out_as_it_is() -> None:
    frames, count, last = plain().encode(EVENT)
    assert (frames, count, last) == (EVENT.frames, 1, False)
    assert repr(EVENT) == "<PublishedEvent run00001.7 of rooms/1: 25 bytes>"


def test_a_batch_of_them_goes_out_in_one_write() -> None:
    frames, count, _ = plain().encode([EVENT, {"data": 1}, NAMED, GAP])
    assert frames == EVENT.frames + b"data: 1\n\n" + NAMED.frames + GAP.frames()
    assert count == 4


def test_a_route_names_the_classes_of_its_data() -> None:
    encoder = encoder_for("SSE /", encode_json, (("number", int),))
    assert encoder.encode(EVENT)[0] == b"event: number\n" + EVENT.frames
    assert encoder.encode(NAMED)[0] == NAMED.frames
    text = PublishedEvent("a", "run00001.9", None, "text", None, b"id: run00001.9\ndata: text\n\n")
    assert encoder.encode([text])[0] == text.frames


def test_a_gap_says_what_is_missing() -> None:
    assert GAP.frames() == (
        b'event: gap\nid: run00001.5\ndata: {"reason":"trimmed","after":"run00001.3","to":"run00001.6",'
        b'"topics":["rooms/1","a/*"],"dropped":null}\n\n'
    )
    (event,) = Decoder().feed(GAP.frames("missed"))
    assert (event.event, event.id) == ("missed", "run00001.5")
    assert plain().encode(GAP) == (GAP.frames(), 1, False)


@pytest.mark.parametrize("cls", [PublishedEvent, Gap])
def test_what_a_topic_yields_has_its_name_already(cls: type[object]) -> None:
    with pytest.raises(BuildError, match="means an event, a batch of them or the stream's end already"):
        SSE("/").events(x=cls)
