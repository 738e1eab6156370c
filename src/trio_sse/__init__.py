"""Server-Sent Events for Trio: routes whose handlers are async generators, each run in a nursery of its own."""

from ._aborted import Aborted, EndReason
from ._app import App
from ._controllers import Controller
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
    Lagged,
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
    UnboundError,
    UnprocessableContent,
    UnsupportedMediaType,
    URLError,
)
from ._http import Request, Response, Values
from ._limits import Limits
from ._link import Draining
from ._memory import MemoryRepository
from ._models import Repository, required
from ._references import Reference, references
from ._routes import SSE, Delete, Get, Patch, Post, Put, Route
from ._running import Params
from ._statistics import RouteStatistics, Statistics
from ._steps import any_of
from ._topics import HasEvents, MemoryTopic, MemoryTopics, Topic, Topics
from .server import run, serve
from .wire import Decoder, Done, ServerSentEvent

__all__ = (
    "SSE",
    "Aborted",
    "App",
    "BadRequest",
    "BuildError",
    "Conflict",
    "Controller",
    "DecodeError",
    "Decoder",
    "Delete",
    "Done",
    "Draining",
    "EndReason",
    "EventError",
    "EventTooLarge",
    "Forbidden",
    "Get",
    "Gone",
    "HTTPError",
    "HasEvents",
    "Lagged",
    "LifespanError",
    "Limits",
    "MemoryRepository",
    "MemoryTopic",
    "MemoryTopics",
    "MethodNotAllowed",
    "NoContent",
    "NotAcceptable",
    "NotFound",
    "Params",
    "Patch",
    "PayloadTooLarge",
    "Post",
    "Put",
    "Reference",
    "Repository",
    "Request",
    "Response",
    "Route",
    "RouteStatistics",
    "ServerSentEvent",
    "ServiceUnavailable",
    "Statistics",
    "StepError",
    "TooManyRequests",
    "Topic",
    "Topics",
    "URLError",
    "Unauthorized",
    "UnboundError",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "Values",
    "any_of",
    "references",
    "required",
    "run",
    "serve",
)
