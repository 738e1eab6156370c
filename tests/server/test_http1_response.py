"""The framing of a response: how its body ends, what its head says of the connection, and what cannot be framed."""

from __future__ import annotations

from typing import Any

import pytest

from trio_sse._server.http1.head import parse_head
from trio_sse._server.http1.response import FramingError, Response, State, error_response

OWN = b"date: now\r\n"


def response(method: str = "GET", version: str = "1.1", *, keep_alive: bool = True, connection: str = "") -> Response:
    line = f"connection: {connection}\r\n" if connection else ""
    head = f"{method} / HTTP/{version}\r\nhost: x\r\n{line}\r\n".encode()
    return Response(parse_head(head), keep_alive=keep_alive)


def test_a_body_of_unknown_length_is_chunked() -> None:
    made = response()
    made.start(200, [(b"Content-Type", b"text/event-stream")], OWN)
    assert made.body(b"hello", more=True) == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ndate: now\r\n\r\n"
        b"5\r\nhello\r\n"
    )
    assert made.body(b"", more=True) == b""
    assert made.body(b"x" * 16, more=False) == b"10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
    assert (made.state, made.keep_alive) == (State.ENDED, True)


def test_a_body_of_known_length_is_counted() -> None:
    made = response()
    made.start(201, [(b"content-length", b"5")], OWN)
    assert made.take_head() == b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\ndate: now\r\n\r\n"
    assert made.body(b"hel", more=True) == b"hel"
    assert made.body(b"lo", more=False) == b"lo"


@pytest.mark.parametrize("parts", [[b"hello!"], [b"hel", b"lo!"], [b"hell"], [b""]])
def test_a_body_of_another_length_is_an_error(parts: list[bytes]) -> None:
    made = response()
    made.start(200, [(b"content-length", b"5")], OWN)
    with pytest.raises(FramingError, match="not as long as its Content-Length"):  # noqa: PT012 - with any part
        for index, part in enumerate(parts):
            made.body(part, more=index < len(parts) - 1)
    assert not made.keep_alive


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_responses_have_no_body(method: str, status: int) -> None:
    made = response(method)
    made.start(status, [], b"")
    framed = made.body(b"hello", more=False)
    assert framed.endswith(b"\r\n\r\n")
    assert b"hello" not in framed
    assert (b"transfer-encoding" in framed) is (status == 200), "as GET would have it"


@pytest.mark.parametrize(("method", "headers"), [("GET", []), ("HEAD", [(b"content-length", b"5")])])
def test_http_1_0_ends_with_the_connection_or_with_its_length(method: str, headers: list[Any]) -> None:
    made = response(method, "1.0", connection="keep-alive")
    made.start(200, headers, b"")
    head = made.take_head()
    assert made.body(b"hello", more=False) == (b"hello" if method == "GET" else b"")
    assert (b"connection: keep-alive" in head, b"connection: close" in head) == (bool(headers), not headers)
    assert made.keep_alive is bool(headers)


@pytest.mark.parametrize(
    ("made", "headers"),
    [
        (response(keep_alive=False), []),
        (response(connection="close"), []),
        (response(), [(b"Connection", b"Close")]),
        (response(version="1.0"), []),
    ],
)
def test_a_close_is_told(made: Response, headers: list[Any]) -> None:
    made.start(200, headers, b"")
    assert made.take_head().count(b"connection: close\r\n") == 1
    assert not made.keep_alive


def test_headers_of_the_connection_are_the_servers() -> None:
    made = response()
    made.start(200, [(b"Connection", b"x"), (b"Transfer-Encoding", b"gzip"), (b"Keep-Alive", b"timeout=5")], b"")
    assert made.take_head() == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"1\r\ny: 2"),
        (b"x", b"1\n2"),
        (b"x\r\ny", b"1"),
        (b"x", b"\0"),
        (b"", b"1"),
        (b"x: y", b"1"),
        (b"content-length", b"five"),
        (b"content-length", b"-5"),
    ],
)
def test_a_header_that_cannot_be_sent_is_an_error(header: tuple[bytes, bytes]) -> None:
    made = response()
    with pytest.raises(FramingError):
        made.start(200, [header], b"")
    assert made.state is State.NEW


def test_several_lengths_are_an_error() -> None:
    with pytest.raises(FramingError):
        response().start(200, [(b"content-length", b"5"), (b"Content-Length", b"5")], b"")


def test_a_status_without_a_name() -> None:
    made = response()
    made.start(299, [], b"")
    assert made.take_head().startswith(b"HTTP/1.1 299 \r\n")
    assert error_response(431, OWN) == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n"
    )


def test_the_order_of_messages_is_checked() -> None:
    made = response()
    with pytest.raises(FramingError, match="no response"):
        made.body(b"x", more=False)
    made.start(200, [], b"")
    with pytest.raises(FramingError, match="already"):
        made.start(200, [], b"")
    made.body(b"", more=False)
    with pytest.raises(FramingError, match="no response"):
        made.body(b"", more=False)


def test_what_has_not_been_sent_can_be_taken_back() -> None:
    made = response()
    made.start(200, [(b"content-length", b"5")], b"")
    before = made.mark()
    first = made.body(b"hello", more=False)
    made.back_to(before)
    assert made.state is State.STARTED
    assert made.body(b"hello", more=False) == first
