"""How a parser is checked: a case, the ways to split it into chunks, and the comparison.

Owns the comparison. Must not know any parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import attrs

__all__ = ("LONGEST_RETRY", "Case", "Event", "Parse", "Parsed", "chunkings", "disagreement", "message")

LONGEST_RETRY: Final = 10**12
"""The comparison treats longer reconnection times (over 30 years) as equal, because parsers have various limits."""

ALL_CUTS: Final = 150
SOME_CUTS: Final = 40


class Event(NamedTuple):
    """The `type`, `data` and `lastEventId` of an event in a web page."""

    type: str
    data: str
    last_event_id: str = ""


def _to_events(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(events)


def _to_retry(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else min(milliseconds, LONGEST_RETRY)


@attrs.frozen
class Parsed:
    """The result of parsing one whole stream.

    Attributes:
        events: The events, in order.
        retry: The reconnection time at the end, in milliseconds; None if the stream sets none.
        last_event_id: What a client would send as `Last-Event-ID` when it reconnects; `""` for none.
    """

    events: tuple[Event, ...] = attrs.field(converter=_to_events)
    retry: int | None = attrs.field(default=None, converter=_to_retry)
    last_event_id: str = ""


Parse: TypeAlias = Callable[[Sequence[bytes]], Parsed]
"""An adapter: takes all chunks of one stream, and returns the result."""


@attrs.frozen
class Case:
    """A stream, and the result of parsing it.

    Attributes:
        name: A sentence that states the correct behaviour.
        clause: The clause of the standard.
        stream: The bytes.
        expected: What a parser must return.
    """

    name: str
    clause: str
    stream: bytes = attrs.field(repr=False)
    expected: Parsed = attrs.field(repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        clause: str,
        stream: bytes | str,
        *events: Event,
        retry: int | None = None,
        last_event_id: str | None = None,
    ) -> Case:
        """Make a case. `last_event_id` defaults to the id of the last event."""
        if last_event_id is None:
            last_event_id = events[-1].last_event_id if events else ""
        data = stream.encode() if isinstance(stream, str) else stream
        return cls(name, clause, data, Parsed(events, retry, last_event_id))


def message(data: str, last_event_id: str = "") -> Event:
    """Make an event without a name."""
    return Event("message", data, last_event_id)


def chunkings(stream: bytes) -> Iterator[tuple[bytes, ...]]:
    """Split a stream in different ways: in one chunk, byte by byte, and in two chunks at every position.

    A long stream is split in two only at some positions, which include all those near its ends.
    """
    yield (stream,)
    yield tuple(stream[at : at + 1] for at in range(len(stream)))
    size = len(stream)
    places = set(range(1, size))
    if size > ALL_CUTS:
        near = SOME_CUTS // 4
        places = {*range(1, near), *range(size - near, size), *range(near, size, size // (SOME_CUTS // 2))}
    for place in sorted(places):
        yield stream[:place], stream[place:]


def disagreement(parse: Parse, stream: bytes, expected: Parsed) -> str | None:
    """Return the first difference of a parser from the expected result, with its chunks, or None."""
    for chunks in chunkings(stream):
        try:
            found = parse(chunks)
        except Exception as error:
            return f"cut into {shown(chunks)} it raises {error!r:.300}"
        if found != expected:
            return f"cut into {shown(chunks)} it returns\n{found!r:.1500}\ninstead of\n{expected!r:.1500}"
    return None


def shown(chunks: tuple[bytes, ...]) -> str:
    """Format chunks for a message."""
    return "single bytes" if len(chunks) > 2 else f"{chunks!r:.600}"
