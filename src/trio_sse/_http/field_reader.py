"""The field reader: texts by name, as a value of a model. The query string and forms are read by it.

Owns which models can be read, and the conversion. Pure. It does not know routes: a model that cannot be read is a
TypeError, which the planner turns into a message that names the route.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import msgspec

from ..errors import UnprocessableContent
from .input_filter import InputFilter, private_fields
from .type_info import OBJECTS, SEQUENCES, STRUCTURED, members, type_info
from .validation import VALIDATION_ERRORS, explain

__all__ = ("FieldReader",)


@attrs.frozen
class FieldReader:
    """Reads values by name into a model.

    Attributes:
        model: The type to convert to.
        fields: The names that the model reads; others are ignored, as are private fields.
        sequences: The fields that take all values of their name.
        filter: Refuses numbers that are not finite; None if the model has no numbers.
    """

    what: ClassVar[str]
    """What is read, for messages."""

    model: Any
    fields: frozenset[str]
    sequences: frozenset[str]
    filter: InputFilter | None

    @classmethod
    def of(cls, model: Any) -> Self:
        """Prepare a reader.

        Raises:
            TypeError: The model is not a class with fields, text cannot be read into a field, or a private field has
                no default.
        """
        info = type_info(model)
        if not isinstance(info, OBJECTS) or getattr(info, "array_like", False):
            raise TypeError("the model must have fields: an attrs class or a dataclass")
        names = frozenset(field.encode_name for field in info.fields) - private_fields(info)
        fields = [field for field in info.fields if field.encode_name in names]
        for field in fields:
            if not cls.can_read(field.type):
                raise TypeError(f"its field {field.name!r} has a type that text cannot be read into")
        sequences = frozenset(field.encode_name for field in fields if _is_sequence(field.type))
        return cls(model, names, sequences, InputFilter.of(info, strict=False))

    @classmethod
    def can_read(cls, info: Any) -> bool:
        """Whether a field may be of this type."""
        return not any(isinstance(member, STRUCTURED) for member in members(info))

    def convert(self, values: Mapping[str, Sequence[Any]]) -> Any:
        """Make a value of the model from all values of each name.

        Raises:
            UnprocessableContent: They do not fit the model.
        """
        given: Any = {name: self._value(name, values[name]) for name in self.fields.intersection(values)}
        try:
            given = given if self.filter is None else self.filter.apply(given)
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


def _is_sequence(info: Any) -> bool:
    return any(isinstance(member, SEQUENCES) for member in members(info))
