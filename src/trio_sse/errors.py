"""Every exception of the server and of the wire format, in one tree::

    Exception
    ├── BuildError                 the app is put together wrongly; raised when it is built, before any request
    ├── HTTPException              ends a request with a status, as the answer to the client
    │   ├── NoContent              204, which is not an error
    │   └── HTTPError              a problem document, 500 unless it says otherwise
    │       ├── BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405,
    │       │   NotAcceptable 406, Conflict 409, Gone 410, ContentTooLarge 413, UnsupportedMediaType 415,
    │       │   UnprocessableContent 422, TooManyRequests 429
    │       └── ServiceUnavailable 503
    ├── StepError                  a middleware, a guard or a handler broke its contract during a request
    ├── LifespanError              the server does not run the app's lifespan
    ├── ResponseStarted            a status, a header or a cookie is set too late
    ├── UnboundError               a model's events are used without a repository
    ├── Lagged                     a subscriber has missed events
    │   └── TooSlow                a subscriber is further behind than it may be
    ├── TopicEnded                 something is published to a topic that has ended
    └── ValueError
        ├── TopicNameError         a topic cannot have this name
        ├── URLError               no URL can be made from these values
        ├── EventError             an event cannot be sent
        └── DecodeError            a received stream cannot be read
            └── EventTooLarge      a received event is over the limit

The client's own exceptions are in `trio_sse.client`. This module imports no other module of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar, Self

__all__ = (
    "BadRequest",
    "BuildError",
    "Conflict",
    "ContentTooLarge",
    "DecodeError",
    "EventError",
    "EventTooLarge",
    "Forbidden",
    "Gone",
    "HTTPError",
    "HTTPException",
    "Lagged",
    "LifespanError",
    "MethodNotAllowed",
    "NoContent",
    "NotAcceptable",
    "NotFound",
    "ResponseStarted",
    "ServiceUnavailable",
    "StepError",
    "TooManyRequests",
    "TooSlow",
    "TopicEnded",
    "TopicNameError",
    "URLError",
    "Unauthorized",
    "UnboundError",
    "UnprocessableContent",
    "UnsupportedMediaType",
)


_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110 that Python has only since 3.13."""


class BuildError(Exception):
    """A mistake in how the application is put together, found when it is built."""


class StepError(Exception):
    """A step or a handler did what it may not do: a guard returned None, say, or a handler a value that JSON lacks."""


class LifespanError(Exception):
    """A request needs what the lifespan holds, such as `app_nursery`, but the server does not run the lifespan; or the
    lifespan of a mounted app has failed to start."""


class ResponseStarted(Exception):
    """A status, a header or a cookie is set on a response that has started: set it in a step, or before a stream.

    A handler that is an async generator runs after the start of its stream. Write a coroutine function that sets it,
    and returns its stream.
    """


class UnboundError(Exception):
    """A model's events are used, but no repository has bound the model to its topic."""


class TopicNameError(ValueError):
    """A topic cannot have this name, or a pattern is none."""


class URLError(ValueError):
    """No URL can be made: no route has this name, or a value does not fit the route's path."""


class Lagged(Exception):
    """A subscriber has missed events, which the topic no longer keeps. If it reads on, it gets what is kept.

    Attributes:
        topic: The topic's name.
        after: The id up to which the subscriber has everything.
        to: The id up to which events are missing.
    """

    def __init__(self, topic: str, after: str | None, to: str) -> None:
        super().__init__(topic, after, to)
        self.topic: str = topic
        self.after: str | None = after
        self.to: str = to

    def __str__(self) -> str:
        return f"a subscriber of {self.topic} has missed events after {self.after}, up to {self.to}"


class TooSlow(Lagged):
    """A subscriber is further behind than `lag` allows, and its policy is `"disconnect"`."""

    def __str__(self) -> str:
        return f"a subscriber of {self.topic} is too far behind, at {self.after}"


class TopicEnded(Exception):
    """Something is published to a topic that has ended: after `end()` nothing follows."""


class HTTPException(Exception):
    """Ends a request with a status in place of the handler's response.

    Raise one of its subclasses in a step, a guard, a plain handler, or in a coroutine handler before it returns its
    stream. After a stream has started it is too late for a status, except for `NoContent`. Catch this class for all of
    them: `HTTPError` does not include `NoContent`.

    Args:
        detail: What went wrong, for the client to read. An empty text is left out of the body.
        headers: Further response headers; their names become lower case.
        status: The HTTP status, for one that has no class here.
        retry: Whether the client should try again later. An EventSource gets an empty stream that tells it when to
            reconnect, since an error status would end it for good; other clients get the status with Retry-After.
    """

    default_status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        retry: bool = False,
    ) -> None:
        super().__init__(detail)
        self.retry: bool = retry
        self.detail: str = detail
        self.headers: dict[str, str] = {name.lower(): value for name, value in (headers or {}).items()}
        self.status: int = self.default_status if status is None else status

    @property
    def title(self) -> str:
        """The reason phrase that IANA registers for the status; `Error` for an unknown one."""
        try:
            return _RENAMED.get(self.status) or HTTPStatus(self.status).phrase
        except ValueError:
            return "Error"

    def problem(self) -> dict[str, object]:
        """The body: `title`, `status` and, if there is one, `detail`."""
        problem: dict[str, object] = {"title": self.title, "status": self.status}
        return problem | {"detail": self.detail} if self.detail else problem

    def __str__(self) -> str:
        return f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")


class NoContent(HTTPException):
    """204: success, without a body. It ends a browser's EventSource for good (WHATWG HTML, 9.2.3).

    A handler may raise it after its stream has started, as an async generator always does. The stream then ends as with
    `Done()`: an EventSource reconnects once, and gets the 204.
    """

    default_status = 204


class HTTPError(HTTPException):
    """An error, 4xx or 5xx, which the client gets as a JSON problem document (RFC 9457)."""


class BadRequest(HTTPError):
    """400: the request is malformed."""

    default_status = 400


class Unauthorized(HTTPError):
    """401: the request has no valid credentials.

    Args:
        detail: What went wrong.
        challenge: The `WWW-Authenticate` header, which a 401 must have (RFC 9110, 15.5.2).
        headers: Further response headers.
    """

    default_status = 401

    def __init__(
        self,
        detail: str = "",
        *,
        challenge: str = "Bearer",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, headers=headers)
        self.headers.setdefault("www-authenticate", challenge)


class Forbidden(HTTPError):
    """403: the client is known, but not allowed to do this."""

    default_status = 403


class NotFound(HTTPError):
    """404: there is nothing here."""

    default_status = 404


class MethodNotAllowed(HTTPError):
    """405: the path exists, but not for this method.

    Args:
        allow: The methods that the path has, as in the Allow header.
    """

    default_status = 405

    def __init__(self, allow: str) -> None:
        super().__init__(f"This path allows {allow}.", headers={"allow": allow})


class NotAcceptable(HTTPError):
    """406: the request's Accept header excludes what the route sends."""

    default_status = 406


class Conflict(HTTPError):
    """409: the request conflicts with the current state of the resource."""

    default_status = 409


class Gone(HTTPError):
    """410: what was here is gone for good."""

    default_status = 410


class ContentTooLarge(HTTPError):
    """413: the body is larger than the route reads."""

    default_status = 413


class UnsupportedMediaType(HTTPError):
    """415: the route does not read bodies of this media type."""

    default_status = 415


class UnprocessableContent(HTTPError):
    """422: the query or the body is well formed, but does not fit the model."""

    default_status = 422


class TooManyRequests(HTTPError):
    """429: the client sends too many requests."""

    default_status = 429


class ServiceUnavailable(HTTPError):
    """503: the server cannot answer now. It ends an EventSource for good, unless it is raised with `retry=True`."""

    default_status = 503


class EventError(ValueError):
    """An event cannot be sent; the mistake is in the code that made the event.

    Attributes:
        field: The field of the event that is wrong; ``""`` means the event as a whole.
        reason: What is wrong with it, and what to do.
        route: The route that the event came from, once `at` has set it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason
        self.route: str | None = None

    def at(self, route: str) -> Self:
        """Set the route that the event came from, unless it is set already.

        Args:
            route: The route's label in messages, such as ``"SSE /ticks"``.

        Returns:
            This error, for ``raise error.at(route)``.
        """
        if self.route is None:
            self.route = route
        return self

    def __str__(self) -> str:
        place = "" if self.route is None else f"{self.route}: "
        subject = f"event field {self.field!r}" if self.field else "event"
        return f"{place}{subject}: {self.reason}"


class DecodeError(ValueError):
    """A received stream cannot be read any further, because the sender broke the format."""


class EventTooLarge(DecodeError):
    """One received event, or one line of it, is larger than the reader allows.

    Attributes:
        limit: The limit that was exceeded, in bytes.
        option: The option that sets the limit: `max_size` of a decoder, `max_event_size` of an event source.
    """

    def __init__(self, limit: int, option: str = "max_size") -> None:
        super().__init__(limit, option)
        self.limit = limit
        self.option = option

    def __str__(self) -> str:
        return f"an event is larger than {self.limit} bytes: raise {self.option} if that is legitimate"
