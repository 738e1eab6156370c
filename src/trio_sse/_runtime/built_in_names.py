"""The table of built-in names: what handlers and steps can ask for by the name of a parameter.

Owns the list, and where each value comes from. A new name is a row here.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import attrs
import trio

from .._http.headers import Cookies, Headers, QueryParams
from .._http.paths import PathParams
from .._http.request import Request
from .._http.response_head import ResponseHead
from .._plan.built_in_names import BuiltInName
from ..context import CountAs, ExpireAt, ReadStatistics, URLFor
from .abort import Aborted
from .request_context import RequestContext
from .server_extension import Draining

__all__ = ("BUILT_IN", "BuiltInValue")


@attrs.frozen
class BuiltInValue(BuiltInName):
    """A built-in name, with the function that gets its value.

    Attributes:
        get: Gets the value for a request; None where it is set in another way: the request itself by the responder, a
            body by the plan's operations.
    """

    get: Callable[[RequestContext], Any] | None


def _url(context: RequestContext) -> URLFor:
    return partial(_url_below, context.request.scope.get("root_path", ""), context.app.url)


def _url_below(root: str, url: Callable[..., str], name: str, /, **values: Any) -> str:
    """The path of a route as the client has to write it, also where the app is mounted in another one."""
    return quote(root.rstrip("/")) + url(name, **values)


_TABLE: Final = (
    BuiltInValue(
        "aborted",
        "tells that something other than the handler ended the request",
        Aborted,
        "request",
        lambda context: context.connection.aborted,
    ),
    BuiltInValue(
        "app_nursery",
        "the app's nursery; its tasks outlive the request",
        trio.Nursery,
        "app",
        lambda context: context.app_state().nursery,
    ),
    BuiltInValue("body", "the request body: bytes, or what .body() declared", bytes, None, None),
    BuiltInValue("cookies", "the request's cookies", Cookies, "request", lambda context: context.request.cookies),
    BuiltInValue(
        "count_as",
        "says whose stream it is, for Limits(streams_per_client=…)",
        CountAs,
        "request",
        lambda context: context.count_as,
    ),
    BuiltInValue(
        "draining",
        "tells that the server is shutting down",
        Draining,
        "request",
        lambda context: context.connection.draining,
    ),
    BuiltInValue(
        "expire_at",
        "ends the stream at a wall-clock time, so that its client comes back with fresh credentials",
        ExpireAt,
        "request",
        lambda context: context.expire_at,
    ),
    BuiltInValue("form", "the form in the request body, as .form() declared", object, None, None),
    BuiltInValue("headers", "the request's headers", Headers, "request", lambda context: context.request.headers),
    BuiltInValue(
        "last_event_id",
        "the id after which a reconnecting client goes on, or None",
        str | None,
        "request",
        lambda context: context.last_event_id,
    ),
    BuiltInValue(
        "nursery",
        "the request's nursery; its tasks end with the request",
        trio.Nursery,
        "request",
        lambda context: context.connection.background,
    ),
    BuiltInValue("params", "the path parameters", PathParams, None, None),
    BuiltInValue(
        "query",
        "the query string's values, or what .query() declared",
        QueryParams,
        "request",
        lambda context: context.request.query,
    ),
    BuiltInValue("request", "the request itself", Request, "request", None),
    BuiltInValue(
        "response",
        "the status, headers and cookies of the response to come",
        ResponseHead,
        "request",
        lambda context: context.response,
    ),
    BuiltInValue(
        "statistics",
        "gives the app's Statistics",
        ReadStatistics,
        "request",
        lambda context: context.app.counters.read,
    ),
    BuiltInValue("url", "makes the URL of a named route", URLFor, "request", _url),
)

BUILT_IN: Final[Mapping[str, BuiltInValue]] = types.MappingProxyType({each.name: each for each in _TABLE})
"""The built-in names, in alphabetical order."""
