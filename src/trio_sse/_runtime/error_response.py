"""The answer to an error: a problem document, or what the app's own function makes of the error.

Owns who is answered in which way: an EventSource that should retry, any other client, a stream that has started. What a
problem document consists of is in `_http.problem`.
"""

from __future__ import annotations

import logging

from .._http.problem import problem_response
from .._http.request import Request
from .._http.response import Response
from ..errors import HTTPError, HTTPException
from .app_context import AppContext
from .rejection import label_of, rejection_response

__all__ = ("error_data", "error_response", "internal_error")

logger = logging.getLogger("trio_sse")


def internal_error(cause: BaseException | None) -> HTTPError:
    """The error that the client gets for one that is not an HTTPException. It says nothing of its cause."""
    error = HTTPError()
    error.__cause__ = cause
    return error


def error_response(app: AppContext, request: Request, error: HTTPException) -> Response:
    """The response for an error; one after which the client is to retry is counted as a rejection."""
    if not error.retry:
        return _response(app, request, error)
    app.counters.refused(label_of(error))
    return rejection_response(request, error, app.reconnect_seconds(), lambda error: _response(app, request, error))


def error_data(app: AppContext, request: Request, error: HTTPException) -> object:
    """The data of the event with which a stream fails: the content of the error's response."""
    made = _made(app, request, error)
    content = b"" if made is None else made.content
    if content in (b"", ""):  # a redirect, say
        return error.problem()
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else content


def _response(app: AppContext, request: Request, error: HTTPException) -> Response:
    json, made = app.settings.json, _made(app, request, error)
    if made is None:
        return problem_response(error, json)
    headers = made.headers
    if made.status == error.status:  # what the status demands, such as Allow or WWW-Authenticate
        own = {name for name, _ in headers}
        headers = (*(pair for pair in error.headers.items() if pair[0] not in own), *headers)
    whole = made.encoded(json)
    return Response(whole.content, status=whole.status, media_type=whole.media_type, headers=headers)


def _made(app: AppContext, request: Request, error: HTTPException) -> Response | None:
    """What the app's own function makes of an error; None without one, and if it fails."""
    make = app.settings.error_response
    if make is None or error.status < 400:
        return None
    try:
        made = make(error, request)
        _check(made)
    except Exception:  # the error has to be answered all the same
        logger.exception("error_response failed for %s, which is answered with a problem document instead", error)
        return None
    return made


def _check(made: object) -> None:
    if not isinstance(made, Response):
        raise TypeError(f"error_response returned {type(made).__name__}; it has to return a Response")
    if made.pieces is not None:
        raise TypeError("error_response returned a Response in pieces; its content has to be whole")
