"""The event encoder: it encodes what a handler yields as the bytes of one write. Made once for each route. Pure.

Owns what each kind of item means: an event, one that is framed already, a plain value of a class that the route names,
an event of a topic, a list of these, `Done()`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from .._http.event_stream import DONE
from ..errors import EventError
from ..wire import Done, EncodedEvent, Gap, JSONEncoder, PublishedEvent, encode
from .event_map import EventMap

__all__ = ("EventEncoder", "encoder_for")


NO_EVENT: Final = (list, PublishedEvent, EncodedEvent, Done, Gap)
"""What is not encoded as one event: a single check settles ordinary events."""


class EventEncoder:
    """Encodes the items of one route's streams.

    Args:
        label: How messages name the route.
        json: Encodes data that is not text.
        events: The classes of plain values; None if the route names none.
    """

    def __init__(self, label: str, json: JSONEncoder, events: EventMap | None) -> None:
        self._label = label
        self._json = json
        self._events = events

    def encode(self, item: Any) -> tuple[bytes, int, bool]:
        """Encode an item.

        Returns:
            Its bytes, how many events there are, and whether the stream ends with them.

        Raises:
            EventError: It cannot be sent; the message names the route.
        """
        try:
            if isinstance(item, NO_EVENT):
                items: list[Any] = item if isinstance(item, list) else [item]  # pyright: ignore[reportUnknownVariableType]
                return self._batch(items)
            return self._frame(item), 1, False
        except EventError as error:
            error.at(self._label)
            raise

    def _batch(self, items: list[Any]) -> tuple[bytes, int, bool]:
        """Encode a list of items, up to the one that ends the stream."""
        frames: list[bytes] = []
        count = 0
        for item in items:
            if isinstance(item, PublishedEvent):
                frames.append(self._published(item))  # pyright: ignore[reportUnknownArgumentType]
                count += 1
            elif isinstance(item, EncodedEvent):
                frames.append(item.frames)
                count += item.count
            elif isinstance(item, Gap):
                frames.append(item.frames())
                count += 1
            elif isinstance(item, Done):
                return b"".join((*frames, DONE)), count + 1, True
            else:
                frames.append(self._frame(item))
                count += 1
        return b"".join(frames), count, False

    def _published(self, event: PublishedEvent) -> bytes:
        """The frame of an event of a topic, which is made already; with the name for the class of its data."""
        name = None if self._events is None or event.event is not None else self._events.name_of(event.data)
        return event.frames if name is None else event.named(name)

    def _frame(self, item: Any) -> bytes:
        return encode(item if self._events is None else self._events.event(item), self._json)


@lru_cache(maxsize=256)
def encoder_for(label: str, json: JSONEncoder, classes: tuple[tuple[str, type[Any]], ...]) -> EventEncoder:
    """The encoder of streams whose handler sets their options. Options are usually the same for each request."""
    return EventEncoder(label, json, EventMap(classes) if classes else None)
