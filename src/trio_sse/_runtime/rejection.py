"""Rejections: answers that tell a client to try again later.

Owns the library's own reasons for them, each an exception with a label for the statistics, and the one response after
which an EventSource reconnects. Whether a request is rejected is decided elsewhere: `admission` and `dispatch`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Final

from .._http.accept import asks_for_event_stream
from .._http.event_stream import STREAM_HEADERS, retry_frame
from .._http.request import Request
from .._http.response import Response
from ..errors import HTTPException, ServiceUnavailable, TooManyRequests
from .server_extension import ServerExtension

__all__ = (
    "NoConnectionLeft",
    "RateLimitReached",
    "ShuttingDown",
    "StreamLimitReached",
    "StreamsPerClientReached",
    "label_of",
    "rejection_response",
    "server_refusal",
)

HEADERS: Final = tuple((name.decode(), value.decode()) for name, value in STREAM_HEADERS)


class StreamLimitReached(ServiceUnavailable):
    """As many streams are open as `Limits.streams` allows."""

    label: ClassVar = "streams"

    def __init__(self) -> None:
        super().__init__("Too many streams are open.", retry=True)


class RateLimitReached(ServiceUnavailable):
    """More streams are being opened than `Limits.streams_per_second` allows."""

    label: ClassVar = "streams_per_second"

    def __init__(self) -> None:
        super().__init__("Too many streams are being opened.", retry=True)


class StreamsPerClientReached(TooManyRequests):
    """The client has as many streams open as `Limits.streams_per_client` allows."""

    label: ClassVar = "streams_per_client"

    def __init__(self) -> None:
        super().__init__("You have too many streams open.", retry=True)


class ShuttingDown(ServiceUnavailable):
    """The server is shutting down."""

    label: ClassVar = "shutdown"

    def __init__(self) -> None:
        super().__init__("The server is shutting down.", retry=True)


class NoConnectionLeft(ServiceUnavailable):
    """The server has reached its limit of connections."""

    label: ClassVar = "connections"

    def __init__(self) -> None:
        super().__init__("The server has no room for more connections.", retry=True)


_Own = StreamLimitReached | RateLimitReached | StreamsPerClientReached | ShuttingDown | NoConnectionLeft


def label_of(error: HTTPException) -> str:
    """The label of a rejection in the statistics: one of the library's own, or `app` for what a step raised.

    Labels form a closed set, because each one is a time series in a metrics database: a detail may name a customer.
    """
    return error.label if isinstance(error, _Own) else "app"


def server_refusal(extension: ServerExtension) -> ServiceUnavailable | None:
    """Why the server takes no requests at present, or None if it takes them."""
    if extension.drain.draining.is_set():
        return ShuttingDown()
    return NoConnectionLeft() if extension.overloaded else None


def rejection_response(
    request: Request, error: HTTPException, seconds: float, make: Callable[[HTTPException], Response]
) -> Response:
    """The response for a client that is to come back after some seconds.

    A browser's EventSource gives up for good on every status but 200, 503 included. It gets an empty stream that tells
    it when to reconnect; any other client gets the error, with Retry-After. Where the error has that header already, in
    seconds, it says when.

    Args:
        request: The request.
        error: The error.
        seconds: When to come back, if the error does not say it.
        make: Makes the response of the error for any other client.
    """
    given = error.headers.get("retry-after", "")
    seconds = float(given) if given.isascii() and given.isdigit() else seconds
    if request.method == "GET" and asks_for_event_stream(request.accept):
        return Response(retry_frame(seconds), headers=HEADERS)
    error.headers.setdefault("retry-after", str(math.ceil(seconds)))
    return make(error)
