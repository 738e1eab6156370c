"""Models of pydantic: reading JSON and texts into them.

Owns all that needs pydantic, and is the only module that imports it. It is imported only where a route names a model.
Pure. It does not know routes.

A model is read by its own rules: its strictness, its aliases, what it does with unknown fields. Two are the library's,
as for other classes: what is not JSON is a 400 (pydantic reads `NaN`), and a number that a client sends is finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from .._ground.pydantic_classes import check_supported, models_in
from .field_reader import Field, Fields, Takes
from .finite_numbers import FiniteNumbers
from .pydantic_errors import refusal
from .pydantic_types import input_names, is_object, is_sequence, item_type, members
from .uploaded_file import UploadedFile
from .validation import InvalidModel

__all__ = ("ModelReader", "fields_of_model")

SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
"""Checks that a text is JSON without decoding it."""

MANY: Final = 1000
"""The number of errors above which none is told: pydantic collects one for each item of a list."""


class ModelReader:
    """Reads values into models.

    Args:
        wanted: The annotation, which names at least one model.

    Raises:
        TypeError: It names something that pydantic does not support, or that is not defined.
    """

    def __init__(self, wanted: Any) -> None:
        check_supported(wanted)
        try:
            for model in models_in(wanted):
                model.model_rebuild()  # one that is complete is left as it is
            adapter = TypeAdapter[Any](wanted)
        except (PydanticUndefinedAnnotation, PydanticUserError) as problem:
            raise TypeError(str(problem.message).partition(". ")[0]) from None  # what follows is advice on pydantic
        self._wanted = wanted
        self._validator = adapter.validator
        self._finite = FiniteNumbers(wanted)

    def decode(self, text: bytes | str) -> Any:
        """Read JSON.

        Raises:
            ValueError: It is no JSON (msgspec's DecodeError, UnicodeDecodeError) or does not fit (InvalidModel).
            RecursionError: It is nested too deeply.
        """
        SYNTAX.decode(text)
        try:
            value = self._validator.validate_json(text)
        except ValidationError as problem:
            raise self._refusal_of_json(problem, text) from problem
        return self._checked(value)

    def convert(self, values: Mapping[str, Any]) -> Any:
        """Read texts by name, from a query or a form. They are converted also by a model that is strict.

        Raises:
            InvalidModel: They do not fit.
        """
        try:
            value = self._validator.validate_python(values, strict=False)
        except ValidationError as problem:
            raise self._refusal(problem, strict=False) from problem
        return self._checked(value)

    def _refusal_of_json(self, problem: ValidationError, text: bytes | str) -> Exception:
        if problem.error_count() > 1 or (error := _errors(problem)[0])["type"] != "json_invalid":
            return self._refusal(problem, strict=True)
        msgspec.json.decode(text)  # which mostly raises what it would for another class
        reason = str(error["ctx"]["error"])
        return RecursionError() if reason.startswith("recursion") else msgspec.DecodeError(reason)

    def _refusal(self, problem: ValidationError, *, strict: bool) -> InvalidModel:
        if problem.error_count() > MANY:
            return InvalidModel(f"Invalid value in {problem.error_count()} places", "$")
        return refusal(self._wanted, _errors(problem), strict=strict)

    def _checked(self, value: Any) -> Any:
        if not self._finite.check(value):
            raise InvalidModel("Expected a finite number", self._finite.find(value, "$"))
        return value


def _errors(problem: ValidationError) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", problem.errors())


# -- texts by name


def fields_of_model(model: type[BaseModel]) -> Fields:
    """The fields of a model, into which a query or a form is read.

    Raises:
        TypeError: The model has none, or pydantic does not support one of them.
    """
    reader = ModelReader(model)
    if model.__pydantic_root_model__:
        raise TypeError("the model must have fields; it has a root")
    fields = tuple(_field(model, name, info) for name, info in model.model_fields.items())
    return Fields(fields, None, reader.convert)


def _field(model: type[BaseModel], name: str, info: Any) -> Field:
    names = input_names(model, name)
    if not names:
        raise TypeError(f"its field {name!r} has an AliasPath, for which a form or a query has no place")
    kinds = tuple(members(info.annotation))
    items = tuple(each for kind in kinds for each in (_items(kind) if is_sequence(kind) else (kind,)))
    takes = Takes.FILES if UploadedFile in items else Takes.NOTHING if any(map(is_object, items)) else Takes.TEXT
    return Field(name, names, takes, any(map(is_sequence, kinds)))


def _items(kind: Any) -> Iterable[Any]:
    return members(item_type(kind, 0))
