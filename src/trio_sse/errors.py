"""Every exception of the package, and what each one means.

Four families, told apart by whose mistake it is:

* `BuildError`: the application is put together wrongly. Raised when the app is built, never while a client waits.
* `HTTPError`: an answer to the client, raised by a step or a handler before the response has started.
* `EventError`, `StepError`, `LifespanError`, `UnboundError`, `URLError`, `Lagged`: the application broke a rule, or
  could not keep up, while it was running.
* `DecodeError`: a received stream cannot be read.

This module imports no other module of the package: a route is a label that someone else puts on.
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
    "Lagged",
    "LifespanError",
    "MethodNotAllowed",
    "NoContent",
    "NotAcceptable",
    "NotFound",
    "ServiceUnavailable",
    "StepError",
    "TooManyRequests",
    "URLError",
    "Unauthorized",
    "UnboundError",
    "UnprocessableContent",
    "UnsupportedMediaType",
)


_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110 that Python has since 3.13 only."""


class BuildError(Exception):
    """A mistake in how the application is put together, found when it is built."""


class StepError(Exception):
    """A middleware, a guard or a handler broke its contract while a request ran (a guard returned None, say)."""


class LifespanError(Exception):
    """Something needs the app's life span (`app_nursery`, for one) and the server did not run it."""


class UnboundError(Exception):
    """A model's events were asked for, but no repository has bound the model to its topic."""


class URLError(ValueError):
    """No URL can be made: no route has this name, or a value does not fit its path."""


class Lagged(Exception):
    """A subscriber has fallen further behind than a topic keeps events; those in between are lost to it.

    Attributes:
        topic: Which topic.
        behind: The number of events that it had not read.
        kept: How many of them are still there.
    """

    def __init__(self, topic: str, behind: int, kept: int) -> None:
        super().__init__(topic, behind, kept)
        self.topic = topic
        self.behind = behind
        self.kept = kept

    def __str__(self) -> str:
        return f"a subscriber of {self.topic} is {self.behind} events behind, of which {self.kept} are kept"


class HTTPError(Exception):
    """An answer to the client in place of the response, as a JSON problem document (RFC 9457).

    Raise it in a step, a guard, a plain handler, or in a coroutine handler before it returns its stream.

    Args:
        detail: What went wrong, for the client to read. Left out of the body when empty.
        headers: Extra response headers; their names become lower case.
        status: The HTTP status, for those that have no class of their own.
        retry: Whether the client is to try again after a while. An EventSource that asks for a stream is then told
            so with an empty one, since any error status would end it for good; other clients get Retry-After.
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
        """The reason phrase of the status, as the registry has it."""
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


class NoContent(HTTPError):
    """204: no body. It ends a browser's EventSource for good (WHATWG HTML, 9.2.3)."""

    default_status = 204


class BadRequest(HTTPError):
    """400: the request is malformed."""

    default_status = 400


class Unauthorized(HTTPError):
    """401: the client has not said who it is.

    Args:
        detail: What went wrong.
        challenge: The `WWW-Authenticate` header, which a 401 must carry (RFC 9110, 15.5.2).
        headers: Extra response headers.
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
    """403: the client may not have this."""

    default_status = 403


class NotFound(HTTPError):
    """404: there is nothing here."""

    default_status = 404


class MethodNotAllowed(HTTPError):
    """405: the path exists, but not for this method. `allow` lists those that it has."""

    default_status = 405

    def __init__(self, allow: str) -> None:
        super().__init__(f"This path allows {allow}.", headers={"allow": allow})


class NotAcceptable(HTTPError):
    """406: the request's Accept header rules out what the route gives."""

    default_status = 406


class Conflict(HTTPError):
    """409: the request does not fit the state of things."""

    default_status = 409


class Gone(HTTPError):
    """410: it was here and will not come back."""

    default_status = 410


class ContentTooLarge(HTTPError):
    """413: the body is larger than the route reads."""

    default_status = 413


class UnsupportedMediaType(HTTPError):
    """415: the body is not of a kind that the route reads."""

    default_status = 415


class UnprocessableContent(HTTPError):
    """422: the query or the body is well formed but does not fit the declared shape."""

    default_status = 422


class TooManyRequests(HTTPError):
    """429: the client asks too often."""

    default_status = 429


class ServiceUnavailable(HTTPError):
    """503: not now. EventSource gives up on it for good, unless it is raised with `retry=True`."""

    default_status = 503


class EventError(ValueError):
    """An event that may not be sent; the mistake is in the code that made the event.

    Attributes:
        field: Which field of the event is wrong; ``""`` means the event as a whole.
        reason: What is wrong with it, and what to do.
        route: Where the event came from, once somebody who knows has said so with `at`.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason
        self.route: str | None = None

    def at(self, route: str) -> Self:
        """Note the route that the event came from, unless one is noted already.

        Args:
            route: A label for people, such as ``"GET /ticks"``.

        Returns:
            This same error, so that one can write ``raise error.at(route)``.
        """
        if self.route is None:
            self.route = route
        return self

    def __str__(self) -> str:
        place = "" if self.route is None else f"{self.route}: "
        subject = f"event field {self.field!r}" if self.field else "event"
        return f"{place}{subject}: {self.reason}"


class DecodeError(ValueError):
    """A received stream cannot be read any further; the fault is the sender's."""


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
