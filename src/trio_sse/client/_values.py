"""From events to values of the classes that a route declares.

Owns the decoding of an event's data. It does not know where events come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from .._ground.pydantic_classes import check_supported, is_model
from ..wire import ServerSentEvent
from ._errors import UnreadableEvent

__all__ = ("EventTypes", "ValueReader")

T = TypeVar("T")

EventTypes: TypeAlias = Mapping[str, type[T]] | Iterable[tuple[str, type[T]]]
"""The class of each event's data, by the event's name: a mapping, or an SSE route's `options.events`."""


class ValueReader(Generic[T]):
    """Reads the data of events by their names.

    Raises:
        TypeError: One of the classes cannot be decoded from JSON.
    """

    def __init__(self, classes: EventTypes[T]) -> None:
        self._readers: dict[str, tuple[type[T], Callable[[str], T]]] = {}
        for name, cls in dict(classes).items():
            self._readers[name] = (cls, _reader(cls))

    def read(self, event: ServerSentEvent[str]) -> T | ServerSentEvent[str]:
        """The value of an event; the event itself if there is no class for its name.

        Raises:
            UnreadableEvent: The data do not fit the class.
        """
        found = self._readers.get(event.event or "message")
        if found is None:
            return event
        cls, read = found
        try:
            return read(event.data)
        except (ValueError, RecursionError) as problem:  # msgspec's errors are ValueErrors
            raise UnreadableEvent(event, cls, str(problem)) from problem


def _reader(cls: type[T]) -> Callable[[str], T]:
    check_supported(cls)
    if is_model(cls):
        from .._http.pydantic_models import ModelReader  # noqa: PLC0415 - needs pydantic

        return ModelReader(cls).decode
    if isinstance(msgspec.inspect.type_info(cls), msgspec.inspect.CustomType) and not issubclass(cls, str):
        raise TypeError(f"{cls.__name__} is a plain class; make it an attrs class or a dataclass")
    if issubclass(cls, str):  # a str is sent as plain text, not as JSON
        return _text_reader(cls)
    return msgspec.json.Decoder(cls).decode


def _text_reader(cls: type[Any]) -> Callable[[str], Any]:
    return cls
