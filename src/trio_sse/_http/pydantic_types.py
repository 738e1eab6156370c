"""Annotations of pydantic's models, taken apart.

Owns the questions to an annotation that the reading of a model and its errors have in common: which types it consists
of, which fields and items they have. Pure. It does not import pydantic.

msgspec's description of types, which `type_info` has, knows no models.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Set
from collections.abc import Sequence as AnySequence
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints, is_typeddict

import attrs

from .._ground.pydantic_classes import is_model
from .._ground.signatures import UNIONS

__all__ = ("fields_of", "input_names", "is_object", "is_sequence", "item_type", "key_and_value", "members")

TEXTS: Final = (str, bytes, bytearray)


def members(annotation: Any) -> Iterator[Any]:
    """The types of a union; any other type by itself. A model with a root has the types of its root."""
    annotation = getattr(annotation, "__value__", annotation)  # type Pet = Cat | Dog
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin in UNIONS:
        for each in get_args(annotation):
            yield from members(each)
    elif is_model(annotation) and annotation.__pydantic_root_model__:
        yield from members(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def is_object(kind: Any) -> bool:
    """Whether a type is an object in JSON."""
    cls = get_origin(kind) or kind
    return _is_subclass(cls, Mapping) or is_model(cls) or _is_class_with_fields(cls)


def is_sequence(kind: Any) -> bool:
    """Whether a type is an array in JSON."""
    cls = get_origin(kind) or kind
    return _is_subclass(cls, AnySequence | Set) and not _is_subclass(cls, TEXTS)


def item_type(kind: Any, index: int) -> Any:
    """The type of an item of an array; None for any other type."""
    if not is_sequence(kind):
        return None
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments[-1:] != (...,):
        return arguments[index] if index < len(arguments) else Any
    return arguments[0] if arguments else Any


def key_and_value(kind: Any) -> tuple[Any, Any] | None:
    """The types of the keys and values of a dict; None for any other type."""
    if not _is_subclass(get_origin(kind) or kind, Mapping):
        return None
    key, value = get_args(kind) or (Any, Any)
    return key, value


def fields_of(kind: Any) -> Mapping[str, Any]:
    """The types of the fields of a class, by each name that a client may give them."""
    cls = get_origin(kind) or kind
    if is_model(cls):
        fields = cls.model_fields.items()
        return {each: info.annotation for name, info in fields for each in (name, *input_names(cls, name))}
    try:
        return get_type_hints(cls, include_extras=True) if _is_class_with_fields(cls) else {}
    except NameError:
        return {}


def input_names(model: Any, name: str) -> tuple[str, ...]:
    """The names by which a client gives a field of a model; none if it is given by a path only."""
    config, alias = model.model_config, model.model_fields[name].validation_alias
    choices = () if alias is None else getattr(alias, "choices", (alias,))
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    by_alias = config.get("validate_by_alias", True) and choices
    names = tuple(each for each in choices if isinstance(each, str)) if by_alias else ()
    return (*names, name) if by_name or not by_alias else names


def _is_class_with_fields(cls: Any) -> bool:
    return dataclasses.is_dataclass(cls) or attrs.has(cls) or is_typeddict(cls)


def _is_subclass(cls: Any, wanted: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, wanted)
