"""The input filter: removes from a client's values what a client cannot set, before a model is made of them.

Owns which fields are private, and where text must be a finite number. Pure. It reads msgspec's description of a type;
it makes no models, and does not know requests.

msgspec fills every field of a class by its name: `?_admin=true` would set an attrs class's `_admin`, which its encoder
leaves out of JSON, and a field with `init=False`, which its constructor does not take. No option of msgspec prevents
this, so the values are filtered before they are converted. Types without such fields have no filter, and pay nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast, get_origin

import attrs
import msgspec
from msgspec import inspect

from .numbers import is_nonstandard_number
from .type_info import OBJECTS, SEQUENCES, item_types, members, reachable

__all__ = ("InputFilter", "private_fields")


def private_fields(info: Any) -> frozenset[str]:
    """The fields of a class that a client cannot set, by their names in JSON; empty for any other type.

    Raises:
        TypeError: One of them has no default, so that no value could be made.
    """
    private = [field for field in info.fields if _is_private(info, field)] if isinstance(info, OBJECTS) else []
    for field in private:
        if field.required:
            raise TypeError(
                f"the field {info.cls.__name__}.{field.name} cannot be set by a client, since it "
                f"{'is private' if field.name.startswith('_') else 'has init=False'}; give it a default"
            )
    if private and getattr(info, "array_like", False):
        raise TypeError(f"{info.cls.__name__} is an array in JSON, and cannot have private fields")
    return frozenset(field.encode_name for field in private)


def _is_private(info: Any, field: inspect.Field) -> bool:
    if isinstance(info, inspect.StructType):  # an explicit name, as in field(name="x"), makes a field public
        return field.name.startswith("_") and field.encode_name.startswith("_")
    if isinstance(info, inspect.TypedDictType):  # a dict has keys, not fields
        return False
    return field.name.startswith("_") or not _is_argument(info.cls, field.name)


def _is_argument(cls: type[Any], name: str) -> bool:
    """Whether the constructor takes a field."""
    cls = get_origin(cls) or cls
    if attrs.has(cls):
        return bool(attrs.fields_dict(cls)[name].init)
    return next(field.init for field in dataclasses.fields(cls) if field.name == name)


@attrs.frozen
class InputFilter:
    """Filters values of one type.

    Attributes:
        info: The type.
        private: The private fields of each class inside it, by the id of the class's info.
        numbers: The types of number for which text is checked.
    """

    info: Any
    private: dict[int, frozenset[str]]
    numbers: tuple[type[Any], ...]

    @classmethod
    def of(cls, info: Any, *, strict: bool) -> Self | None:
        """The filter of a type; None if there is nothing to filter.

        Args:
            info: The type.
            strict: Whether text is not converted to float, as in JSON.

        Raises:
            TypeError: A private field has no default.
        """
        inside = list(reachable(info))
        private = {id(each): private_fields(each) for each in inside}
        numbers = (inspect.DecimalType,) if strict else (inspect.DecimalType, inspect.FloatType)
        needed = any(private.values()) or any(isinstance(each, numbers) for each in inside)
        return cls(info, private, numbers) if needed else None

    def apply(self, value: Any) -> Any:
        """The value without private fields.

        Args:
            value: What JSON is decoded to: dict, list, text, and numbers.

        Raises:
            ValidationError: msgspec's; a number is not finite, or a class that forbids unknown fields gets a private
                one.
        """
        return self._filter(self.info, value, "$")

    def _filter(self, info: Any, value: Any, path: str) -> Any:
        kinds = members(info)
        if isinstance(value, str):
            return self._number(kinds, value, path)
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return self._object(_object_type(kinds, fields), fields, path)
        if isinstance(value, list | tuple):
            items = tuple(cast("Iterable[Any]", value))
            return self._array(_array_type(kinds, items), items, path)
        return value

    def _number(self, kinds: tuple[Any, ...], text: str, path: str) -> str:
        is_text = any(isinstance(each, inspect.StrType | inspect.AnyType) for each in kinds)
        is_number = any(isinstance(each, self.numbers) for each in kinds)
        if is_number and not is_text and is_nonstandard_number(text):
            raise msgspec.ValidationError(f"Expected a finite number - at `{path}`")
        return text

    def _object(self, info: Any, value: dict[str, Any], path: str) -> dict[str, Any]:
        if isinstance(info, inspect.DictType):
            return {
                self._filter(info.key_type, key, f"key` in `{path}"): self._filter(
                    info.value_type, each, f"{path}[...]"
                )
                for key, each in value.items()
            }
        if info is None:
            return value
        private = self.private[id(info)]
        if private.intersection(value) and getattr(info, "forbid_unknown_fields", False):
            raise msgspec.ValidationError(f"Object contains a private field - at `{path}`")
        types = {field.encode_name: field.type for field in info.fields}
        return {
            name: self._filter(types[name], each, f"{path}.{name}") if name in types else each
            for name, each in value.items()
            if name not in private
        }

    def _array(self, info: Any, items: tuple[Any, ...], path: str) -> list[Any]:
        types = () if info is None else item_types(info, len(items))
        known = [self._filter(each, items[i], f"{path}[{i}]") for i, each in enumerate(types)]
        return [*known, *items[len(known) :]]


# msgspec allows one class or dict in a union and one kind of array, or several structs that are told apart by a tag.


def _object_type(kinds: tuple[Any, ...], value: Mapping[str, Any]) -> Any:
    """The type of a JSON object among the members of a union; None if there is none."""
    objects: list[Any] = [
        each for each in kinds if isinstance(each, (*OBJECTS, inspect.DictType)) and not _is_array_like(each)
    ]
    if len(objects) < 2:
        return objects[0] if objects else None
    return next((each for each in objects if value.get(each.tag_field) == each.tag), None)


def _array_type(kinds: tuple[Any, ...], items: tuple[Any, ...]) -> Any:
    """The type of a JSON array among the members of a union; None if there is none."""
    arrays: list[Any] = [each for each in kinds if isinstance(each, SEQUENCES) or _is_array_like(each)]
    if len(arrays) < 2:
        return arrays[0] if arrays else None
    return next((each for each in arrays if items[:1] == (each.tag,)), None)


def _is_array_like(info: Any) -> bool:
    """Whether a class with fields is an array in JSON."""
    return isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False)
