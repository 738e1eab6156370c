"""The table of the encoder: what a parser must read from its output, and which events it must reject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trio_sse.wire import encode_many

from .parsing import Event, Parsed, message

__all__ = ("ENCODED", "REFUSED", "Encoded")

Fields = Mapping[str, Any]


@attrs.frozen
class Encoded:
    """Events to send, and what the receiver must read.

    Attributes:
        name: A sentence that states the correct behaviour.
        sent: The events, as a handler yields them.
        expected: What a parser must return.
    """

    name: str
    sent: tuple[Fields, ...]
    expected: Parsed

    @classmethod
    def of(
        cls, name: str, sent: Fields, *events: Event, retry: int | None = None, last_event_id: str | None = None
    ) -> Encoded:
        """Make a case. Another event follows, so that the case also shows if the first event affects it."""
        if last_event_id is None:
            last_event_id = events[-1].last_event_id if events else ""
        after = message("after", last_event_id)
        return cls(name, (sent, {"data": "after"}), Parsed((*events, after), retry, last_event_id))

    @property
    def stream(self) -> bytes:
        """The encoded events."""
        return encode_many(self.sent)


def data(name: str, sent: object, received: str) -> Encoded:
    """Make a case of an event with data only."""
    return Encoded.of(name, {"data": sent}, message(received))


ENCODED = (
    data("text arrives", "a b: c", "a b: c"),
    data("text of all planes arrives", "\u00e4\u20ac\U0001f642", "\u00e4\u20ac\U0001f642"),
    data("empty text arrives", "", ""),
    data("LF in data arrives", "a\nb", "a\nb"),
    data("CR in data arrives as LF", "a\rb", "a\nb"),
    data("CRLF in data arrives as LF", "a\r\nb", "a\nb"),
    data("all kinds of line ends in data arrive as LF", "a\r\r\nb\n\rc\n\n", "a\n\nb\n\nc\n\n"),
    data("a line end at the end of data arrives", "a\n", "a\n"),
    data("a line end at the start of data arrives", "\na", "\na"),
    data("line ends alone arrive", "\n\n\n", "\n\n\n"),
    data("spaces at the start of each line arrive", " a\n  b\n \n", " a\n  b\n \n"),
    data("spaces and tabs at the end of each line arrive", "a \nb\t\n", "a \nb\t\n"),
    data(
        "what looks like fields arrives as data",
        "id: 9\nevent: forged\nretry: 1\n: x",
        "id: 9\nevent: forged\nretry: 1\n: x",
    ),
    data(
        "what looks like another event arrives as data",
        "a\n\nevent: forged\ndata: b\n\n",
        "a\n\nevent: forged\ndata: b\n\n",
    ),
    data("what looks like another event with CR arrives as data", "a\r\rdata: b\r\r", "a\n\ndata: b\n\n"),
    data(
        "characters that end lines elsewhere arrive",
        "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
        "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    ),
    data("NUL in data arrives", "a\0b", "a\0b"),
    data("a BOM in data arrives", "\ufeffa\n\ufeff", "\ufeffa\n\ufeff"),
    data("a colon at the start of data arrives", ":a\n:", ":a\n:"),
    data("long data arrives", "x" * 70_000, "x" * 70_000),
    data("JSON arrives on one line", {"a": [1, None, "\n\u2028"]}, '{"a":[1,null,"\\n\u2028"]}'),
    data("None arrives as JSON's null", None, "null"),
    Encoded.of("a name arrives", {"event": "e f:g", "data": "a"}, Event("e f:g", "a")),
    Encoded.of("spaces around a name arrive", {"event": "  e ", "data": "a"}, Event("  e ", "a")),
    Encoded.of("a name that begins with a colon arrives", {"event": ":e", "data": "a"}, Event(":e", "a")),
    Encoded.of("an id arrives", {"id": "a:1/\u2713", "data": "a"}, message("a", "a:1/\u2713")),
    Encoded.of("spaces around an id arrive", {"id": "  1 ", "data": "a"}, message("a", "  1 ")),
    Encoded.of(
        "an id of 1024 bytes arrives", {"id": "\u20ac" * 341 + "x", "data": "a"}, message("a", "\u20ac" * 341 + "x")
    ),
    Encoded.of("an id alone counts for what follows", {"id": "1"}, last_event_id="1"),
    Encoded.of("a reconnection time arrives", {"retry": 1500, "data": "a"}, message("a"), retry=1500),
    Encoded.of("a reconnection time of 0 arrives", {"retry": 0, "data": "a"}, message("a"), retry=0),
    Encoded.of("a reconnection time alone is not an event", {"retry": 1500}, retry=1500),
    Encoded.of("a name alone is not an event", {"event": "e"}),
    Encoded.of("a comment is not an event", {"comment": "a"}),
    Encoded.of("an empty comment is not an event", {"comment": ""}),
    Encoded.of(
        "the lines of a comment are not events",
        {"comment": "a\n\ndata: forged\n\n\rdata: forged\r\r\n", "data": "b"},
        message("b"),
    ),
    Encoded.of(
        "all fields arrive together",
        {"comment": "c", "event": "e", "id": "1", "retry": 2, "data": "a\nb"},
        Event("e", "a\nb", "1"),
        retry=2,
    ),
    Encoded(
        "an empty id resets the last id",
        ({"id": "1", "data": "a"}, {"data": "b"}, {"id": "", "data": "c"}, {"data": "d"}),
        Parsed([message("a", "1"), message("b", "1"), message("c"), message("d")]),
    ),
)

REFUSED: tuple[tuple[Fields, str], ...] = (
    *(({name: f"a{control}b", "data": ""}, name) for name in ("event", "id") for control in ("\n", "\r", "\r\n", "\0")),
    ({"event": "a\ndata: forged", "data": ""}, "event"),
    ({"event": "", "data": ""}, "event"),
    ({"id": "x" * 1025, "data": ""}, "id"),
    ({"id": 1, "data": ""}, "id"),
    ({"retry": -1}, "retry"),
    ({"retry": 1.5}, "retry"),
    ({"retry": "1"}, "retry"),
    ({"retry": True}, "retry"),
    ({"retry": 2**53}, "retry"),
    ({"comment": 1}, "comment"),
    ({"data": "\ud800"}, "data"),
    ({"event": "\ud800", "data": ""}, "event"),
    ({"data": b"a"}, "data"),
    ({"Data": "a"}, "Data"),
    ({}, ""),
)
