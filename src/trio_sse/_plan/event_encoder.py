"""The event encoder: it encodes what a handler yields as the bytes of one write. Made once for each route. Pure.

Owns what each kind of item means: an event, a plain value of a class that the route names, a list of these, `Done()`.
"""

from __future__ import annotations

from typing import Any

from .._http.event_stream import DONE
from ..errors import EventError
from ..wire import Done, JSONEncoder, encode
from .event_map import EventMap

__all__ = ("EventEncoder",)


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
            if isinstance(item, list):
                items: list[Any] = item  # pyright: ignore[reportUnknownVariableType] - checked one by one below
                return self._batch(items)
            return self._frame(item), 1, isinstance(item, Done)
        except EventError as error:
            error.at(self._label)
            raise

    def _batch(self, items: list[Any]) -> tuple[bytes, int, bool]:
        """Encode a list of items, up to the one that ends the stream."""
        end = next((index for index, each in enumerate(items) if isinstance(each, Done)), None)
        sent = items if end is None else items[: end + 1]
        return b"".join([self._frame(each) for each in sent]), len(sent), end is not None

    def _frame(self, item: Any) -> bytes:
        if isinstance(item, Done):
            return DONE
        return encode(item if self._events is None else self._events.event(item), self._json)
