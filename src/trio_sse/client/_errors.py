"""What can go wrong on the reader's side.

Owns the exceptions. Must not know when a connection is tried again: `_retry` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..wire import ServerSentEvent

__all__ = ("BadResponse", "ConnectionFailed", "ConnectionLost", "UnreadableEvent")


class ConnectionFailed(Exception):
    """There is no stream, and to ask again for the same would not help.

    Attributes:
        url: What was asked, without user, password and query, which may hold secrets.
        reason: What happened.
    """

    def __init__(self, url: str, reason: str, *more: object) -> None:
        super().__init__(url, reason, *more)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.url}: {self.reason}"


class ConnectionLost(ConnectionFailed):
    """A connection has ended, or could not be made in time. The cause, if the network told one, is `__cause__`."""


class BadResponse(ConnectionFailed):
    """The server has answered with something else than a stream: another status, or another content type.

    Attributes:
        status: The HTTP status.
        headers: The response's headers, with names in lower case.
        body: The first bytes of the body, at most 4096.
    """

    def __init__(self, url: str, reason: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(url, reason, status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body


class UnreadableEvent(ValueError):
    """The data of an event does not fit the class that was named for it. The stream goes on.

    Attributes:
        event: The event as it came.
        wanted: The class.
        reason: What does not fit.
    """

    def __init__(self, event: ServerSentEvent, wanted: type[object], reason: str) -> None:
        super().__init__(event, wanted, reason)
        self.event = event
        self.wanted = wanted
        self.reason = reason

    def __str__(self) -> str:
        return f"event {self.event.event or 'message'!r} is no {self.wanted.__name__}: {self.reason}"
