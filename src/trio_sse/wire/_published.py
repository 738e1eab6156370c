"""Events that a topic has stored: their id, and their bytes, framed once for all subscribers. And gaps between them.

Owns how an id is added to an event that is framed already, and what a gap looks like on the wire. Must not know topics
beyond their names, nor how ids are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, TypeAlias, cast, final

import attrs

from .._ground.type_parameters import TypeVar
from ..errors import EventError
from ._encode import JSONEncoder, encode, encode_json
from ._encoded import EncodedEvent
from ._event import NO_DATA, Done, ServerSentEvent

__all__ = ("Framed", "Gap", "GapReason", "PublishedEvent", "frame", "with_id")

D_co = TypeVar("D_co", covariant=True, default=Any)

GapReason: TypeAlias = Literal["trimmed", "diverged", "unknown", "malformed", "slow"]
"""Why there is a gap: see `Gap`."""

FIELDS: Final = frozenset(("data", "event", "retry", "comment"))
"""The fields that what is published may have, beside an id."""

_BETWEEN: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}(?=[^\r\n])")
"""The end of an event that another one follows."""


@attrs.frozen
class Framed:
    """What is published, before it has an id.

    Attributes:
        event: The name of the event, or None.
        data: Its data, as it was given.
        body: The frame without an id, with the blank line at its end.
    """

    event: str | None
    data: Any
    body: bytes


def frame(value: object, json: JSONEncoder = encode_json) -> Framed:
    """Frame what is published: an event, a mapping of its fields, one that is framed already, or plain data.

    An id in it is left out: the topic gives it one.

    Raises:
        EventError: It cannot be sent, or is not an event.
    """
    if isinstance(value, Mapping):
        fields = {name: each for name, each in cast("Mapping[str, Any]", value).items() if name != "id"}
        return Framed(fields.get("event"), fields.get("data"), _body(fields, json))
    if isinstance(value, ServerSentEvent):
        event = cast("ServerSentEvent[Any]", value)  # type: ignore[redundant-cast]  # pyright infers Unknown
        fields = {name: getattr(event, name) for name in ("event", "retry", "comment")}
        data = {} if event.data is NO_DATA else {"data": event.data}
        return Framed(event.event, data.get("data"), _body({**fields, **data}, json))
    if isinstance(value, EncodedEvent):
        return Framed(None, value, _without_id(value))
    if isinstance(value, list | Done):
        kind = "Done" if isinstance(value, Done) else "list"
        instead = "await topic.end()" if isinstance(value, Done) else "publish its items, or {'data': […]}"
        raise EventError("", f"is a {kind}, which is not one event: {instead}")
    return Framed(None, value, encode({"data": value}, json))


def _body(fields: Mapping[str, Any], json: JSONEncoder) -> bytes:
    if not FIELDS.issuperset(fields):
        name = next(name for name in fields if name not in FIELDS)
        raise EventError(f"{name!r:.80}", "there is no such field; to publish a mapping as data, write {'data': …}")
    if fields.keys() <= {"comment", "retry"} or ("data" not in fields and fields.get("event") is None):
        raise EventError("", "has neither data nor a name, so that no client would see it")
    return encode(fields, json)


def _without_id(event: EncodedEvent) -> bytes:
    """The bytes of framed events, of which the last one is to get the id of all of them."""
    if not event.count:
        raise EventError("", "has neither data nor a name, so that no client would see it")
    lines = event.frames.splitlines(keepends=True)
    return b"".join(line for line in lines if line.rstrip(b"\r\n").partition(b":")[0] != b"id")


def with_id(body: bytes, id: str) -> bytes:
    """The frame with its id: at the beginning, or, of several events, in the last one."""
    line = b"id: %b\n" % id.encode()
    at = max((found.end() for found in _BETWEEN.finditer(body)), default=0)
    return body[:at] + line + body[at:]


@final
@attrs.frozen(eq=False, repr=False)
class PublishedEvent(Generic[D_co]):
    """An event of a topic, as its subscribers get it. A handler yields it as it is, and it goes out with its id.

    All subscribers share one value and its bytes, so do not change its data.

    Attributes:
        topic: The name of the topic.
        id: The id, with which a client that reconnects says where to go on.
        event: The name of the event, or None.
        data: Its data, as it was published. An engine that keeps bytes alone gives the text.
        key: The key with which it was published, or None.
        frames: The bytes: the event with its id.
    """

    topic: str
    id: str
    event: str | None
    data: D_co
    key: str | None
    frames: bytes

    def named(self, name: str) -> bytes:
        """The bytes with a name, for an event that has none: that of the class of its data, on a route."""
        return b"event: %b\n%b" % (name.encode(), self.frames)

    def __repr__(self) -> str:
        return f"<PublishedEvent {self.id} of {self.topic}: {len(self.frames)} bytes>"


@final
@attrs.frozen
class Gap:
    """Something that a subscriber has missed, or may have missed. It comes before what follows the gap.

    A handler may yield it: it goes out as an event of the name `gap`.

    Attributes:
        reason: `"trimmed"`: the history no longer has it. `"diverged"`: the store has lost what it had acknowledged,
            or the id is of an event that never was. `"unknown"`: nothing is known of the run that the id names, as
            after a restart that has lost the history. `"malformed"`: the id is not one of a topic. `"slow"`: the
            subscriber was behind, and was sent the newest event of each key alone.
        after: The id up to which the subscriber has everything; None if that is not known.
        to: The id of the end of the gap. There may be kept events before it, which are sent.
        topics: The topics and patterns of the subscription.
        id: The id from which to go on, so that nothing else is missed.
        dropped: How many events were left out, where that is known.
    """

    reason: GapReason
    after: str | None
    to: str
    topics: tuple[str, ...]
    id: str
    dropped: int | None = None

    def frames(self, name: str = "gap") -> bytes:
        """The bytes of its event."""
        told = {name: getattr(self, name) for name in ("reason", "after", "to", "topics", "dropped")}
        return encode({"event": name, "id": self.id, "data": told})
