"""Routes: `SSE`, `Get`, `Post`, `Put`, `Patch`, `Delete`, as immutable builders.

Owns what a route says. Every method returns a new value; nothing is checked here that needs the other steps or routes
(see `_plan`, `_router`), so a prefix can be shared and finished later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, get_args

import attrs

from .._ground.calls import kind_of
from .._ground.naming import describe, name_of, type_name
from .._http.paths import Path, to_path
from ..errors import BuildError, EventError
from ..wire import Done, ServerSentEvent, check_name, check_retry
from .builder import Builder
from .steps import DEFAULT_MAX_BODY, ReadBody, ReadQuery

__all__ = ("SSE", "Delete", "Get", "Patch", "Post", "Put", "Route")

Handler = Callable[..., object]
DrainPolicy = Literal["hand over", "finish", "cut"]

NOT_A_VALUE = (Mapping, list, ServerSentEvent, Done)
"""What a handler yields to say something else than a plain value."""


def _refuse_base(_route: object, _field: object, _value: str) -> None:
    raise BuildError("Route is only what all routes share; write Get, Post, Put, Patch, Delete or SSE")


@attrs.frozen(repr=False)
class Route(Builder):
    """What all routes share: a path, steps, services, and a handler.

    Attributes:
        path: The parsed pattern.
        steps: Middleware, guards and readers, in the order in which they run.
        services: The services that are injected, by name.
        handler: The function that answers, once `.handle` has named it.
        name: How the app knows it, as in `app.url("orders.events")`; empty where it has been given no name.
        always_answers: Whether it answers while others are turned away.
    """

    path: Path = attrs.field(converter=to_path)
    handler: Handler | None = attrs.field(default=None, kw_only=True)
    name: str = attrs.field(default="", kw_only=True)
    always_answers: bool = attrs.field(default=False, kw_only=True)
    method: str = attrs.field(default="", init=False, validator=_refuse_base)

    def always(self) -> Self:
        """Answer even while the server shuts down or has no room, when others are turned away: for health checks."""
        return attrs.evolve(self, always_answers=True)

    def query(self, model: type[Any]) -> Self:
        """Read the query string into a value of `model` (an attrs class, a dataclass, …), as `query`.

        What does not fit is a 422 that names the field.
        """
        return self._add(ReadQuery(model))

    def body(self, model: Any, *, max_size: int = DEFAULT_MAX_BODY) -> Self:
        """Read a JSON body into a value of `model`, as `body`.

        Args:
            model: The type to read: an attrs class, a dataclass, `list[int]`, …
            max_size: The most bytes that are read; a larger body is a 413.

        Raises:
            BuildError: The route answers GET, which has no body (RFC 9110, 9.3.1), or `max_size` is no size.
        """
        if self.method == "GET":
            raise BuildError(f"{self}: a GET request has no body to read; use .query(), or answer POST")
        if max_size < 1:
            raise BuildError(f"{self}: max_size is a number of bytes above 0, not {max_size!r}")
        return self._add(ReadBody(model, max_size))

    def handle(self, handler: Handler) -> Self:
        """Name the handler. Works as a call and as a decorator.

        Raises:
            BuildError: The route has a handler already, or this is not a function of a kind that it takes.
        """
        if self.handler is not None:
            raise BuildError(f"{self} has the handler {describe(self.handler)} already; write a route for each handler")
        kind_of(handler)
        return attrs.evolve(self, handler=handler)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def _head(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __repr__(self) -> str:
        always = ".always()" if self.always_answers else ""
        handler = f".handle({name_of(self.handler)})" if self.handler is not None else ""
        return self._head() + self._shared() + always + handler


@attrs.frozen(repr=False)
class Get(Route):
    """A route that answers GET (and HEAD) with one value."""

    method: str = attrs.field(default="GET", init=False)


@attrs.frozen(repr=False)
class Post(Route):
    """A route that answers POST with one value."""

    method: str = attrs.field(default="POST", init=False)


@attrs.frozen(repr=False)
class Put(Route):
    """A route that answers PUT with one value."""

    method: str = attrs.field(default="PUT", init=False)


@attrs.frozen(repr=False)
class Patch(Route):
    """A route that answers PATCH with one value."""

    method: str = attrs.field(default="PATCH", init=False)


@attrs.frozen(repr=False)
class Delete(Route):
    """A route that answers DELETE with one value."""

    method: str = attrs.field(default="DELETE", init=False)


def _check_method(_route: object, _field: object, value: str) -> None:
    if value not in ("GET", "POST"):
        raise BuildError(f"an SSE route answers GET or POST, not {value!r}")


def _check_heartbeat(_route: object, _field: object, value: float | None) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and value > 0):
        raise BuildError(f"heartbeat is a number of seconds above 0, or None for none, not {value!r}")


def _check_seconds(name: str) -> Callable[[object, object, float | None], None]:
    def check(_route: object, _field: object, value: float | None) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and value > 0):
            raise BuildError(f"{name} is a number of seconds above 0, not {value!r}")

    return check


def _check_drain(_route: object, _field: object, value: object) -> None:
    policies = get_args(DrainPolicy)
    if value not in policies:
        raise BuildError(f"drain() takes one of {', '.join(map(repr, policies))}, not {value!r}")


def _check_retry(_route: object, _field: object, value: int | None) -> None:
    try:
        check_retry(value)
    except EventError as error:
        raise BuildError(f"retry({value!r}): {error.reason}") from None


def _check_event_types(_route: object, _field: object, pairs: tuple[tuple[str, type[Any]], ...]) -> None:
    names, classes = [name for name, _ in pairs], [cls for _, cls in pairs]
    for name, cls in pairs:
        try:
            check_name(name)
        except EventError as error:
            raise BuildError(f".events(): the name {name!r} {error.reason}") from None
        if not inspect.isclass(cls):
            raise BuildError(f".events() takes classes, as in .events(tick=Tick), not {name}={cls!r}")
        if issubclass(cls, NOT_A_VALUE):
            raise BuildError(
                f".events({name}={type_name(cls)}): a handler that yields {type_name(cls)} means an event, a batch of "
                "them or the stream's end already; name an attrs class or another one of your own"
            )
        if names.count(name) > 1 or classes.count(cls) > 1:
            raise BuildError(f".events({name}={type_name(cls)}): each name has one class, and each class one name")


@attrs.frozen(repr=False)
class SSE(Route):
    """A route that answers with a stream of events.

    The handler is an async generator function, or a function that returns an async iterable (or an async context
    manager of one): what such a function raises before it returns is still an HTTP status.

    Args:
        path: The pattern, as in `/rooms/:room/events`.
        method: `GET`, or `POST` for clients that stream with fetch.
    """

    method: str = attrs.field(default="GET", kw_only=True, validator=_check_method)
    heartbeat_seconds: float | None = attrs.field(default=15.0, kw_only=True, validator=_check_heartbeat)
    retry_milliseconds: int | None = attrs.field(default=None, kw_only=True, validator=_check_retry)
    send_seconds: float | None = attrs.field(default=None, kw_only=True, validator=_check_seconds("send_timeout"))
    lifetime_seconds: float | None = attrs.field(default=None, kw_only=True, validator=_check_seconds("lifetime"))
    drain_policy: DrainPolicy = attrs.field(default="hand over", kw_only=True, validator=_check_drain)
    event_types: tuple[tuple[str, type[Any]], ...] = attrs.field(default=(), kw_only=True, validator=_check_event_types)

    def heartbeat(self, seconds: float | None) -> Self:
        """Send a comment after that many seconds without traffic; 15 unless set, None for never.

        Without a heartbeat a client that vanished is found by the kernel alone, which can take hours.
        """
        return attrs.evolve(self, heartbeat_seconds=seconds)

    def retry(self, milliseconds: int) -> Self:
        """Tell each client, first of all, how long to wait before it reconnects."""
        return attrs.evolve(self, retry_milliseconds=milliseconds)

    def send_timeout(self, seconds: float) -> Self:
        """Drop a client that does not take a write within that many seconds; the app's `send_timeout` unless set.

        A write of more than 64 KiB has that time for each 64 KiB. `aborted` is set, with the reason `too slow`.
        """
        return attrs.evolve(self, send_seconds=seconds)

    def lifetime(self, seconds: float) -> Self:
        """End each stream after about that many seconds, so that its client reconnects and lands where there is room.

        It ends in order, with the reason `lifetime`, up to a tenth earlier or later, lest all come back at once.
        """
        return attrs.evolve(self, lifetime_seconds=seconds)

    def drain(self, policy: DrainPolicy) -> Self:
        """Choose what becomes of open streams when the server shuts down.

        Each is told when to reconnect, and ends in order within the server's `graceful_timeout`.

        Args:
            policy: `"hand over"`, unless set: end when what is being sent has been sent; whoever takes the client over
                goes on after its last event. `"finish"`: let the handler end by itself as long as there is time; it
                may wait for `draining`. `"cut"`: end now, even in the middle of a write.
        """
        return attrs.evolve(self, drain_policy=policy)

    def events(self, **classes: type[Any]) -> Self:
        """Name the classes of the values that the handler yields: `.events(tick=Tick, order=OrderUpdate)`.

        The handler may then yield a plain value, which goes out as the data of an event with its class's name. The
        nearest class counts, where one is derived from another. Events and mappings may be yielded beside them; one
        without a name takes that of its data's class.

        Raises:
            BuildError: It is no class, a class of values that mean something else, or is named twice.
        """
        return attrs.evolve(self, event_types=(*self.event_types, *classes.items()))

    def __str__(self) -> str:
        return f"SSE {self.path}" if self.method == "GET" else f"SSE {self.method} {self.path}"

    def _head(self) -> str:
        method = "" if self.method == "GET" else f", method={self.method!r}"
        heartbeat = "" if self.heartbeat_seconds == 15.0 else f".heartbeat({self.heartbeat_seconds})"
        retry = "" if self.retry_milliseconds is None else f".retry({self.retry_milliseconds})"
        types = ", ".join(f"{name}={type_name(cls)}" for name, cls in self.event_types)
        events = f".events({types})" if types else ""
        send = "" if self.send_seconds is None else f".send_timeout({self.send_seconds})"
        lifetime = "" if self.lifetime_seconds is None else f".lifetime({self.lifetime_seconds})"
        drain = "" if self.drain_policy == "hand over" else f".drain({self.drain_policy!r})"
        return f"SSE({str(self.path)!r}{method}){heartbeat}{retry}{send}{lifetime}{drain}{events}"
