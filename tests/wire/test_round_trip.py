"""The encoder, the decoder and an independent reading of the specification agree."""

import re
from itertools import pairwise
from typing import NamedTuple

from hypothesis import assume, example, given
from hypothesis import strategies as st

from trio_sse.wire import NO_DATA, Decoder, EventError, ServerSentEvent, encode, encode_comment, encode_many


class Seen(NamedTuple):
    """What a client dispatches: the name, the data and the last id, as the specification has them."""

    name: str
    data: str
    last_id: str


class Reference:
    """Section 9.2.6 word for word, over a whole stream at once; it shares no code with the decoder."""

    def __init__(self, stream: bytes) -> None:
        self.seen: list[Seen] = []
        self.retry: int | None = None
        self.last_id = self.last_id_buffer = ""
        self.data = self.name = ""
        text = stream.decode("utf-8", "replace")
        text = text.removeprefix("\ufeff")
        for line in re.split("\r\n|\n|\r", text)[:-1]:
            self.line(line)

    def line(self, line: str) -> None:
        if line == "":
            self.dispatch()
        elif line[0] != ":" and ":" in line:
            name, value = line.split(":", 1)
            self.field(name, value[1:] if value[:1] == " " else value)
        elif line[0] != ":":
            self.field(line, "")

    def field(self, name: str, value: str) -> None:
        if name == "event":
            self.name = value
        if name == "data":
            self.data += value + "\n"
        if name == "id" and "\0" not in value:
            self.last_id_buffer = value
        if name == "retry" and re.fullmatch("[0-9]+", value):
            self.retry = int(value)

    def dispatch(self) -> None:
        self.last_id = self.last_id_buffer
        data, name, self.data, self.name = self.data, self.name, "", ""
        if data != "":
            self.seen.append(Seen(name or "message", data[:-1], self.last_id))


def seen(events: list[ServerSentEvent[str]]) -> list[Seen]:
    return [Seen(event.event or "message", str(event.data), event.id or "") for event in events]


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


def lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Pieces that meet in the ways that matter; pure random bytes would rarely form a field.
fragments = [
    b"data",
    b"event",
    b"id",
    b"retry",
    b"Data",
    b":",
    b": ",
    b" ",
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"7",
]
odd = ["\ufeff".encode(), "\u2028".encode(), "\x85".encode(), "ä😀".encode(), b"\xf0\x9f", b"\xff", b"\x0b", b"\x0c"]
wholes = [b"data: a\n", b"id: 1\n", b"id\r", b"event: e\r\n", b"retry: 7\n", b"retry: 7x\n"]
pieces = st.sampled_from([*fragments, *odd, *wholes])
streams = st.lists(pieces | st.binary(max_size=3), max_size=40).map(b"".join)
unicode_text = st.text(st.characters(exclude_categories=["Cs"]))
texts = unicode_text | st.lists(st.sampled_from(["\r", "\n", "a", " ", ":", "data: x", "\u2028", "\x85", "\0"])).map(
    "".join
)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=50)
ids = st.just("") | names
retries = st.integers(0, 10**9)


@st.composite
def events(draw: st.DrawFn) -> ServerSentEvent:
    return ServerSentEvent(
        draw(texts),
        event=draw(st.none() | names),
        id=draw(st.none() | ids),
        retry=draw(st.none() | retries),
        comment=draw(st.none() | texts),
    )


@given(streams)
@example(b"\xef\xbb\xbfdata: a\r\rdata: b\r\n\r\n")
def test_the_decoder_reads_any_stream_as_the_specification_does(stream: bytes) -> None:
    decoder, reference = Decoder(), Reference(stream)
    assert seen(decoder.feed(stream)) == reference.seen
    assert (decoder.last_event_id or "") == reference.last_id
    assert decoder.retry == reference.retry


@given(streams, st.lists(st.integers(0, 1000)))
def test_it_makes_no_difference_how_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    whole, bytewise, pieces = Decoder(), Decoder(), Decoder()
    expected = whole.feed(stream)
    assert [event for byte in stream for event in bytewise.feed(bytes([byte]))] == expected
    assert [event for piece in cut(stream, cuts) for event in pieces.feed(piece)] == expected
    for decoder in (bytewise, pieces):
        assert (decoder.last_event_id, decoder.retry) == (whole.last_event_id, whole.retry)


@given(streams, st.integers(1, 40))
def test_it_makes_no_difference_to_the_limit_how_a_stream_is_cut(stream: bytes, size: int) -> None:
    def outcome(chunks: list[bytes]) -> tuple[list[ServerSentEvent[str]], bool]:
        decoder = Decoder(max_size=size)
        read: list[ServerSentEvent[str]] = []
        try:
            for chunk in (*chunks, b""):
                read += decoder.feed(chunk)
        except ValueError:
            return read, True
        return read, False

    assert outcome([stream]) == outcome([bytes([byte]) for byte in stream])


@given(st.lists(events()))
def test_what_was_encoded_is_decoded_again_without_its_comments(sent: list[ServerSentEvent[str]]) -> None:
    last_id: str | None = None
    for got, event in zip(Decoder().feed(encode_many(sent)), sent, strict=True):
        last_id = last_id if event.id is None else event.id
        assert got == ServerSentEvent(lf(str(event.data)), event=event.event, id=last_id, retry=event.retry)


@given(events())
def test_an_event_and_its_mapping_are_encoded_alike(event: ServerSentEvent) -> None:
    fields = {name: getattr(event, name) for name in ("comment", "retry", "id", "event", "data")}
    assert encode(fields) == encode(event)


hostile = st.text(st.sampled_from("\r\n\0: adeint\ud800\ufeff\u2028")) | st.sampled_from(
    ["\n\ndata: x\n\n", "\r\rid: 9\r\r", "\r\n\r\n", "x\n\nevent: e\ndata: y", "\0", "retry: 1\n"]
)


@given(st.dictionaries(st.sampled_from(["data", "event", "id", "comment"]), hostile, min_size=1), st.booleans())
def test_whatever_one_event_holds_no_client_sees_two(fields: dict[str, str], as_json: bool) -> None:
    given_data: object = {"value": fields["data"]} if as_json and "data" in fields else fields.get("data", NO_DATA)
    mine = dict[str, object](fields) | {"data": given_data}
    try:
        stream = encode(mine, json=lambda _: fields["data"])  # an encoder as hostile as its data
    except EventError:
        assume(False)
        raise
    client = Reference(stream + b"data: next\n\n")
    expected = (
        [Seen(fields.get("event", "message"), lf(fields["data"]), fields.get("id", ""))] if "data" in fields else []
    )
    assert client.seen == [*expected, Seen("message", "next", fields.get("id", ""))]
    assert client.retry is None


@given(texts)
def test_a_heartbeat_between_two_events_is_never_seen(text: str) -> None:
    stream = encode({"id": "1", "data": "a"}) + encode_comment(text) + encode({"data": "b"})
    assert Reference(stream).seen == [Seen("message", "a", "1"), Seen("message", "b", "1")]
    assert seen(Decoder().feed(stream)) == Reference(stream).seen
