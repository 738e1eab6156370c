"""The Accept header: whether a client takes, or asks for, an event stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ("accepts_event_stream", "asks_for_event_stream")


def accepts_event_stream(accept: str | None) -> bool:
    """Whether Accept leaves room for `text/event-stream`; its most specific range counts (RFC 9110, 12.5.1)."""
    if accept is None:
        return True
    ranges = dict(_media_ranges(accept))
    for name in ("text/event-stream", "text/*", "*/*"):
        if name in ranges:
            return ranges[name] > 0
    return not ranges


def asks_for_event_stream(accept: str | None) -> bool:
    """Whether an Accept header names `text/event-stream` itself."""
    return accept is not None and dict(_media_ranges(accept)).get("text/event-stream", 0.0) > 0


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name:
            yield name, next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)


def _quality(text: str) -> float:
    """A weight from 0 to 1; what is none counts as 1, as if it were not there."""
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return weight if 0 <= weight <= 1 else 1.0
