"""The response: how its status, headers and body become bytes, and whether the connection can go on after it. Pure.

The body of a response ends in one of three ways (RFC 9112, 6.3): after the number of bytes that Content-Length says,
with the last chunk, or, for a client of HTTP/1.0, with the connection. A state machine with the states NEW, STARTED and
ENDED; the head is held back until the first part of the body, or until `take_head`, so that both leave in one write.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from .head import RequestHead

__all__ = ("FramingError", "Response", "State", "error_response")

Headers = Iterable[tuple[bytes, bytes]]

_STATUS_LINES: Final[dict[int, bytes]] = {
    int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus
}

_WITHOUT_BODY: Final = frozenset({204, 304})

_OWN: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
"""Headers that describe the connection, which an app cannot know (RFC 9110, 7.6.1)."""

LAST_CHUNK: Final = b"0\r\n\r\n"


class FramingError(Exception):
    """The app has sent something that cannot be framed: a header with a line break, a body of another length, …"""


class State(enum.Enum):
    """How far a response is."""

    NEW = "nothing has been sent"
    STARTED = "it has a status"
    ENDED = "its body is complete"


class Response:
    """One response.

    Args:
        request: The request that it answers.
        keep_alive: Whether the server would keep the connection open.

    Attributes:
        state: How far it is.
        status: Its status; 0 while it has none.
        headers: The app's headers.
        keep_alive: Whether the connection can go on after it.
        chunked: Whether its body is chunked, so that a part may be framed with `chunk`.
    """

    __slots__ = ("_head", "_left", "_with_body", "chunked", "headers", "keep_alive", "request", "state", "status")

    def __init__(self, request: RequestHead, *, keep_alive: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive and request.keep_alive
        self.state = State.NEW
        self.status = 0
        self.headers: Headers = ()
        self.chunked = False
        self._head = b""
        self._left: int | None = None
        self._with_body = True

    def start(self, status: int, headers: Headers, added: bytes) -> None:
        """Set the status and the headers.

        Args:
            status: The status, from 200 to 599.
            headers: The app's headers.
            added: The server's own headers, as lines.

        Raises:
            FramingError: It has been started, or a header cannot be sent.
        """
        if self.state is not State.NEW:
            raise FramingError("the response has started already")
        self.status, self.headers, self.chunked = status, headers, False
        lines, length, closes = _lines(headers)
        self.keep_alive = self.keep_alive and not closes
        self._with_body = self.request.method != "HEAD" and status not in _WITHOUT_BODY
        if length is not None:
            self._left = length
        elif status in _WITHOUT_BODY:
            pass
        elif self.request.version == "1.1":
            self.chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        elif self.request.version == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        self._head = b"".join((_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, *lines, added, b"\r\n"))
        if self._head.count(b"\n") != len(lines) + added.count(b"\n") + 2 or b"\0" in self._head:
            raise FramingError("a header has a line break")
        self.state = State.STARTED

    def take_head(self) -> bytes:
        """The head, if it has not been sent."""
        head, self._head = self._head, b""
        return head

    def body(self, data: bytes, more: bool) -> bytes:
        """Frame a part of the body; `more` says whether another follows. The head goes in front if it is still here.

        Raises:
            FramingError: The response has not started, has ended, or has a body of another length than it says.
        """
        if self.state is not State.STARTED:
            raise FramingError("there is a body, but no response that could have it")
        if not more:
            self.state = State.ENDED
        if not self._with_body:
            return self.take_head()
        if self.chunked:
            framed = self.chunk(data) if data else b""
            if not more:
                framed += LAST_CHUNK
        else:
            framed = self._counted(data, more)
        return self.take_head() + framed if self._head else framed

    def mark(self) -> tuple[State, bytes, int | None]:
        """Where the response is, for `back_to`."""
        return self.state, self._head, self._left

    def back_to(self, mark: tuple[State, bytes, int | None]) -> None:
        """Take back what has been framed since, because it has not been sent."""
        self.state, self._head, self._left = mark

    @staticmethod
    def chunk(data: bytes) -> bytes:
        """Frame a part of a chunked body."""
        return b"%x\r\n%b\r\n" % (len(data), data)

    def _counted(self, data: bytes, more: bool) -> bytes:
        if self._left is None:
            return data
        self._left -= len(data)
        if self._left < 0 or (self._left and not more):
            self.keep_alive = False
            raise FramingError("the body is not as long as its Content-Length")
        return data


def _lines(headers: Headers) -> tuple[list[bytes], int | None, bool]:
    """The headers as lines, what Content-Length says, and whether the app wants the connection to be closed."""
    lines: list[bytes] = []
    length: int | None = None
    closes = False
    for name, value in headers:
        lower = name.lower()
        if lower in _OWN:
            closes = closes or (lower == b"connection" and b"close" in value.lower())
            continue
        if lower == b"content-length":
            if length is not None or not value.isdigit():
                raise FramingError("the Content-Length is not one number")
            length = int(value)
        elif not name or b":" in name:
            raise FramingError(f"{name!r} is not the name of a header")
        lines.append(b"%b: %b\r\n" % (lower, value))
    return lines, length, closes


def error_response(status: int, added: bytes) -> bytes:
    """A whole response for a request that could not be read, after which the connection is closed."""
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"%bcontent-length: 0\r\nconnection: close\r\n%b\r\n" % (line, added)
