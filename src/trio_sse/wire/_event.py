"""What an event is, and which values its fields may hold.

Owns the event value and the rules for each of its fields.  Must not know how an event looks on
the wire, nor where it comes from or where it is sent.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Final, Generic, TypeAlias, TypedDict, cast, final

import attrs

from .._ground.type_parameters import TypeVar
from ..errors import EventError

__all__ = (
    "DONE_ID",
    "MAX_ID_SIZE",
    "MAX_RETRY",
    "NO_DATA",
    "Done",
    "EventFields",
    "EventLike",
    "NoData",
    "ServerSentEvent",
    "check_comment",
    "check_id",
    "check_name",
    "check_retry",
    "empty_event",
    "exact_text",
    "to_utf8",
    "unchecked",
)

DONE_ID: Final = "trio-sse.done"
"""The id of the last event of a stream that has ended for good.

A browser reconnects after every end of file and sends this back as ``Last-Event-ID``; the answer
is then 204, the one successful status after which it stops (section 9.2.3).
"""

MAX_ID_SIZE: Final = 1024
"""The longest id that may be sent, in bytes of UTF-8; prefer at most 128, since clients send it back
in a header.

Servers and proxies limit all headers together to 8 kB or so, and refuse the reconnect beyond that.
"""

MAX_RETRY: Final = 2**53 - 1
"""The longest reconnection time, in milliseconds: the largest integer that JavaScript holds."""

D_co = TypeVar("D_co", covariant=True, default=object)

_BYTES_PER_CHARACTER = 4
_CONTROLS = re.compile("[\r\n\0]")


class NoData(enum.Enum):
    """The type of `NO_DATA`; an enum with one member, so that type checkers can tell it from data."""

    NO_DATA = "no data"

    def __repr__(self) -> str:
        return self.name


NO_DATA: Final = NoData.NO_DATA
"""The data of an event without data.  Not None, which is data: JSON's null."""


def empty_event() -> EventError:
    """The error for an event without any field, which would be a blank line on the wire."""
    return EventError("", "is empty: give it data (None is JSON null) or another field")


def to_utf8(field: str, text: str) -> bytes:
    """Encode the text of a field as UTF-8.

    Raises:
        EventError: It has a lone surrogate, which UTF-8 cannot express.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        at = error.start
        reason = f"holds a lone surrogate, {text[at]!a} at index {at}, which UTF-8 cannot express"
        raise EventError(field, reason) from error


def exact_text(field: str, value: object) -> str:
    """The characters of a str as a plain str, whatever methods its subclass overrides.

    Raises:
        EventError: It is not a str.
    """
    if type(value) is str:
        return value
    if isinstance(value, str):
        # str() of a (str, Enum) is "Color.RED", and a Markup escapes what is joined to it.
        return str.__str__(value)
    raise EventError(field, f"must be a str, not {type(value).__name__}")


def check_comment(value: str | None) -> str | None:
    """Check a comment, and return it as it will be written.  It may have several lines.

    Raises:
        EventError: It is not a str, or not Unicode.
    """
    if value is None:
        return None
    text = exact_text("comment", value)
    if not text.isprintable():
        to_utf8("comment", text)
    return text


def check_name(value: str | None) -> str | None:
    """Check the name of an event, the field ``event``, and return it as it will be written.

    Raises:
        EventError: It is not a str, is empty, or does not fit on a line.
    """
    if value is None:
        return None
    text = _line("event", value)
    if not text:
        raise EventError("event", 'is empty, which clients read as "message": leave it out')
    return text


def check_id(value: str | None) -> str | None:
    """Check the id of an event, and return it as it will be written; ``""`` resets the client's id.

    Raises:
        EventError: It is not a str, does not fit on a line, or is longer than `MAX_ID_SIZE`.
    """
    if value is None:
        return None
    text = _line("id", value)
    if len(text) * _BYTES_PER_CHARACTER > MAX_ID_SIZE and len(text.encode()) > MAX_ID_SIZE:
        reason = f"is longer than {MAX_ID_SIZE} bytes: clients send it back in a header, shorten it"
        raise EventError("id", reason)
    return text


def check_retry(value: int | None) -> int | None:
    """Check a reconnection time, in milliseconds, and return it as it will be written.

    Raises:
        EventError: It is not an int (a bool is not one), negative, or more than `MAX_RETRY`.
    """
    return None if value is None else _milliseconds(value)


def _milliseconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        kind = type(value).__name__
        raise EventError("retry", f"must be an int, in milliseconds, not {kind}")
    if not 0 <= value <= MAX_RETRY:
        raise EventError("retry", f"must lie between 0 and {MAX_RETRY} milliseconds")
    return int(value)


def _line(field: str, value: object) -> str:
    text = value if type(value) is str else exact_text(field, value)
    # Printable text has neither control characters nor surrogates: one call settles most values.
    if not text.isprintable():
        _refuse_controls(field, text)
        to_utf8(field, text)
    return text


def _refuse_controls(field: str, text: str) -> None:
    # CR and LF would end the line, and clients would read the rest as fields or as another event;
    # clients ignore an id with NUL (section 9.2.6).
    found = _CONTROLS.search(text)
    if found:
        where = f"{found.group()!r} at index {found.start()}"
        raise EventError(field, f"may not hold CR, LF or NUL, found {where}: remove it")


@final
@attrs.frozen
class ServerSentEvent(Generic[D_co]):
    """One event, checked when it is made, so that an invalid value fails where it was written.

    Only ``data`` is checked later, when the event is encoded: that needs the JSON encoder.

    Its type parameter is the type of ``data``. An event that has been read is a ``ServerSentEvent[str]``.

    Args:
        data: A str is sent unchanged, anything else as JSON, None as ``null``.  An event without
            data is not dispatched by clients, but they still use its ``id`` and ``retry``.
        event: The name that the client listens to; None means ``"message"``.
        id: What a client that reconnects sends as ``Last-Event-ID``; ``""`` resets it.  Prefer
            URL-safe characters: HTTP strips spaces at the ends of a header.
        retry: How long the client waits before it reconnects, in milliseconds.
        comment: Text that clients ignore, for people who watch the stream.

    Raises:
        EventError: A field has a value that the format cannot carry, or there is no field.
    """

    data: D_co = attrs.field(default=cast("Any", NO_DATA))
    event: str | None = attrs.field(default=None, converter=check_name)
    id: str | None = attrs.field(default=None, converter=check_id)
    retry: int | None = attrs.field(default=None, converter=check_retry)
    comment: str | None = attrs.field(default=None, converter=check_comment)

    def __attrs_post_init__(self) -> None:
        if self.data is not NO_DATA:
            return
        if (self.event, self.id, self.retry, self.comment) == (None, None, None, None):
            raise empty_event()


@final
@attrs.frozen
class Done:
    """A handler yields it to end a stream for good, so that clients do not reconnect."""


class EventFields(TypedDict, total=False):
    """An event as a mapping: some of the fields of `ServerSentEvent`, by name.

    At run time any mapping will do, and None means absent, except for ``data``.
    """

    data: object
    event: str | None
    id: str | None
    retry: int | None
    comment: str | None


EventLike: TypeAlias = ServerSentEvent | EventFields
"""What can be sent: an event, or a mapping of some of its fields by name."""


# The setters of the slots, which bypass attrs' frozen __setattr__ and take a third of the time of its __init__.
_PUT_DATA, _PUT_EVENT, _PUT_ID, _PUT_RETRY, _PUT_COMMENT = (
    vars(ServerSentEvent)[name].__set__ for name in ("data", "event", "id", "retry", "comment")
)


def unchecked(data: str, event: str | None, id: str | None, retry: int | None) -> ServerSentEvent[str]:
    """Make an event of received values: the reader shows what was sent, and does not refuse it."""
    new = cast("ServerSentEvent[str]", object.__new__(ServerSentEvent))
    _PUT_DATA(new, data)
    _PUT_EVENT(new, event)
    _PUT_ID(new, id)
    _PUT_RETRY(new, retry)
    _PUT_COMMENT(new, None)
    return new
