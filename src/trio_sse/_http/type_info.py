"""Types: what msgspec makes of an annotation, and which groups of types the readers tell apart.

Owns the groups, and the walk through a type. Pure. It reads no values, and it does not know routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import inspect

__all__ = ("OBJECTS", "SCALARS", "SEQUENCES", "STRUCTURED", "item_types", "members", "reachable", "type_info")

SCALARS: Final = (
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
COLLECTIONS: Final = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
SEQUENCES: Final = (*COLLECTIONS, inspect.TupleType)
OBJECTS: Final = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
"""Classes with named fields. msgspec describes an attrs class as a dataclass."""

STRUCTURED: Final = (*OBJECTS, inspect.NamedTupleType, inspect.DictType, inspect.CustomType)


def type_info(model: Any) -> Any:
    """What msgspec makes of a type.

    Raises:
        TypeError: msgspec does not support it, or an annotation inside names what is imported for type checkers only.
    """
    try:
        return _bare(inspect.type_info(model))
    except NameError as problem:
        raise TypeError(f"{problem}; a name that an annotation uses must be imported at run time") from None
    except NotImplementedError as problem:
        raise TypeError(str(problem)) from None


def members(info: Any) -> tuple[Any, ...]:
    """The members of a union; any other type by itself."""
    info = _bare(info)
    return tuple(map(_bare, info.types)) if isinstance(info, inspect.UnionType) else (info,)


def item_types(info: Any, count: int) -> tuple[Any, ...]:
    """The types of the items of a JSON array with so many items; fewer, if it has items that the type has not."""
    if isinstance(info, COLLECTIONS):
        return (info.item_type,) * count
    if isinstance(info, inspect.TupleType):
        return info.item_types[:count]
    tag = (inspect.AnyType(),) if getattr(info, "tag", None) is not None else ()
    return (*tag, *(field.type for field in info.fields))[:count]


def reachable(info: Any) -> Iterator[Any]:
    """The type and every type inside it, each one once, since a class may refer to itself."""
    seen: set[int] = set()
    rest = [info]
    while rest:
        each = rest.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            rest.extend(_parts(each))


def _parts(info: Any) -> tuple[Any, ...]:
    match info:
        case inspect.UnionType() | inspect.Metadata():
            return members(info)
        case inspect.DictType():
            return (info.key_type, info.value_type)
        case inspect.TupleType():
            return tuple(info.item_types)
        case inspect.NamedTupleType() | inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return tuple(field.type for field in info.fields)
        case _:
            return (info.item_type,) if isinstance(info, COLLECTIONS) else ()


def _bare(info: Any) -> Any:
    return info.type if isinstance(info, inspect.Metadata) else info
