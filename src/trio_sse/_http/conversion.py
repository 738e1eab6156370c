"""Conversion: which annotated types the text of a request can be read into, and reading it.

Owns the rules for path segments, query strings and JSON bodies, on top of msgspec. It knows no routes: a type that
cannot be read is a TypeError, which is worded for people where the route is known.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import attrs
import msgspec
from msgspec import inspect

from .._ground.naming import type_name
from .._ground.text import ascii_lower, strip_blanks
from ..errors import BadRequest, UnprocessableContent, UnsupportedMediaType
from .headers import Headers, QueryParams

__all__ = ("BodyReader", "QueryReader", "check_segment_type", "read_segment")

SCALARS = (
    inspect.StrType,
    inspect.IntType,
    inspect.FloatType,
    inspect.BoolType,
    inspect.UUIDType,
    inspect.EnumType,
    inspect.LiteralType,
    inspect.DecimalType,
    inspect.DateType,
    inspect.DateTimeType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.NoneType,
)
SEQUENCES = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.TupleType,
)
OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
STRUCTURED = (*OBJECTS, inspect.NamedTupleType, inspect.DictType, inspect.CustomType)


def check_segment_type(wanted: Any) -> None:
    """Check that a path segment can be read into a type.

    Raises:
        TypeError: It cannot.
    """
    if not all(isinstance(member, SCALARS) for member in _members(_type_info(wanted))):
        raise TypeError(f"{type_name(wanted)} is not written as one piece of text")


def read_segment(text: str, wanted: Any) -> Any:
    """Read a path segment.

    A thing should have one address, so an integer is read only as it is written (msgspec would read `1e3`), and the
    names of no number and of no value (`nan`, `null`) are not read.

    Raises:
        ValueError: It does not fit the type.
    """
    value = msgspec.convert(text, wanted, strict=False)
    if value is None or (type(value) is int and str(value) != text):
        raise ValueError(text)
    finite = value.is_finite() if isinstance(value, Decimal) else not isinstance(value, float) or math.isfinite(value)
    if not finite:
        raise ValueError(text)
    return value


@attrs.frozen
class QueryReader:
    """Reads a query string into a model.

    Attributes:
        model: The type to convert to.
        fields: The names that the model reads; others are ignored.
        sequences: Those of them that take every value of their name.
    """

    model: Any
    fields: frozenset[str]
    sequences: frozenset[str]

    @classmethod
    def of(cls, model: Any) -> QueryReader:
        """Look at a model.

        Raises:
            TypeError: It is not a class with fields, or a field is nothing that text can be read into.
        """
        info = _type_info(model)
        if not isinstance(info, OBJECTS) or getattr(info, "array_like", False):
            raise TypeError("the model must have fields: an attrs class or a dataclass")
        for field in info.fields:
            if any(isinstance(member, STRUCTURED) for member in _members(field.type)):
                raise TypeError(f"its field {field.name!r} has a type that text cannot be read into")
        names = frozenset(field.encode_name for field in info.fields)
        return cls(model, names, frozenset(f.encode_name for f in info.fields if _is_sequence(f.type)))

    def read(self, query: QueryParams) -> Any:
        """Read a query string.

        Raises:
            UnprocessableContent: It does not fit the model.
        """
        given = {name: self._value(name, query.get_all(name)) for name in self.fields.intersection(query)}
        try:
            return msgspec.convert(given, self.model, strict=False)
        except ValueError as problem:  # msgspec's own, and a bare one that it lets through: the year 10000
            raise UnprocessableContent(f"The query does not fit: {problem}") from None

    def _value(self, name: str, found: tuple[str, ...]) -> Any:
        if name in self.sequences:
            return found
        first, *others = found
        if others:
            raise UnprocessableContent(f"The query names {name!r} more than once.")
        return first


@attrs.frozen
class BodyReader:
    """Reads a JSON body into a model."""

    decoder: msgspec.json.Decoder[Any]

    @classmethod
    def of(cls, model: Any) -> BodyReader:
        """Look at a model.

        Raises:
            TypeError: It is nothing that JSON can be read into.
        """
        if isinstance(_type_info(model), inspect.CustomType):
            raise TypeError("it is a plain class; make it an attrs class or a dataclass")
        return cls(msgspec.json.Decoder(model))

    @staticmethod
    def check_media_type(headers: Headers) -> None:
        """Check that the body says that it is JSON.

        A page of another origin can post forms, plain text and untyped bodies without asking (WHATWG Fetch,
        CORS-safelisted request), and none of them must pass for JSON.

        Raises:
            UnsupportedMediaType: It does not say so.
        """
        media_type = ascii_lower(strip_blanks(headers.get("content-type", "").partition(";")[0]))
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType("This path reads application/json.")

    def read(self, body: bytes) -> Any:
        """Read a body.

        Raises:
            UnprocessableContent: It does not fit the model.
            BadRequest: It is not JSON, or is nested without end.
        """
        try:
            return self.decoder.decode(body)
        except msgspec.ValidationError as problem:
            raise UnprocessableContent(f"The body does not fit: {problem}") from None
        except RecursionError:
            raise BadRequest("The body is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise BadRequest(f"The body is not JSON: {problem}") from None


def _type_info(model: Any) -> Any:
    """What msgspec makes of a type.

    Raises:
        TypeError: Nothing; also where an annotation inside names what is imported for type checkers only.
    """
    try:
        return _bare(inspect.type_info(model))
    except NameError as problem:
        raise TypeError(f"{problem}; a name that an annotation uses must be imported at run time") from None


def _bare(info: Any) -> Any:
    return info.type if isinstance(info, inspect.Metadata) else info


def _members(info: Any) -> tuple[Any, ...]:
    info = _bare(info)
    return tuple(map(_bare, info.types)) if isinstance(info, inspect.UnionType) else (info,)


def _is_sequence(info: Any) -> bool:
    return any(isinstance(member, SEQUENCES) for member in _members(info))
