"""Typed events: values whose class determines the name of the event.

Owns the names that a route's `.events(tick=Tick)` assigns to classes; it is made once for each route. Pure. It does not
encode events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attrs

from .._ground.naming import type_name
from ..errors import EventError
from ..wire import ServerSentEvent

__all__ = ("EventMap",)


class EventMap:
    """The classes that a route names, with the name of each one's events."""

    def __init__(self, classes: tuple[tuple[str, type[Any]], ...]) -> None:
        self._names: dict[type[Any], str] = {cls: name for name, cls in classes}
        self._known: dict[type[Any], str | None] = {}

    def event(self, item: Any) -> Any:
        """The event for an item that a handler yielded.

        Raises:
            EventError: The item is neither an event nor a value of a class that the route names.
        """
        if isinstance(item, ServerSentEvent):
            event = cast("ServerSentEvent", item)
            name = self.name_of(event.data) if event.event is None else None
            return event if name is None else attrs.evolve(event, event=name)
        if isinstance(item, Mapping):
            fields = cast("Mapping[str, Any]", item)
            name = self.name_of(fields.get("data")) if fields.get("event") is None else None
            return fields if name is None else {**fields, "event": name}
        name = self.name_of(item)
        if name is None:
            raise EventError("", f"is a {type_name(type(item))}, but the route names {self}: name it in .events() too")
        return {"event": name, "data": item}

    def name_of(self, value: object) -> str | None:
        """The name of the event for a value; None if the route does not name its class."""
        cls: type[Any] = value.__class__
        if cls not in self._known:
            self._known[cls] = next((self._names[base] for base in cls.__mro__ if base in self._names), None)
        return self._known[cls]

    def __str__(self) -> str:
        return ", ".join(f"{name}={type_name(cls)}" for cls, name in self._names.items())
