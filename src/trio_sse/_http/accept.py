"""The Accept header: whether a client accepts, or asks for, an event stream.

Owns the reading of media ranges and their weights. Pure: it reads text and does not know requests or routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .._ground.text import ascii_lower, strip_blanks

__all__ = ("PLAIN_YES", "accepts_event_stream", "asks_for_event_stream")

WEIGHT: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
"""A weight in ASCII digits. RFC 9110, 12.4.2 allows three of them after the point; more do no harm."""

PLAIN_YES: Final = frozenset((None, "text/event-stream", "*/*"))
"""What EventSource, fetch, curl and clients without the header send. All of them accept an event stream, so that most
requests need no reading of media ranges."""


def accepts_event_stream(accept: str | None) -> bool:
    """Whether Accept allows `text/event-stream`; the most specific range decides (RFC 9110, 12.5.1)."""
    if accept is None:
        return True
    ranges = dict(_media_ranges(accept))
    for name in ("text/event-stream", "text/*", "*/*"):
        if name in ranges:
            return ranges[name] > 0
    return not ranges


def asks_for_event_stream(accept: str | None) -> bool:
    """Whether Accept names `text/event-stream` itself, with a weight above 0."""
    return accept is not None and dict(_media_ranges(accept)).get("text/event-stream", 0.0) > 0


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (ascii_lower(strip_blanks(piece)) for piece in part.split(";"))
        if name:
            yield name, next((_weight(each[2:]) for each in parameters if each.startswith("q=")), 1.0)


def _weight(text: str) -> float:
    """A weight from 0 to 1. A text that is not a weight is ignored, so that the range counts with its default of 1."""
    weight = float(text) if WEIGHT.fullmatch(text) else 1.0
    return weight if weight <= 1 else 1.0
