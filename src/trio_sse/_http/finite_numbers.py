"""Finite numbers: whether the floats that a client has set in a model of pydantic are finite.

Owns the search for the others. Pure. It does not import pydantic.

A model may be told so (`allow_inf_nan=False`), but neither by default nor from outside. What the model has of itself,
such as a default, need not be finite.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, cast, get_args, get_origin
from uuid import UUID

from .._ground.pydantic_classes import is_model
from .pydantic_types import input_names, members

__all__ = ("FiniteNumbers",)

WITHOUT: Final = (bool, int, str, bytes, datetime, date, time, timedelta, Decimal, UUID, enum.Enum, type(None))
"""Classes that are no float, and hold none; pydantic checks a Decimal itself."""

ARRAYS: Final = (list, tuple, set, frozenset)


class FiniteNumbers:
    """Checks values of one type.

    Args:
        wanted: The annotation of the values.
    """

    def __init__(self, wanted: Any) -> None:
        self._fields: dict[type[Any], tuple[str, ...]] = {}
        self.check: Callable[[Any], bool] = self._check if _may_hold(wanted) else _is_fine
        """Whether all floats of a value are finite."""

    def find(self, value: Any, path: str) -> str:
        """The path of the first that is not."""
        for at, each in self._parts(value):
            if not self._check(each):
                return self.find(each, path + at)
        return path

    def _check(self, value: Any) -> bool:
        cls = cast("Any", type(value))
        if cls is float:
            return math.isfinite(value)
        names = self._fields.get(cls)
        if names is not None:
            return self._check_model(value, names)
        if cls in ARRAYS:
            return self._check_all(value)
        return self._check_other(value)

    def _check_model(self, value: Any, names: tuple[str, ...]) -> bool:
        fields = value.__dict__
        for name in names:  # noqa: SIM110 - faster than all() with a generator
            if not self._check(fields.get(name)) and name in value.__pydantic_fields_set__:
                return False
        return True

    def _check_all(self, values: Iterable[Any]) -> bool:
        return all(map(self._check, values))

    def _check_other(self, value: Any) -> bool:
        cls = cast("Any", type(value))
        if is_model(cls):
            return self._check_model(value, self._names(cls))
        return not isinstance(value, Mapping) or self._check_all(cast("Mapping[str, Any]", value).values())

    def _names(self, model: Any) -> tuple[str, ...]:
        """The fields of a model that may hold floats."""
        if model not in self._fields:
            fields: Mapping[str, Any] = model.model_fields
            self._fields[model] = tuple(name for name, info in fields.items() if _may_hold(info.annotation))
        return self._fields[model]

    def _parts(self, value: Any) -> Iterable[tuple[str, Any]]:
        cls = cast("Any", type(value))
        if is_model(cls):
            given = value.__pydantic_fields_set__
            names = (name for name in self._names(cls) if name in given)
            return ((_at(cls, name), getattr(value, name)) for name in names)
        if isinstance(value, list | tuple):
            return ((f"[{index}]", each) for index, each in enumerate(cast("Iterable[Any]", value)))
        several = cast("Mapping[str, Any]", value).values() if isinstance(value, Mapping) else value
        return (("[...]", each) for each in several) if isinstance(value, (*ARRAYS, Mapping)) else ()


def _at(model: Any, name: str) -> str:
    """How the path of a field goes on from that of its model."""
    return "" if model.__pydantic_root_model__ else f".{next(iter(input_names(model, name)), name)}"


def _is_fine(_value: Any) -> bool:
    return True


def _may_hold(annotation: Any) -> bool:
    """Whether a value of a type may be a float or hold one. A model does not count as one that holds none."""
    for each in members(annotation):
        origin = get_origin(each)
        inside = () if origin is Literal else get_args(each)
        if any(map(_may_hold, inside)) if inside else origin is not Literal and not _is_without(each):
            return True
    return False


def _is_without(kind: Any) -> bool:
    return kind is None or kind is ... or (isinstance(kind, type) and issubclass(kind, WITHOUT))
