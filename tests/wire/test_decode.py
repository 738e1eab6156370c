"""How a stream is read, rule by rule (WHATWG HTML, sections 9.2.5 and 9.2.6)."""

import tracemalloc

import pytest

from trio_sse.wire import MAX_RETRY, DecodeError, Decoder, EventTooLarge, ServerSentEvent, encode


def read(stream: bytes) -> list[ServerSentEvent[str]]:
    return Decoder().feed(stream)


def read_bytewise(decoder: Decoder, stream: bytes) -> list[ServerSentEvent[str]]:
    return [event for byte in stream for event in decoder.feed(bytes([byte]))]


def data_of(stream: bytes) -> list[str]:
    whole = [event.data for event in read(stream)]
    assert [event.data for event in read_bytewise(Decoder(), stream)] == whole
    return whole


# Lines and fields.


def test_each_field_reaches_the_event() -> None:
    (event,) = read(b": c\nevent: e\nid: i\nretry: 3\ndata: d\n\n")
    assert (event.data, event.event, event.id, event.retry, event.comment) == ("d", "e", "i", 3, None)


def test_a_field_that_is_not_there_is_none() -> None:
    (event,) = read(b"data: d\n\n")
    assert (event.event, event.id, event.retry) == (None, None, None)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_ends_in_lf_cr_or_crlf(end: bytes) -> None:
    assert data_of(b"data: a%bdata: b%b%bdata: c%b%b" % ((end,) * 5)) == ["a\nb", "c"]


def test_line_ends_may_be_mixed() -> None:
    assert data_of(b"data: a\rdata: b\r\ndata: c\n\rdata: d\r\n\n\r") == ["a\nb\nc", "d"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\0"])
def test_no_other_character_ends_a_line(character: str) -> None:
    assert data_of(f"data: a{character}b\n\n".encode()) == [f"a{character}b"]


def test_one_leading_space_of_a_value_is_dropped() -> None:
    assert data_of(b"data:a\ndata: b\ndata:  c\ndata:\td\n\n") == ["a\nb\n c\n\td"]


def test_only_the_first_colon_divides() -> None:
    assert data_of(b"data:a:b\ndata::c\n\n") == ["a:b\n:c"]


def test_a_line_without_a_colon_is_a_field_with_an_empty_value() -> None:
    assert data_of(b"data\n\ndata\ndata\n\n") == ["", "\n"]


def test_comments_are_ignored() -> None:
    assert data_of(b":\n: x\n:data: y\ndata: z\n:\n\n") == ["z"]


@pytest.mark.parametrize("line", [b"Data: x", b" data: x", b"data : x", b"dat: x", b"datax", b"ID: 1", b"Event: e"])
def test_names_are_matched_to_the_letter_and_others_ignored(line: bytes) -> None:
    assert read(line + b"\ndata: y\n\n") == [ServerSentEvent("y")]


# Dispatch.


def test_a_blank_line_without_data_dispatches_nothing_and_forgets_the_name() -> None:
    assert read(b"\n\nevent: e\nretry: 1\n\ndata: d\n\n") == [ServerSentEvent("d")]


def test_the_last_name_counts_and_an_empty_one_means_none() -> None:
    assert [event.event for event in read(b"event: a\nevent: b\ndata\n\nevent: c\nevent\ndata\n\n")] == ["b", None]


def test_an_unfinished_event_is_not_dispatched_nor_its_id_kept() -> None:
    decoder = Decoder()
    assert decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n") == [ServerSentEvent("a", id="1")]
    assert decoder.last_event_id == "1"


# Ids and retry.


def test_an_id_is_kept_from_event_to_event() -> None:
    assert [event.id for event in read(b"id: 1\ndata\n\ndata\n\nid: 2\ndata\n\n")] == ["1", "1", "2"]


def test_an_id_is_committed_by_the_blank_line_even_without_data() -> None:
    decoder = Decoder()
    assert decoder.last_event_id is None
    decoder.feed(b"id: 1\n")
    assert decoder.last_event_id is None
    assert decoder.feed(b"\n") == []
    assert decoder.last_event_id == "1"


def test_an_empty_id_resets_the_last_one() -> None:
    decoder = Decoder()
    events = decoder.feed(b"id: 1\ndata\n\nid\ndata\n\n")
    assert [event.id for event in events] == ["1", ""]
    assert decoder.last_event_id == ""


def test_an_id_with_nul_is_ignored() -> None:
    assert [event.id for event in read(b"id: 1\nid: 2\0\ndata\n\nid: \0\ndata\n\n")] == ["1", "1"]


@pytest.mark.parametrize(("value", "retry"), [(b"0", 0), (b"0010", 10), (b"10", 10), (b"1%015d" % 0, 10**15)])
def test_retry_is_read_in_base_ten(value: bytes, retry: int) -> None:
    decoder = Decoder()
    assert decoder.feed(b"retry: %b\ndata\n\n" % value) == [ServerSentEvent("", retry=retry)]
    assert decoder.retry == retry


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1.0", b"1 ", b" 1", b"1_0", b"x", "٣".encode(), "²".encode()])
def test_retry_that_is_not_ascii_digits_alone_is_ignored(value: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(b"retry: 5\nretry: %b\ndata\n\n" % value) == [ServerSentEvent("", retry=5)]
    assert decoder.retry == 5


def test_retry_takes_effect_at_once_and_belongs_to_its_own_block() -> None:
    decoder = Decoder()
    assert decoder.feed(b"retry: 5\n") == []
    assert decoder.retry == 5
    assert [event.retry for event in decoder.feed(b"data\n\ndata\n\n")] == [5, None]
    assert decoder.retry == 5


@pytest.mark.parametrize("value", [b"9" * 16, b"9" * 17, b"9" * 5000, b"0" * 5000 + b"9" * 16])
def test_retry_beyond_reason_is_cut_to_the_longest(value: bytes) -> None:
    decoder = Decoder()
    decoder.feed(b"retry: %b\n" % value)
    assert decoder.retry == MAX_RETRY


def test_leading_zeros_do_not_make_a_retry_long() -> None:
    assert read(b"retry: %b7\ndata\n\n" % (b"0" * 5000))[0].retry == 7


# Chunks.


def test_a_crlf_cut_in_two_is_one_line_end() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: b\r") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\r") == [ServerSentEvent("a\nb")]
    assert decoder.feed(b"\ndata: c\n\n") == [ServerSentEvent("c")]


@pytest.mark.parametrize("end", [b"\r\r", b"\n\r", b"\r\n\r"])
def test_an_event_that_ends_in_cr_is_dispatched_without_waiting_for_more(end: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a" + end) == [ServerSentEvent("a")]
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: b\n\n") == [ServerSentEvent("b")]


def test_only_one_lf_belongs_to_a_cr() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"\n\n") == [ServerSentEvent("a")]


@pytest.mark.parametrize("cut", range(5))
def test_one_bom_is_dropped_wherever_it_is_cut(cut: int) -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n"
    decoder = Decoder()
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == [ServerSentEvent("a")]


@pytest.mark.parametrize("stream", [b"\xef\xbb\xbf" * 2 + b"data: a\n\n", b"\n\xef\xbb\xbfdata: a\n\n"])
def test_a_second_or_later_bom_is_part_of_the_name(stream: bytes) -> None:
    assert data_of(stream) == []


def test_a_bom_on_a_line_of_its_own_leaves_a_blank_line() -> None:
    assert data_of(b"\xef\xbb\xbf\ndata: a\n\n") == ["a"]


def test_long_lines_and_events_leave_nothing_behind_for_the_next() -> None:
    line, lines = "x" * 10_000, "\n".join("y" * 3000)
    sent = [line, "short", lines, "short", line + "\n" + lines]
    assert data_of(b"".join(encode({"data": text}) for text in sent)) == sent


# Text.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\xff", "\ufffd"),
        (b"\xf0\x9f\x98", "\ufffd"),
        (b"\xe2\x82", "\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xe2\x82\xff", "\ufffd\ufffd"),
    ],
)
def test_broken_utf8_is_replaced_and_does_not_eat_the_line_end(value: bytes, text: str) -> None:
    assert data_of(b"data: %b\ndata: b\n\ndata: c\n\n" % value) == [f"{text}\nb", "c"]
    (event,) = read(b"event: %b\nid: %b\ndata\n\n" % (value, value))
    assert (event.event, event.id) == (text, text)


def test_a_sequence_cut_by_a_chunk_is_whole_again() -> None:
    assert data_of("data: ä€😀\n\n".encode()) == ["ä€😀"]


def test_what_a_stranger_sends_is_shown_even_where_we_would_not_send_it() -> None:
    (event,) = read(b"event: a\0b\nid: %b\ndata\n\n" % (b"x" * 5000))
    assert (event.event, event.id) == ("a\0b", "x" * 5000)


def test_a_received_event_can_be_passed_on() -> None:
    wire = b"event: e\nid: 1\nretry: 3\ndata: a\ndata: b\n\n"
    assert encode(read(wire)[0]) == wire


# Size.


@pytest.mark.parametrize("size", [0, -1])
def test_a_limit_must_leave_room(size: int) -> None:
    with pytest.raises(ValueError, match="max_size"):
        Decoder(max_size=size)


AT_LIMIT = [
    (b"data: 1234\n\n", 10),
    (b": comment\n\n", 9),
    (b"data:12\ndata:34\n\n", 10),  # "12", a line end, and the second line
    (b"data:1\ndata:34\n\n", 9),
    (b"data\ndata\ndata\n\n", 6),
    (b"event: abc\ndata: 1\n\n", 10),
    (b"event: abc\ndata: 12\n\n", 11),
    (b"id: 123\ndata: 12\n\n", 11),
    (b"id: 123\nid: 1\ndata: 1234\n\n", 11),
    (b"event: abc\nevent: a\ndata: 1234567\n\n", 14),
    (b"\xef\xbb\xbfdata: 1234\n\n", 13),
]


@pytest.mark.parametrize(("stream", "size"), AT_LIMIT)
def test_an_event_of_just_the_limit_passes_however_it_is_cut(stream: bytes, size: int) -> None:
    assert Decoder(max_size=size).feed(stream) == read_bytewise(Decoder(max_size=size), stream) == read(stream)


@pytest.mark.parametrize(("stream", "size"), AT_LIMIT)
def test_one_byte_over_the_limit_is_refused_however_it_is_cut(stream: bytes, size: int) -> None:
    with pytest.raises(EventTooLarge) as whole:
        Decoder(max_size=size - 1).feed(stream)
    assert whole.value.limit == size - 1
    with pytest.raises(EventTooLarge):
        read_bytewise(Decoder(max_size=size - 1), stream)


def test_each_event_has_the_whole_limit() -> None:
    stream = b"event: abc\nid: 123\ndata: 12\n\n" * 3 + b"data: 1\n" * 2 + b"\n: comment\n" * 100
    assert len(read_bytewise(Decoder(max_size=17), stream)) == len(Decoder(max_size=17).feed(stream)) == 4


def test_an_unfinished_line_counts_before_it_ends() -> None:
    decoder = Decoder(max_size=100)
    assert decoder.feed(b"x" * 100) == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


@pytest.mark.parametrize("size", range(1, 9))
def test_an_unfinished_line_is_refused_at_its_first_byte_too_many(size: int) -> None:
    decoder = Decoder(max_size=size)
    for _ in range(size):
        assert decoder.feed(b"x") == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


def test_the_limit_is_a_mebibyte_unless_set() -> None:
    decoder = Decoder()
    assert decoder.feed(b"x" * 1024 * 1024) == []
    with pytest.raises(EventTooLarge) as raised:
        decoder.feed(b"x")
    assert raised.value.limit == 1024 * 1024


def test_after_the_error_every_call_raises_it() -> None:
    decoder = Decoder(max_size=10)
    for chunk in (b"x" * 11, b"", b"\n\n", b"data: a\n\n"):
        with pytest.raises(EventTooLarge, match="10 bytes"):
            decoder.feed(chunk)


def test_events_before_the_one_too_large_are_not_lost_with_it() -> None:
    decoder = Decoder(max_size=10)
    assert decoder.feed(b"id:1\ndata: a\n\n" + b"x" * 11 + b"\n\nid: 2\ndata: c\n\n") == [ServerSentEvent("a", id="1")]
    assert decoder.last_event_id == "1"
    with pytest.raises(DecodeError):
        decoder.feed(b"")


@pytest.mark.parametrize("piece", [b"x", b"x" * 100, b"x" * 5000])
@pytest.mark.parametrize("start", [b"data: ", b"data: y\n" * 1000 + b"data: "])
def test_what_is_held_of_an_unfinished_event_takes_little_more_than_its_bytes(start: bytes, piece: bytes) -> None:
    # One bytearray would take 1.125 times as much, a list of single bytes 8 times.
    size = 256 * 1024
    decoder = Decoder(max_size=size)
    decoder.feed(start)
    tracemalloc.start()
    try:
        for _ in range((size - len(start)) // len(piece)):
            decoder.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size + 16 * 1024


def test_nothing_is_held_after_the_error() -> None:
    size = 256 * 1024
    decoder = Decoder(max_size=size)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert decoder.feed(b"data: " + b"x" * (size // 3) + b"\ndata: " + b"x" * (size // 3)) == []
        with pytest.raises(EventTooLarge):
            decoder.feed(b"x" * size)
        decoder_keeps = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert decoder_keeps < 16 * 1024
