"""The client's exceptions.

Owns their attributes and messages. It does not know when a source reconnects: `_retry` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._ground.text import escape
from ..wire import ServerSentEvent

__all__ = ("BadResponse", "ConnectionFailed", "ConnectionLost", "UnreadableEvent")


class ConnectionFailed(Exception):
    """There is no stream, and the same request would fail again.

    Attributes:
        url: The URL of the source, without user, password, query and fragment, which may hold secrets.
        reason: What happened. Unprintable characters are escaped.
    """

    def __init__(self, url: str, reason: str, *more: object) -> None:
        # Escaped here, because a reason phrase, a content type or a redirect's location may contain any byte.
        self.url: str = escape(url)
        self.reason: str = escape(reason)
        super().__init__(self.url, self.reason, *more)

    def __str__(self) -> str:
        return f"{self.url}: {self.reason}"


class ConnectionLost(ConnectionFailed):
    """A connection ended, or could not be made in time. `__cause__` is the network's error, if there was one."""


class BadResponse(ConnectionFailed):
    """The response is not an event stream: its status is not 200, or its content type is not `text/event-stream`.

    Attributes:
        status: The HTTP status.
        headers: The response's headers, with names in lower case.
        body: The beginning of the body, at most 4096 bytes.
    """

    def __init__(self, url: str, reason: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(url, reason, status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body


class UnreadableEvent(ValueError):
    """The data of an event do not fit the class that was given for its name. The stream continues.

    Attributes:
        event: The event, unchanged.
        wanted: The class.
        reason: What does not fit. Unprintable characters are escaped.
    """

    def __init__(self, event: ServerSentEvent[str], wanted: type[object], reason: str) -> None:
        self.event = event
        self.wanted = wanted
        self.reason: str = escape(reason)
        super().__init__(event, wanted, self.reason)

    def __str__(self) -> str:
        return f"event {self.event.event or 'message'!r} is not a {self.wanted.__name__}: {self.reason}"
