"""Problem documents (RFC 9457): how an error is written as a response. Pure.

Owns the body of every error that the library answers with: 401, 404, 405, 422, 500 and so on.
"""

from __future__ import annotations

from typing import cast

from ..errors import HTTPException
from ..wire import JSONEncoder
from .response import Response

__all__ = ("http_exception_in", "problem_response")


def problem_response(error: HTTPException, json: JSONEncoder) -> Response:
    """The response for an error: a problem document, or no body where the status has none."""
    if error.status < 400:  # NoContent, or a redirect
        return Response(status=error.status, headers=error.headers)
    return Response(
        json(error.problem()), status=error.status, media_type="application/problem+json", headers=error.headers
    )


def http_exception_in(error: BaseException) -> HTTPException | None:
    """The HTTPException that an error is, also where a nursery of the user's has wrapped it in a group of one."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return None
        error = group.exceptions[0]
    return error if isinstance(error, HTTPException) else None
