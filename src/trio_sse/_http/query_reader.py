"""The query reader: a query string as a value of a model.

Owns which models a query can be read into, and reading it. Pure. It does not know routes: a model that cannot be read
is a TypeError, which the planner turns into a message that names the route.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from ..errors import UnprocessableContent
from .headers import QueryParams
from .input_filter import InputFilter, private_fields
from .type_info import OBJECTS, SEQUENCES, STRUCTURED, members, type_info
from .validation import VALIDATION_ERRORS, explain

__all__ = ("QueryReader",)


@attrs.frozen
class QueryReader:
    """Reads a query string into a model.

    Attributes:
        model: The type to convert to.
        fields: The names that the model reads; others are ignored, as are private fields.
        sequences: The fields that take all values of their name.
        filter: Refuses numbers that are not finite; None if the model has no numbers.
    """

    model: Any
    fields: frozenset[str]
    sequences: frozenset[str]
    filter: InputFilter | None

    @classmethod
    def of(cls, model: Any) -> QueryReader:
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
            if any(isinstance(member, STRUCTURED) for member in members(field.type)):
                raise TypeError(f"its field {field.name!r} has a type that text cannot be read into")
        sequences = frozenset(field.encode_name for field in fields if _is_sequence(field.type))
        return cls(model, names, sequences, InputFilter.of(info, strict=False))

    def read(self, query: QueryParams) -> Any:
        """Read a query string.

        Raises:
            UnprocessableContent: It does not fit the model.
        """
        given: Any = {name: self._value(name, query.get_all(name)) for name in self.fields.intersection(query)}
        try:
            given = given if self.filter is None else self.filter.apply(given)
            return msgspec.convert(given, self.model, strict=False)
        except VALIDATION_ERRORS as problem:
            raise UnprocessableContent(f"The query does not fit: {explain(problem)}") from problem

    def _value(self, name: str, found: tuple[str, ...]) -> Any:
        if name in self.sequences:
            return found
        first, *others = found
        if others:
            raise UnprocessableContent(f"The query names {name!r} more than once.")
        return first


def _is_sequence(info: Any) -> bool:
    return any(isinstance(member, SEQUENCES) for member in members(info))
