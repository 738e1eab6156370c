"""The class whose value a step takes for all path parameters: `params: OrderPath`.

Owns which classes can be one, and their fields. Pure. It does not know paths.
"""

from __future__ import annotations

from typing import Any

import attrs

from .._ground.pydantic_classes import is_model

__all__ = ("ParamsField", "is_params_class", "params_fields")


@attrs.frozen
class ParamsField:
    """A field that the constructor takes.

    Attributes:
        name: Its name, which is that of a path parameter.
        argument: The name of the constructor's argument.
        required: Whether it has no default.
    """

    name: str
    argument: str
    required: bool


def is_params_class(annotation: Any) -> bool:
    """Whether an annotation is an attrs class or a model of pydantic."""
    return attrs.has(annotation) or is_model(annotation)


def params_fields(model: Any) -> tuple[ParamsField, ...]:
    """The fields of such a class that its constructor takes."""
    if attrs.has(model):
        fields = (field for field in attrs.fields(model) if field.init)
        return tuple(ParamsField(each.name, str(each.alias), each.default is attrs.NOTHING) for each in fields)
    return tuple(
        ParamsField(name, info.validation_alias if isinstance(info.validation_alias, str) else name, info.is_required())
        for name, info in model.model_fields.items()
    )
