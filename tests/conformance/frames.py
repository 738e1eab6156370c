"""The frames that the library sends, and what clients that others wrote make of them.

Owns the table of the page on clients: its rows, the clients, and their known differences. `test_frames.py` runs the
clients: here those in Python, in `end_to_end` those in JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import attrs

from trio_sse.wire import DONE_ID, encode

__all__ = ("AFTER", "CLIENTS", "FRAMES", "NAMES", "Dispatched", "Frame", "Seen", "check", "table")

TEXT: Final = "h\u00e9\u20ac\U0001f642 " * 30_000


class Dispatched(NamedTuple):
    """An event that a client has dispatched; the id is None where the client does not tell it."""

    name: str
    data: str
    id: str | None = ""


Seen: TypeAlias = tuple[Dispatched, ...]

AFTER: Final = Dispatched("after", "after")
"""The event that follows each frame."""


@attrs.frozen
class Frame:
    """A row of the table.

    Attributes:
        name: What is sent, in Markdown.
        items: What a handler yields for it.
        dispatched: What a client dispatches according to the standard.
        ours: Whether the library itself sends such a frame.
    """

    name: str
    items: tuple[Mapping[str, Any], ...]
    dispatched: Seen
    ours: bool = False

    @classmethod
    def of(
        cls, name: str, item: Mapping[str, Any], *dispatched: Dispatched, before: Any = None, ours: bool = False
    ) -> Frame:
        """Make a row of one item, or of two."""
        return cls(name, (item,) if before is None else (before, item), dispatched, ours)

    @property
    def wire(self) -> bytes:
        """Its bytes."""
        return b"".join(encode(item) for item in self.items)


def message(data: str, id: str = "") -> Dispatched:
    """An event without a name."""
    return Dispatched("message", data, id)


FRAMES: Final = (
    Frame.of("a comment: the opening line and the heartbeat", {"comment": ""}, ours=True),
    Frame.of(
        "the same after an event with an id",
        {"comment": ""},
        message("a", "7"),
        before={"id": "7", "data": "a"},
        ours=True,
    ),
    Frame.of("`retry` alone", {"retry": 5000}, ours=True),
    Frame.of("`retry` in an event", {"retry": 5000, "data": "a"}, message("a")),
    Frame.of("`id` alone", {"id": "7"}),
    Frame.of("a name alone", {"event": "note"}),
    Frame.of("an id and empty data", {"id": "7", "data": ""}, message("", "7")),
    Frame.of("an id with spaces and other characters", {"id": " a:é✓ ", "data": "a"}, message("a", " a:é✓ ")),
    Frame.of(
        "an empty id, which resets it",
        {"id": "", "data": "b"},
        message("a", "7"),
        message("b"),
        before={"id": "7", "data": "a"},
    ),
    Frame.of("empty data", {"data": ""}, message("")),
    Frame.of("data of several lines", {"data": "a\n\nb\n"}, message("a\n\nb\n")),
    Frame.of("data that begins with a line break", {"data": "\na"}, message("\na")),
    Frame.of("data that begins with spaces", {"data": "  a"}, message("  a")),
    Frame.of("CR and CRLF in data", {"data": "a\rb\r\nc"}, message("a\nb\nc")),
    Frame.of("U+2028, U+0085 and VT in data", {"data": "a\u2028b\x85c\x0bd"}, message("a\u2028b\x85c\x0bd")),
    Frame.of("NUL in data", {"data": "a\0b"}, message("a\0b")),
    Frame.of("a byte order mark at the start of data", {"data": "\ufeffa"}, message("\ufeffa")),
    Frame.of("one line of 330 kB, cut within characters", {"data": TEXT}, message(TEXT)),
    Frame.of("a heartbeat with a name", {"event": "ping", "data": "{}"}, Dispatched("ping", "{}"), ours=True),
    Frame.of(
        "`stream-error`",
        {"event": "stream-error", "data": {"status": 500}},
        Dispatched("stream-error", '{"status":500}'),
        ours=True,
    ),
    Frame.of(
        "`stream-expired`",
        {"event": "stream-expired", "data": None},
        Dispatched("stream-expired", "null"),
        ours=True,
    ),
    Frame.of(
        "`stream-done`",
        {"event": "stream-done", "id": DONE_ID, "data": None},
        Dispatched("stream-done", "null", DONE_ID),
        ours=True,
    ),
)

NAMES: Final = ("message", "after", "note", "ping", "stream-error", "stream-expired", "stream-done")
"""The names that an EventSource has to listen to."""


class Difference(NamedTuple):
    """What a client does instead.

    Attributes:
        note: In words.
        dispatched: The events.
    """

    note: str
    dispatched: Seen


EMPTY: Final = ("`id` alone", Difference("an event with empty data", (message("", "7"),)))
NAMED: Final = ("a name alone", Difference("an event with empty data", (Dispatched("note", ""),)))
TRIMMED: Final = ("data that begins with a line break", Difference("the line break is lost", (message("a"),)))
UNMARKED: Final = ("a byte order mark at the start of data", Difference("the mark is lost", (message("a"),)))

CLIENTS: Final[Mapping[str, Mapping[str, Difference]]] = {
    "chromium": {},
    "eventsource": {},
    "fetch-event-source": dict((EMPTY, NAMED, TRIMMED, UNMARKED)),
    "eventsource-parser": {},
    "npm's openai": dict((NAMED,)),
    "htmx 4": dict((NAMED,)),
    "openai": dict((EMPTY, NAMED)),
    "anthropic": dict((EMPTY, NAMED)),
    "httpx-sse": dict((EMPTY, NAMED)),
    "httpx2": dict((EMPTY, NAMED)),
    "sseclient-py": {},
    "trio_sse": {},
}
"""The clients, each with what it does instead, by the names of the frames."""


def check(client: str, results: Sequence[Seen | str]) -> None:
    """Compare what a client has dispatched for each frame, or its error, with the table."""
    for frame, found in zip(FRAMES, results, strict=True):
        difference = CLIENTS[client].get(frame.name)
        expected = frame.dispatched if difference is None else difference.dispatched
        assert isinstance(found, tuple), f"{client}: {frame.name}: {found}"
        assert found[:-1] == _as_told(expected, found), f"{client}: {frame.name}"
        assert found[-1][:2] == AFTER[:2], f"{client}: {frame.name}"


def _as_told(expected: Seen, found: Seen) -> Seen:
    """The expected events, without ids if the client tells none."""
    return tuple(each._replace(id=None) for each in expected) if found[-1].id is None else expected


def table() -> str:
    """The table in Markdown."""
    head = ("| Sent | In bytes | Dispatched | Instead |", "|---|---|---|---|")
    return "\n".join((*head, *map(_row, FRAMES)))


def _row(frame: Frame) -> str:
    dispatched = ", ".join(f"`{name}`" for name, _, _ in frame.dispatched) or "nothing"
    return f"| {frame.name} | `{_shown(frame.wire)}` | {dispatched} | {_instead(frame)} |"


def _shown(wire: bytes) -> str:
    text = ascii(wire.decode() if len(wire) < 1000 else "data: héé…\n\n")
    return text.strip("'")


def _instead(frame: Frame) -> str:
    differing = [client for client, differences in CLIENTS.items() if frame.name in differences]
    if not differing:
        return ""
    return f"{CLIENTS[differing[0]][frame.name].note}: {', '.join(differing)}"
