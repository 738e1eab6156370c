"""What it is to parse a stream rightly: a case, the ways to cut it, and the comparison.

Owns the comparison. Must not know any parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import attrs

__all__ = ("LONGEST_RETRY", "Case", "Event", "Parse", "Parsed", "chunkings", "disagreement", "message")

LONGEST_RETRY: Final = 10**12
"""Longer reconnection times, some 30 years, count as this one: the standard sets no limit, but programs do."""

ALL_CUTS: Final = 150
SOME_CUTS: Final = 40


class Event(NamedTuple):
    """An event as a page would see it: `type`, `data`, `lastEventId`."""

    type: str
    data: str
    last_event_id: str = ""


def _to_events(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(events)


def _to_retry(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else min(milliseconds, LONGEST_RETRY)


@attrs.frozen
class Parsed:
    """What came out of one stream, from its first byte to its end.

    Attributes:
        events: The events, in order.
        retry: The reconnection time at the end, in milliseconds; None if the stream has set none.
        last_event_id: What a client would send as `Last-Event-ID` when it reconnects; `""` for none.
    """

    events: tuple[Event, ...] = attrs.field(converter=_to_events)
    retry: int | None = attrs.field(default=None, converter=_to_retry)
    last_event_id: str = ""


Parse: TypeAlias = Callable[[Sequence[bytes]], Parsed]
"""An adapter: takes the chunks of one stream, after which it has ended, and tells what came out."""


@attrs.frozen
class Case:
    """A stream, and what it means.

    Attributes:
        name: A sentence that says what is right.
        clause: Where the standard says so.
        stream: The bytes.
        expected: What has to come out.
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
        """Make a case. The last id is that of the last event unless it is given."""
        if last_event_id is None:
            last_event_id = events[-1].last_event_id if events else ""
        data = stream.encode() if isinstance(stream, str) else stream
        return cls(name, clause, data, Parsed(events, retry, last_event_id))


def message(data: str, last_event_id: str = "") -> Event:
    """An event without a name."""
    return Event("message", data, last_event_id)


def chunkings(stream: bytes) -> Iterator[tuple[bytes, ...]]:
    """The ways in which a stream is cut: not at all, after each byte, and in two at every place.

    A long stream is cut in two at some places only, with all those near its ends among them.
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
    """How a parser differs from what is expected, with the first chunks for which it does; None if it does not."""
    for chunks in chunkings(stream):
        try:
            found = parse(chunks)
        except Exception as error:
            return f"cut into {shown(chunks)} it raises {error!r:.300}"
        if found != expected:
            return f"cut into {shown(chunks)} it gives\n{found!r:.1500}\nand not\n{expected!r:.1500}"
    return None


def shown(chunks: tuple[bytes, ...]) -> str:
    """Chunks for people."""
    return "single bytes" if len(chunks) > 2 else f"{chunks!r:.600}"
