"""The refusals of pydantic's models, in the words that other classes are refused in.

Owns the translation of pydantic's errors, of which the first one is told. Pure. It does not import pydantic.

Where msgspec refuses the value too, the words are msgspec's own. Those of pydantic are used where they say nothing of
the program: neither the names of classes nor the values that are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Union, cast

import attrs
import msgspec
from msgspec import inspect

from .pydantic_types import fields_of, is_object, item_type, key_and_value, members
from .type_info import reachable, type_info
from .validation import INVALID, InvalidModel, words_of

__all__ = ("refusal",)

Error = Mapping[str, Any]

CONSTRAINTS: Final = {
    "greater_than": "Expected a value > {gt}",
    "greater_than_equal": "Expected a value >= {ge}",
    "less_than": "Expected a value < {lt}",
    "less_than_equal": "Expected a value <= {le}",
    "multiple_of": "Expected a multiple of {multiple_of}",
    "string_too_short": "Expected length >= {min_length}",
    "string_too_long": "Expected length <= {max_length}",
    "bytes_too_short": "Expected length >= {min_length}",
    "bytes_too_long": "Expected length <= {max_length}",
    "too_short": "Expected length >= {min_length}",
    "too_long": "Expected length <= {max_length}",
    "string_pattern_mismatch": "Expected text matching regex {pattern!r}",
    "finite_number": "Expected a finite number",
}
"""The words for a value that a constraint refuses. They are those for attrs' validators."""

TELLING: Final = ("url_", "decimal_", "string_", "bytes_", "date_", "datetime_", "time_", "timezone_", "uuid_")
"""How the types of those errors begin whose words say nothing of the program."""

KEY: Final = "[key]"
"""Follows the key of a dict in a location, if it is the key that does not fit."""


@attrs.frozen
class _Place:
    """A place in a value.

    Attributes:
        path: As msgspec writes it: `$.items[0].count`.
        wanted: The annotation there, which may be a union.
        choices: The types that the value may be of.
        chosen: Whether a label in the location has named one of several types.
    """

    path: str
    wanted: Any
    choices: tuple[Any, ...] = attrs.field(
        default=attrs.Factory(lambda self: _not_none(self.wanted), takes_self=True), kw_only=True
    )
    chosen: bool = attrs.field(default=False, kw_only=True)

    def choose(self, label: int | str) -> _Place:
        """The same place, with the type that a label names."""
        named = tuple(each for each in self.choices if getattr(each, "__name__", None) == label)
        return attrs.evolve(self, choices=named or self.choices, chosen=True)

    def inside(self, element: int | str, is_key: bool) -> _Place:
        """The place inside this one; the same one for what is no part of the value."""
        found = (_inside(each, self.path, element, is_key) for each in self.choices)
        return next((each for each in found if each is not None), self)


def refusal(wanted: Any, errors: Sequence[Error], *, strict: bool) -> InvalidModel:
    """The refusal of a value.

    Args:
        wanted: The annotation that the value was to be read into.
        errors: pydantic's errors.
        strict: Whether text is not converted to numbers, as in JSON.
    """
    error = _first(wanted, errors)
    location, kind = error["loc"], error["type"]
    if kind in ("missing", "extra_forbidden"):
        place = _place(wanted, location[:-1])
        return InvalidModel(_words_about_part(error, place.wanted), place.path)
    place = _place(wanted, location)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _without_tag(error, place.path)
    return InvalidModel(_words(error, place.wanted, strict), place.path)


def _first(wanted: Any, errors: Sequence[Error]) -> Error:
    """The first error. If it is about one of the types of a union, the first about the type that fits furthest."""
    first = _place(wanted, errors[0]["loc"])
    if not first.chosen:
        return errors[0]
    same = [error for error in errors if _place(wanted, error["loc"]).path.startswith(first.path)]
    return max(same, key=lambda error: len(error["loc"]))  # the first of several


def _words_about_part(error: Error, wanted: Any) -> str:
    part = error["loc"][-1]
    if isinstance(part, int):
        return _words_of_msgspec(error["input"], wanted, strict=True) or INVALID
    what = "missing required" if error["type"] == "missing" else "contains unknown"
    return f"Object {what} field `{part}`"


def _without_tag(error: Error, path: str) -> InvalidModel:
    """The refusal of an object whose tag is that of no type of a union."""
    field = str(error["ctx"]["discriminator"]).strip("'")
    if error["type"] == "union_tag_not_found":
        return InvalidModel(f"Object missing required field `{field}`", path)
    return InvalidModel(f"Invalid value {error['ctx']['tag']!r}", f"{path}.{field}")


def _words(error: Error, wanted: Any, strict: bool) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in CONSTRAINTS:
        return CONSTRAINTS[kind].format(**context)
    raised = context.get("error")
    if isinstance(raised, Exception):
        return words_of(raised)
    return _words_of_msgspec(error["input"], wanted, strict=strict) or _own_words(error)


def _own_words(error: Error) -> str:
    # One without a URL is a PydanticCustomError, which the app raises for its user.
    tells = error["type"].startswith(TELLING) or "url" not in error
    return str(error["msg"]) if tells else INVALID


def _words_of_msgspec(value: object, wanted: Any, *, strict: bool) -> str | None:
    """What msgspec says to a value, if it does not accept it either."""
    kinds = tuple(dict if is_object(each) else each for each in members(wanted))
    union = cast("Any", Union)[kinds]
    try:
        if any(isinstance(each, inspect.CustomType) for each in reachable(type_info(union))):
            return None  # it would name the class
        msgspec.json.decode(msgspec.json.encode(value), type=union, strict=strict)
    except msgspec.ValidationError as problem:
        return str(problem).partition(" - at ")[0]
    except (TypeError, ValueError):
        return None  # the annotation is not supported
    return None


# -- locations: names of fields, indexes, keys, and labels, of the types of a union and of what a validator wraps


def _place(wanted: Any, location: Sequence[int | str]) -> _Place:
    place = _Place("$", wanted)
    for index, element in enumerate(location):
        if len(place.choices) > 1 and not place.chosen:
            place = place.choose(element)
        else:
            place = place.inside(element, location[index + 1 : index + 2] == (KEY,))
    return place


def _inside(kind: Any, path: str, element: int | str, is_key: bool) -> _Place | None:
    if isinstance(element, int):
        item = item_type(kind, element)
        return None if item is None else _Place(f"{path}[{element}]", item)
    fields = fields_of(kind)
    if element in fields:
        return _Place(f"{path}.{element}", fields[element])
    pair = key_and_value(kind)
    if pair is None:
        return None
    return _Place(f"key` in `{path}", pair[0]) if is_key else _Place(f"{path}[...]", pair[1])


def _not_none(wanted: Any) -> tuple[Any, ...]:
    return tuple(each for each in members(wanted) if each is not None and each is not type(None))
