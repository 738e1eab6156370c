"""The options of a stream, as one frozen value.

Owns their defaults and their checks. `SSE` has a method of the same name for each option; `_runtime.stream` reads them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import attrs
from attrs.validators import optional

from .._ground.checks import check_seconds, is_positive
from .._ground.naming import type_name
from .._ground.pydantic_classes import check_supported
from ..errors import BuildError, EventError
from ..wire import (
    Done,
    EncodedEvent,
    Gap,
    PublishedEvent,
    ServerSentEvent,
    check_name,
    check_retry,
    encode,
    encode_comment,
)

__all__ = ("ShutdownPolicy", "StreamOptions")

ShutdownPolicy = Literal["reconnect", "finish", "cancel"]
"""What happens to open streams when the server shuts down: see `SSE.on_shutdown`."""

HEARTBEAT_DATA: Final = "{}"
"""The data of a heartbeat that is an event: browsers dispatch no event without data, and pages parse it as JSON."""

NOT_A_VALUE: Final = (Mapping, list, ServerSentEvent, EncodedEvent, PublishedEvent, Gap, Done)
"""Types of what a handler may yield that are not plain values: events, batches of them, and the end of a stream."""


def _check_heartbeat(_options: object, _field: object, value: float | None) -> None:
    if value is not None and not is_positive(value):
        raise BuildError(f"heartbeat is a number of seconds above 0, or None for none, not {value!r}")


def _check_heartbeat_data(_options: object, _field: object, value: object) -> None:
    if not isinstance(value, str):
        raise BuildError(f"heartbeat(data=…) is text, such as '{{}}', not {value!r:.80}")


def _heartbeat_frame(name: str | None, data: str) -> bytes:
    if name is None and data != HEARTBEAT_DATA:
        raise BuildError(f"heartbeat(data={data!r:.80}) is the data of an event; name it, as in event='ping'")
    if name == "error":
        raise BuildError("heartbeat(event='error'): EventSource dispatches its own event of that name; use 'ping'")
    try:
        return encode_comment("") if name is None else encode({"event": name, "data": data})
    except EventError as error:
        raise BuildError(f"heartbeat(event={name!r}): {error.field} {error.reason}") from None


def _check_on_shutdown(_options: object, _field: object, value: object) -> None:
    policies = get_args(ShutdownPolicy)
    if value is not None and value not in policies:
        raise BuildError(f"on_shutdown() takes one of {', '.join(map(repr, policies))}, not {value!r}")


def _check_retry(_options: object, _field: object, value: int | None) -> None:
    try:
        check_retry(value)
    except EventError as error:
        raise BuildError(f"retry({value!r}): {error.reason}") from None


def _check_query(_options: object, _field: object, name: str | None) -> None:
    if name == "":
        raise BuildError("last_event_id(query=…) is the name of a parameter, such as 'last_event_id', not empty")


def _check_events(_options: object, _field: object, pairs: tuple[tuple[str, type[Any]], ...]) -> None:
    names, classes = [name for name, _ in pairs], [cls for _, cls in pairs]
    for name, cls in pairs:
        _check_event_name(name)
        _check_event_class(name, cls)
        if names.count(name) > 1 or classes.count(cls) > 1:
            raise BuildError(f".events({name}={type_name(cls)}): each name has one class, and each class one name")


def _check_event_name(name: str) -> None:
    try:
        check_name(name)
    except EventError as error:
        raise BuildError(f".events(): the name {name!r} {error.reason}") from None


def _check_event_class(name: str, cls: Any) -> None:
    if not inspect.isclass(cls):
        raise BuildError(f".events() takes classes, as in .events(tick=Tick), not {name}={cls!r}")
    try:
        check_supported(cls)
    except TypeError as problem:
        raise BuildError(f".events({name}={type_name(cls)}): {problem}") from None
    if issubclass(cls, NOT_A_VALUE):
        raise BuildError(
            f".events({name}={type_name(cls)}): a handler that yields {type_name(cls)} means an event, a batch of "
            "them or the stream's end already; name an attrs class or another one of your own"
        )


@attrs.frozen(kw_only=True)
class StreamOptions:
    """What an SSE route sets for its streams. Each option is set by the route's method of the same name.

    Attributes:
        heartbeat: Seconds without a write after which a heartbeat is sent; None for never.
        heartbeat_event: The name of the event that is the heartbeat; None for a comment.
        heartbeat_data: The data of that event.
        retry: Milliseconds that a client waits before it reconnects, sent at the start of a stream; None sends nothing.
        send_timeout: Seconds that a client may take for a write of up to 64 KiB; None for the app's `send_timeout`.
        lifetime: Seconds after which a stream ends, a tenth more or less; None for no limit.
        on_shutdown: What happens to open streams when the server shuts down; None for `"reconnect"` where the request
            is a GET, whose client may be an EventSource, and `"finish"` otherwise.
        last_event_id_query: The parameter of the query string that has the last event id, if no header has; None for
            none.
        events: The classes of plain values, each with the name of its event.
        heartbeat_frame: The bytes of a heartbeat.
    """

    heartbeat: float | None = attrs.field(default=15.0, validator=_check_heartbeat)
    heartbeat_data: str = attrs.field(default=HEARTBEAT_DATA, validator=_check_heartbeat_data)
    heartbeat_event: str | None = None
    retry: int | None = attrs.field(default=None, validator=_check_retry)
    send_timeout: float | None = attrs.field(default=None, validator=optional(check_seconds))
    lifetime: float | None = attrs.field(default=None, validator=optional(check_seconds))
    on_shutdown: ShutdownPolicy | None = attrs.field(default=None, validator=_check_on_shutdown)
    last_event_id_query: str | None = attrs.field(default=None, validator=_check_query)
    events: tuple[tuple[str, type[Any]], ...] = attrs.field(default=(), validator=_check_events)
    heartbeat_frame: bytes = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # Made once, since the start of a stream should cost little.
        object.__setattr__(self, "heartbeat_frame", _heartbeat_frame(self.heartbeat_event, self.heartbeat_data))

    def __str__(self) -> str:
        """The calls that set the options, for the repr of a route, without those that have their default."""
        shown = [self._heartbeat()]
        shown += [f".{name}({getattr(self, name)!r})" for name in PLAIN if getattr(self, name) != _default(name)]
        shown += [f".last_event_id(query={self.last_event_id_query!r})"] if self.last_event_id_query else []
        types = ", ".join(f"{name}={type_name(cls)}" for name, cls in self.events)
        return "".join(shown) + (f".events({types})" if types else "")

    def _heartbeat(self) -> str:
        names = ("heartbeat", "heartbeat_event", "heartbeat_data")
        changed = [name for name in names if getattr(self, name) != _default(name)]
        given = [f", {name.removeprefix('heartbeat_')}={getattr(self, name)!r}" for name in changed if "_" in name]
        return f".heartbeat({self.heartbeat!r}{''.join(given)})" if changed else ""


PLAIN: Final = ("retry", "send_timeout", "lifetime", "on_shutdown")
"""The options that are set by one value."""


def _default(option: str) -> object:
    return getattr(attrs.fields(StreamOptions), option).default
