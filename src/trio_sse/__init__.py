"""Server-Sent Events for Trio: routes whose handlers are async generators, each run in its own nursery."""

from typing import TYPE_CHECKING, Any

from ._http.headers import Headers, QueryParams
from ._http.paths import PathParams
from ._http.request import Request
from ._http.response import Redirect, Response
from ._routes.controllers import Controller
from ._routes.cors import CORS
from ._routes.event_stream import EventStream
from ._routes.limits import Limits
from ._routes.models import Reference, required
from ._routes.mounts import Mount
from ._routes.options import StreamOptions
from ._routes.routes import Delete, Get, Patch, Post, Put, Route
from ._routes.sse import SSE
from ._routes.steps import any_of
from ._runtime.abort import Aborted, AbortReason
from ._runtime.server_extension import Draining
from .app import App
from .errors import Forbidden, HTTPError, NotFound, Unauthorized
from .wire import Done, Events, ServerSentEvent

if TYPE_CHECKING:
    from ._server import run, serve

__all__ = (
    "CORS",
    "SSE",
    "AbortReason",
    "Aborted",
    "App",
    "Controller",
    "Delete",
    "Done",
    "Draining",
    "EventStream",
    "Events",
    "Forbidden",
    "Get",
    "HTTPError",
    "Headers",
    "Limits",
    "Mount",
    "NotFound",
    "Patch",
    "PathParams",
    "Post",
    "Put",
    "QueryParams",
    "Redirect",
    "Reference",
    "Request",
    "Response",
    "Route",
    "ServerSentEvent",
    "StreamOptions",
    "Unauthorized",
    "any_of",
    "required",
    "run",
    "serve",
)


def __getattr__(name: str) -> Any:
    """Import the server when it is first used: hypercorn takes longer to import than the rest of the package."""
    if name not in ("run", "serve"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _server  # noqa: PLC0415 - see above

    return getattr(_server, name)
