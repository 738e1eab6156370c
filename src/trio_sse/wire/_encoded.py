"""Events that are framed already: their bytes, checked once.

Owns what such bytes must be, so that a stream can send them as they are.
Must not know who made them, nor who sends them and how often.
"""

from __future__ import annotations

from typing import Final, final

import attrs

from ..errors import EventError
from ._decode import Decoder
from ._encode import JSONEncoder, encode_json, encode_many
from ._event import EventLike, check_id, empty_event, exact_text, to_utf8

__all__ = ("EncodedEvent",)

_BOM: Final = b"\xef\xbb\xbf"


def _to_frames(framed: str | bytes) -> bytes:
    """The bytes of framed events.

    Raises:
        EventError: They are no text in UTF-8, or a stream could not contain them.
    """
    _require_text(framed)
    frames = framed if isinstance(framed, bytes) else to_utf8("", exact_text("", framed))
    if not frames:
        raise empty_event()
    if frames.startswith(_BOM):
        raise EventError("", "begins with a byte order mark, which clients drop only at the start of a stream")
    try:
        frames.decode()
    except UnicodeDecodeError as error:
        raise EventError("", f"is not UTF-8: {error}") from error
    for line in frames.splitlines():  # of bytes: only at CRLF, LF and CR
        _check_line(line)
    return frames


def _require_text(framed: object) -> None:
    if not isinstance(framed, str | bytes):
        kind = type(framed).__name__
        raise EventError("", f"must be framed text or bytes, not {kind}; EncodedEvent.of frames an event")


def _check_line(line: bytes) -> None:
    name, _, value = line.partition(b":")
    if name == b"id":
        check_id(value.removeprefix(b" ").decode())


def _count(frames: bytes) -> int:
    """How many events there are.

    Raises:
        EventError: The last one has not ended: what is sent next would become a part of it.
    """
    decoder = Decoder(max_size=len(frames))
    events = decoder.feed(frames)
    if decoder.unfinished:
        raise EventError("", "does not end with a blank line: clients would read what is sent next as a part of it")
    return len(events)


@final
@attrs.frozen(repr=False)
class EncodedEvent:
    r"""One or more events as bytes, which a handler may yield like any event.

    For an event that many streams send, encoded once with `of`; or for text that another library has framed:

    >>> EncodedEvent("event: tick\ndata: 1\n\n")
    <EncodedEvent: 1 event, 22 bytes>

    The text is checked when the value is made. Only text that is known to be framed belongs here: a value that a client
    has sent may contain line breaks, and so fields and events. Use `of` for it.

    Args:
        frames: Whole events, each with the blank line at its end, in UTF-8; also comments and reconnection times.

    Attributes:
        frames: The bytes.
        count: How many events they are; so many are counted in the statistics.

    Raises:
        EventError: It is neither str nor bytes, is empty, is not UTF-8, has an id that clients ignore or that is too
            long, or does not end with a blank line.
    """

    frames: bytes = attrs.field(converter=_to_frames)
    count: int = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        _PUT_COUNT(self, _count(self.frames))

    @classmethod
    def of(cls, *events: EventLike, json: JSONEncoder = encode_json) -> EncodedEvent:
        """Encode one event, or several that are always sent together.

        Args:
            *events: Events, or mappings of the same fields.
            json: Writes data that is not a str. An app's own encoder, `App(json=…)`, has to be given here as well.

        Raises:
            EventError: As for `encode`, or there is no event.
        """
        if not events:
            raise empty_event()
        new = object.__new__(cls)
        _PUT_FRAMES(new, encode_many(events, json))
        _PUT_COUNT(new, len(events))
        return new

    def __repr__(self) -> str:
        events = "1 event" if self.count == 1 else f"{self.count} events"
        return f"<EncodedEvent: {events}, {len(self.frames)} bytes>"


# The setters of the slots, which bypass attrs' frozen __setattr__.
_PUT_FRAMES, _PUT_COUNT = (vars(EncodedEvent)[name].__set__ for name in ("frames", "count"))
