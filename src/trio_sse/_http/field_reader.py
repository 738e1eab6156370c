"""The field reader: texts by name, as a value of a model. The query string and forms are read by it.

Owns which models can be read, and the conversion. Pure. It does not know routes: a model that cannot be read is a
TypeError, which the planner turns into a message that names the route.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import msgspec
from msgspec import inspect

from .._ground.pydantic_classes import check_supported, is_model
from ..errors import UnprocessableContent
from .input_filter import InputFilter, private_fields
from .type_info import OBJECTS, SEQUENCES, STRUCTURED, item_types, members, type_info
from .uploaded_file import UploadedFile
from .validation import VALIDATION_ERRORS, explain

__all__ = ("Field", "FieldReader", "Fields", "Takes")


class Takes(enum.Enum):
    """What can be read into a field."""

    TEXT = enum.auto()
    FILES = enum.auto()
    NOTHING = enum.auto()


@attrs.frozen
class Field:
    """A field of a model that a client may set.

    Attributes:
        name: Its name in the class.
        names: The names by which a client gives it.
        takes: What can be read into it.
        is_sequence: Whether it takes all values of its name.
    """

    name: str
    names: tuple[str, ...]
    takes: Takes
    is_sequence: bool


@attrs.frozen
class Fields:
    """The fields of a model.

    Attributes:
        fields: Those that a client may set.
        filter: Refuses numbers that are not finite; None if the model has no numbers.
        convert: Makes a value of the model from the values by name, with checks of its own; None if msgspec does.
    """

    fields: tuple[Field, ...]
    filter: InputFilter | None
    convert: Callable[[Any], Any] | None = None

    @classmethod
    def of(cls, model: Any) -> Fields:
        """Find the fields of a model.

        Raises:
            TypeError: It is not a class with fields, or a private field has no default.
        """
        if is_model(model):
            from .pydantic_models import fields_of_model  # noqa: PLC0415 - needs pydantic

            return fields_of_model(model)
        check_supported(model)
        info = type_info(model)
        if not isinstance(info, OBJECTS) or getattr(info, "array_like", False):
            raise TypeError("the model must have fields: an attrs class or a dataclass")
        private = private_fields(info)
        fields = tuple(_field(field) for field in info.fields if field.encode_name not in private)
        return cls(fields, InputFilter.of(info, strict=False))


def _field(field: Any) -> Field:
    kinds = members(field.type)
    files = any(_is_file(each) for kind in kinds for each in _items(kind))
    structured = any(isinstance(kind, STRUCTURED) for kind in kinds)
    takes = Takes.FILES if files else Takes.NOTHING if structured else Takes.TEXT
    return Field(field.name, (field.encode_name,), takes, any(isinstance(kind, SEQUENCES) for kind in kinds))


def _items(info: Any) -> tuple[Any, ...]:
    return item_types(info, 1) if isinstance(info, SEQUENCES) else (info,)


def _is_file(info: Any) -> bool:
    return isinstance(info, inspect.CustomType) and info.cls is UploadedFile


@attrs.frozen
class FieldReader:
    """Reads values by name into a model.

    Attributes:
        model: The type to convert to.
        fields: The names that the model reads; others are ignored, as are private fields.
        sequences: The fields that take all values of their name.
        files: The fields that take files.
        filter: Refuses numbers that are not finite; None if the model has no numbers.
        own_convert: Converts in place of msgspec, for a model of pydantic.
    """

    what: ClassVar[str]
    """What is read, for messages."""

    takes: ClassVar[tuple[Takes, ...]] = (Takes.TEXT,)
    """What the fields of a model may take."""

    model: Any
    fields: frozenset[str]
    sequences: frozenset[str]
    files: frozenset[str]
    filter: InputFilter | None
    own_convert: Callable[[Any], Any] | None

    @classmethod
    def of(cls, model: Any) -> Self:
        """Prepare a reader.

        Raises:
            TypeError: The model is not a class with fields, text cannot be read into a field, or a private field has
                no default.
        """
        found = Fields.of(model)
        for field in found.fields:
            if field.takes not in cls.takes:
                raise TypeError(f"its field {field.name!r} has a type that text cannot be read into")
        return cls(
            model=model,
            fields=_names(found.fields),
            sequences=_names(field for field in found.fields if field.is_sequence),
            files=_names(field for field in found.fields if field.takes is Takes.FILES),
            filter=found.filter,
            own_convert=found.convert,
        )

    def convert(self, values: Mapping[str, Sequence[Any]]) -> Any:
        """Make a value of the model from all values of each name.

        Raises:
            UnprocessableContent: They do not fit the model.
        """
        given: Any = {name: self._value(name, values[name]) for name in self.fields.intersection(values)}
        try:
            given = given if self.filter is None else self.filter.apply(given)
            if self.own_convert is not None:
                return self.own_convert(given)
            return msgspec.convert(given, self.model, strict=False)
        except VALIDATION_ERRORS as problem:
            raise UnprocessableContent(f"The {self.what} does not fit: {explain(problem)}") from problem

    def _value(self, name: str, found: Sequence[Any]) -> Any:
        if name in self.sequences:
            return found
        first, *others = found
        if others:
            raise UnprocessableContent(f"The {self.what} names {name!r} more than once.")
        return first


def _names(fields: Iterable[Field]) -> frozenset[str]:
    return frozenset(name for field in fields for name in field.names)
