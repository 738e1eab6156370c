r"""From an event to its bytes.

Owns the order of the fields on the wire and how values become lines: ``comment``, ``event``,
``id``, ``retry``, ``data``, then a blank line; every line ends in LF, one space follows the colon,
and an empty value is written without it.  Must not know the rules for the fields (`_event` has
them), nor who sends the bytes and when.

A comment or a reconnection time alone has no blank line: it counts as soon as its line is read, and
several clients dispatch an empty event for every blank line.

Section 9.2.6 is the reader's side.  Only CR, LF and CRLF end a line there, so text is split only
at those here; `str.splitlines` would split at U+2028, VT and others as well.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from ..errors import EventError
from ._event import (
    NO_DATA,
    EventLike,
    ServerSentEvent,
    check_comment,
    check_id,
    check_name,
    check_retry,
    empty_event,
    exact_text,
    to_utf8,
)

__all__ = ("JSONEncoder", "encode", "encode_comment", "encode_json", "encode_many")

JSONEncoder: TypeAlias = Callable[[object], str | bytes]
"""Writes a value as JSON: text, or UTF-8 bytes.  Its exceptions propagate to the caller."""

_Fields: TypeAlias = tuple[str | None, str | None, str | None, int | None, object]
_BINARY = frozenset((bytes, bytearray, memoryview))  # msgspec refuses subclasses of them itself
_KEYS = frozenset(("data", "event", "id", "retry", "comment"))


def encode_json(value: object) -> bytes:
    """Write a value as JSON: the default encoder.

    It accepts what msgspec does: attrs classes, dataclasses, `msgspec.Struct`, datetime, date, UUID,
    Enum, Decimal, sets and containers of them; subclasses of str count as str.  NaN and the
    infinities become ``null``, as in JavaScript.  Models of pydantic 2 write themselves, by alias.

    Args:
        value: The value.  bytes, bytearray and memoryview are refused, but *inside* another value
            msgspec writes them as base64.  To find those, each value would have to be searched,
            which takes three to six times as long as the encoding itself.

    Raises:
        EventError: The value, or one inside it, cannot be written as JSON.
    """
    if type(value) in _BINARY:
        kind = type(value).__name__
        raise EventError("data", f"is {kind}, which JSON lacks: decode it, or encode it as base64")
    try:
        return _msgspec_encode(value)
    except EventError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        # A dict's key, a lone surrogate, a huge int, a cycle: msgspec does not call the hook for them.
        reason = f"{type(value).__name__} cannot be written as JSON: {error}"
        raise EventError("data", reason) from error


def _unknown_to_msgspec(value: object) -> str | msgspec.Raw:
    if isinstance(value, str):
        return exact_text("data", value)
    serializer: Any = getattr(type(value), "__pydantic_serializer__", None)
    if serializer is not None:
        return msgspec.Raw(serializer.to_json(value, by_alias=True))
    if inspect.iscoroutine(value):
        value.close()  # or else Python warns as well
        raise EventError("data", f"is the coroutine {value.__qualname__}(), which has not been awaited: write 'await'")
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise EventError("data", f"cannot write {kind} as JSON: convert it, or pass a JSON encoder")


_msgspec_encode = msgspec.json.Encoder(enc_hook=_unknown_to_msgspec).encode


def encode(event: EventLike | Mapping[str, object], json: JSONEncoder = encode_json) -> bytes:
    r"""Write one event, with the blank line at its end.

    >>> encode({"event": "tick", "data": {"n": 1}})
    b'event: tick\ndata: {"n":1}\n\n'

    What has neither data nor a name nor an id is no event, and gets no blank line:

    >>> encode({"retry": 5000})
    b'retry: 5000\n'

    Args:
        event: An event, or a mapping of the same fields.  In a mapping None means absent, except
            for ``data``, where it is JSON's null.
        json: Writes ``data`` that is not a str.

    Returns:
        Exactly one event, whatever the values are; or whole lines that belong to none.

    Raises:
        EventError: A field has a value that the format cannot carry, a key is unknown, there is no
            field, or ``json`` returned bytes that are not UTF-8.  Exceptions of ``json`` propagate.
    """
    fields = _stored(event) if type(event) is ServerSentEvent else _checked(event)
    comment, name, id, retry, data = fields
    text = "" if comment is None else _lines(":", comment)
    if name is not None:
        text += f"event: {name}\n"
    if id is not None:
        text += f"id: {id}\n" if id else "id:\n"
    if retry is not None:
        text += f"retry: {retry}\n"
    if data is not NO_DATA:
        text += _lines("data:", _data_text(data, json))
    elif name is None and id is None:
        if not text:
            raise empty_event()
        return text.encode()  # valid, since its fields have been checked
    # The other fields are already known to be valid, so an error can only be in the data.
    return to_utf8("data", text + "\n")


def encode_many(events: Iterable[EventLike | Mapping[str, object]], json: JSONEncoder = encode_json) -> bytes:
    """Write several events one after the other, to be sent in one write.

    Raises:
        EventError: As for `encode`; then none of them is written.
    """
    return b"".join([encode(event, json) for event in events])


def encode_comment(text: str) -> bytes:
    r"""Write a comment without an event, which clients ignore: a heartbeat.

    >>> encode_comment("")
    b':\n'

    No blank line follows, since several clients dispatch an empty event for every blank line. It may stand between
    any two events, but not inside one.

    Raises:
        EventError: The text is not a str, or not Unicode.
    """
    return to_utf8("comment", _lines(":", exact_text("comment", text)))


def _stored(event: ServerSentEvent) -> _Fields:
    return event.comment, event.event, event.id, event.retry, event.data


def _checked(event: Mapping[str, Any]) -> _Fields:
    _require_mapping(event)
    if not _KEYS.issuperset(event):
        raise _unknown_key(event)
    get = event.get
    comment, name, id, retry = get("comment"), get("event"), get("id"), get("retry")
    return (
        comment if comment is None else check_comment(comment),
        name if name is None else check_name(name),
        id if id is None else check_id(id),
        retry if retry is None else check_retry(retry),
        get("data", NO_DATA),
    )


def _require_mapping(event: object) -> None:
    if type(event) is not dict and not isinstance(event, Mapping):
        kind = type(event).__name__
        framed = "; if it is framed already, make it an EncodedEvent" if isinstance(event, str | bytes) else ""
        raise EventError("", f'must be a ServerSentEvent or a mapping like {{"data": …}}, not {kind}{framed}')


def _unknown_key(event: Mapping[Any, object]) -> EventError:
    key = next(key for key in event if key not in _KEYS)
    legal = "the fields are " + ", ".join(sorted(_KEYS))
    if not isinstance(key, str):
        return EventError(f"{key!r:.80}", f"a key must be a str, not {type(key).__name__}; {legal}")
    near = difflib.get_close_matches(key.lower(), _KEYS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return EventError(f"{key:.80}", f"there is no such field; {legal}{hint}")


def _data_text(data: object, json: JSONEncoder) -> str:
    if isinstance(data, str):
        return exact_text("data", data)
    return _json_text(json(data))


def _json_text(written: object) -> str:
    # Checked for every encoder: msgspec.Raw passes arbitrary bytes through msgspec as well.
    if isinstance(written, bytes):
        try:
            return written.decode()
        except UnicodeDecodeError as error:
            raise EventError("data", f"the JSON encoder returned bytes that are not UTF-8: {error}") from error
    if isinstance(written, str):
        return exact_text("data", written)
    raise EventError("data", f"the JSON encoder must return str or bytes, not {type(written).__name__}")


def _lines(field: str, text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" in text:
        return "".join([f"{field} {line}\n" if line else f"{field}\n" for line in text.split("\n")])
    return f"{field} {text}\n" if text else f"{field}\n"
