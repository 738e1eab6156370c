"""Server-Sent Events for Trio: routes whose handlers are async generators, each run in a nursery of its own."""

from ._aborted import Aborted, EndReason
from ._app import App
from ._errors import (
    BadRequest,
    BuildError,
    Conflict,
    DecodeError,
    EventError,
    EventTooLarge,
    Forbidden,
    Gone,
    HTTPError,
    LifespanError,
    MethodNotAllowed,
    NoContent,
    NotAcceptable,
    NotFound,
    PayloadTooLarge,
    ServiceUnavailable,
    StepError,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from ._exchange import Params
from ._http import Request, Response, Values
from ._routes import SSE, Delete, Get, Patch, Post, Put, Route
from ._steps import any_of
from .server import run, serve
from .wire import Decoder, Done, ServerSentEvent

__all__ = (
    "SSE",
    "Aborted",
    "App",
    "BadRequest",
    "BuildError",
    "Conflict",
    "DecodeError",
    "Decoder",
    "Delete",
    "Done",
    "EndReason",
    "EventError",
    "EventTooLarge",
    "Forbidden",
    "Get",
    "Gone",
    "HTTPError",
    "LifespanError",
    "MethodNotAllowed",
    "NoContent",
    "NotAcceptable",
    "NotFound",
    "Params",
    "Patch",
    "PayloadTooLarge",
    "Post",
    "Put",
    "Request",
    "Response",
    "Route",
    "ServerSentEvent",
    "ServiceUnavailable",
    "StepError",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "Values",
    "any_of",
    "run",
    "serve",
)
