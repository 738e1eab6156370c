"""The body of a request: where it ends, split at any byte, and what is refused as strictly as h11 does."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse._server.http1.body import ChunkedBody, LengthBody
from trio_sse._server.http1.head import BadRequest


def taken(body: LengthBody | ChunkedBody, data: bytes, size: int) -> tuple[bytes, bytes]:
    """What a body is, and what follows it, if it comes in pieces of a size."""
    buffer, found = bytearray(), b""
    for start in range(0, len(data), size):
        buffer += data[start : start + size]
        if not body.complete:
            found += body.take(buffer)
    return found, bytes(buffer)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_body_with_a_length(size: int) -> None:
    assert taken(LengthBody(5), b"helloGET /", size) == (b"hello", b"GET /")
    assert LengthBody(0).complete
    body = LengthBody(5)
    assert taken(body, b"hel", size) == (b"hel", b"")
    assert not body.complete


WHOLE = {
    b"0\r\n\r\n": b"",
    b"5\r\nhello\r\n0\r\n\r\n": b"hello",
    b"5\r\nhello\r\nA\r\n0123456789\r\n00\r\n\r\n": b"hello0123456789",
    b"5;a=b\r\nhello\r\n0;x\r\n\r\n": b"hello",
    b'5 ; a="b c"\r\nhello\r\n0\r\n\r\n': b"hello",
    b"5\r\nhello\r\n0\r\nx-checksum: 1\r\ny:\r\n\r\n": b"hello",
    b"0000005\r\nhello\r\n0\r\n\r\n": b"hello",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("data", WHOLE)
def test_a_chunked_body(data: bytes, size: int) -> None:
    body = ChunkedBody()
    assert taken(body, data + b"GET /", size) == (WHOLE[data], b"GET /")
    assert body.complete


REFUSED = {
    "no size": b"\r\nhello",
    "a size that is not hexadecimal": b"g\r\n",
    "a size with a prefix": b"0x5\r\nhello",
    "a size with a sign": b"+5\r\nhello",
    "a space in front": b" 5\r\nhello",
    "a huge size": b"f" * 16 + b"\r\n",
    "a bare line feed": b"5\nhello",
    "a chunk that is too long": b"5\r\nhello!\r\n",
    "a chunk that is too long, split": b"5\r\nhelloX",
    "a carriage return alone": b"5\r\nhello\rX",
    "a bare line feed after a chunk": b"5\r\nhello\n0\r\n\r\n",
    "an extension with a control character": b"5;\x01\r\nhello",
    "an extension with a bare carriage return": b"5;\rx\r\nhello",
    "a long extension": b"5;" + b"a" * 300 + b"\r\n",
    "a long extension without an end": b"5;" + b"a" * 300,
    "a trailer without a colon": b"0\r\nx\r\n\r\n",
    "a trailer with white space before the colon": b"0\r\nx : 1\r\n\r\n",
    "a folded trailer": b"0\r\nx: 1\r\n 2\r\n\r\n",
    "a trailer with NUL": b"0\r\nx: \x00\r\n\r\n",
    "trailers that are too long": b"0\r\n" + b"x: 1\r\n" * 2000,
    "a trailer that does not end": b"0\r\nx: " + b"1" * 9000,
}


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, size: int) -> None:
    with pytest.raises(BadRequest):
        taken(ChunkedBody(), REFUSED[name], size)


def by_h11(data: bytes) -> tuple[bytes, bool] | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + data)
    connection.next_event()
    found = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                found += event.data
            else:
                return found, isinstance(event, h11.EndOfMessage)
    except h11.RemoteProtocolError:
        return None


PARTS = st.sampled_from(
    [b"0", b"5", b"A", b"g", b"\r\n", b"\n", b"\r", b"hello", b"0123456789", b";", b"a=b", b" ", b"x: 1", b"x", b"\0"]
)
BODIES = st.lists(st.one_of(PARTS, st.sampled_from([b"5\r\nhello\r\n", b"0\r\n\r\n"])), max_size=8).map(b"".join)


@given(BODIES, st.integers(1, 10))
def test_a_chunked_body_is_read_as_h11_reads_it(data: bytes, size: int) -> None:
    theirs = by_h11(data)
    body = ChunkedBody()
    try:
        found, _ = taken(body, data, size)
    except BadRequest:
        # h11 takes a line feed alone for the end of a line of the trailers, accepts white space and folded lines, and
        # waits for the end of a line that cannot be right.
        bare = data.count(b"\n") != data.count(b"\r\n")
        assert theirs is None or not theirs[1] or bare or b" " in data, theirs
        return
    if theirs is not None:
        assert (found, body.complete) == theirs
