"""pydantic's classes: which annotations name its models, found without importing it.

Owns what marks such a class, and the refusal of those that are not supported. A program that has a model has imported
pydantic already, so nothing here has to; `_http.pydantic_models`, which reads models, is imported only where there is
one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin

__all__ = ("check_supported", "is_model", "models_in")

OLD: Final = frozenset({"pydantic.main", "pydantic.v1.main"})
"""The modules of `BaseModel`, in pydantic 1 and in its copy in pydantic 2."""


def is_model(cls: object) -> bool:
    """Whether something is a model class of pydantic 2."""
    return isinstance(cls, type) and _validates(cls) and not dataclasses.is_dataclass(cls)


def models_in(annotation: Any) -> list[Any]:
    """The models that an annotation names: `Order`, `list[Order]`, `Cat | Dog`. The fields of a class do not count."""
    return [cls for cls in _classes(annotation) if is_model(cls)]


def check_supported(annotation: Any) -> None:
    """Check that an annotation names no class of pydantic that is not supported.

    Raises:
        TypeError: It does.
    """
    for cls in _classes(annotation):
        name = cls.__name__
        if _validates(cls) and dataclasses.is_dataclass(cls):
            raise TypeError(f"{name} is a dataclass of pydantic; make it a BaseModel")
        if not _validates(cls) and any(base.__name__ == "BaseModel" and base.__module__ in OLD for base in cls.__mro__):
            raise TypeError(f"{name} is a model of pydantic 1; models of pydantic 2 are supported")


def _validates(cls: type[Any]) -> bool:
    return hasattr(cls, "__pydantic_validator__")


def _classes(annotation: Any) -> Iterator[type[Any]]:
    """The classes that an annotation names."""
    annotation = getattr(annotation, "__value__", annotation)  # type Orders = list[Order]
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        arguments = arguments[:1]
    elif isinstance(annotation, type):
        yield annotation
    for each in arguments:
        yield from _classes(each)
