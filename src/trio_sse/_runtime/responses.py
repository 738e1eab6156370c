"""Responses: a plain handler's value, an error and a client that is turned away, as what is sent.

Owns the shape of each: JSON, problem documents, and the one answer that makes an EventSource come back later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, cast

from .._http.accept import asks_for_event_stream
from .._http.request import Request
from .._http.response import Response
from ..errors import HTTPException, ServiceUnavailable
from ..wire import JSONEncoder, ServerSentEvent, encode
from .connection import Connection

__all__ = (
    "STREAM_HEADERS",
    "http_error",
    "make_response",
    "problem_response",
    "retry_frame",
    "send_response",
    "shutting_down",
    "turned_away",
)

STREAM_HEADERS: Final = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-store, no-transform"),  # a proxy that compresses also buffers
    ("x-accel-buffering", "no"),  # nginx
)


def http_error(error: BaseException) -> HTTPException | None:
    """The HTTPException that an error is, also where a nursery has wrapped it in a group of its own."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return None
        error = group.exceptions[0]
    return error if isinstance(error, HTTPException) else None


def make_response(value: Any, json: JSONEncoder) -> Response:
    """The response for what a plain handler returned."""
    if isinstance(value, Response):
        return value.encoded(json)
    if value is None:
        return Response(status=204)
    return Response(json(value), media_type="application/json")


def problem_response(error: HTTPException, json: JSONEncoder) -> Response:
    """The response for an error: a problem document, or nothing where the status has no body."""
    if error.status in (204, 304):
        return Response(status=error.status, headers=error.headers)
    return Response(
        json(error.problem()), status=error.status, media_type="application/problem+json", headers=error.headers
    )


def retry_frame(seconds: float) -> bytes:
    """What tells a client to wait so long before it reconnects."""
    return encode(ServerSentEvent(retry=round(seconds * 1000)))


def turned_away(request: Request, error: HTTPException, seconds: float, json: JSONEncoder) -> Response:
    """The response for a client that is to come back after some seconds.

    A status other than 200 would end a browser's EventSource for good, 503 included, so it gets an empty stream that
    tells it when to reconnect. Anybody else gets the error, with Retry-After. Where the error has one already, in
    seconds, that is when to come back.
    """
    given = error.headers.get("retry-after", "")
    seconds = float(given) if given.isascii() and given.isdecimal() else seconds
    if request.method == "GET" and asks_for_event_stream(",".join(request.headers.get_all("accept")) or None):
        return Response(retry_frame(seconds), headers=STREAM_HEADERS)
    error.headers.setdefault("retry-after", str(math.ceil(seconds)))
    return problem_response(error, json)


def shutting_down() -> ServiceUnavailable:
    """The answer to a request for which a server that shuts down has no time."""
    return ServiceUnavailable("The server is shutting down.", retry=True)


async def send_response(connection: Connection, response: Response, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole response."""
    await connection.out.start(response.status, (*response.header_pairs(), *extra))
    await connection.out.end(response.body())
