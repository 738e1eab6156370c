"""Signatures: the parameters of a function or class, their annotations, and whether two annotations can match.

Owns the reading of signatures and the comparison of types. It knows neither routes nor the names that a request has:
`_plan` matches names with parameters.

All of it runs once, when an app is built. An annotation that cannot be evaluated or compared counts as unknown, and
unknown matches everything: a wrong guess would refuse a correct app, and a type checker finds what is missed here.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, NewType, TypeVar, Union, get_args, get_origin

import attrs

from ..errors import BuildError
from .naming import describe

__all__ = (
    "UNIONS",
    "UNKNOWN",
    "Parameter",
    "alternatives",
    "class_annotations",
    "derives",
    "field_annotations",
    "fits",
    "is_distinct",
    "is_type",
    "layers",
    "parameters_of",
    "return_annotation",
)


UNKNOWN: Final = inspect.Parameter.empty
"""Stands for a missing annotation. An annotation that cannot be evaluated at run time remains a text."""

UNIONS: Final = (Union, types.UnionType)

PROMOTED: Final = frozenset({(int, float), (int, complex), (float, complex)})
"""Classes that type checkers accept in place of others although they are not subclasses (PEP 484, "numeric tower")."""


@attrs.frozen
class Parameter:
    """One parameter of a step, a handler or a factory. It is passed by name."""

    name: str
    annotation: Any
    required: bool


def layers(function: Any) -> Iterator[Any]:
    """A function and what it wraps, from the outside in: partials, methods, the `__call__` of objects, decorators."""
    # The kind of a function (async, generator, …) and its annotations may belong to different layers: functools.wraps
    # keeps the kind of the outer function and the annotations of the inner one.
    yield function
    if isinstance(function, functools.partial):
        yield from layers(function.func)
    elif inspect.ismethod(function):
        yield from layers(function.__func__)
    elif not inspect.isclass(function):
        if not inspect.isroutine(function):
            yield from layers(type(function).__call__)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            yield from layers(wrapped)


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """The parameters of a function or class, without those that a `functools.partial` passes by name.

    Raises:
        BuildError: It has parameters that cannot be passed by name.
    """
    target = _constructed(function) if inspect.isclass(function) else function
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        raise BuildError(f"{describe(function)} has no signature to read; wrap it in a function") from None
    hints = _annotations(target)
    bound = _bound(function)
    return tuple(_parameter(function, raw, hints) for raw in signature.parameters.values() if raw.name not in bound)


def return_annotation(function: Callable[..., object]) -> Any:
    """The annotation of what a function returns, or UNKNOWN. A class returns itself."""
    *_, innermost = layers(function)
    return innermost if inspect.isclass(innermost) else _annotations(function).get("return", UNKNOWN)


def field_annotations(cls: Any) -> Mapping[str, Any]:
    """The annotations of the public fields of an attrs class, which may be a generic one with its arguments."""
    cls = get_origin(cls) or cls
    fields = (field for field in attrs.fields(cls) if not field.name.startswith("_"))
    return {field.name: UNKNOWN if field.type is None else _evaluate(cls, field.type) for field in fields}


def class_annotations(cls: type[Any]) -> Mapping[str, Any]:
    """The annotations of a class and its bases; a property has the annotation of what it returns."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):  # each with its own module's names, which a text is evaluated with
        found |= {name: _evaluate(base, text) for name, text in _raw_annotations(base).items()}
        properties = ((name, value) for name, value in vars(base).items() if isinstance(value, property))
        found |= {name: return_annotation(value.fget) for name, value in properties if value.fget is not None}
    return found


def is_type(value: object) -> bool:
    """Whether something is a class, an alias such as `Repository[Order]`, or a NewType, rather than a value."""
    return inspect.isclass(value) or get_origin(value) is not None or isinstance(value, NewType)


def is_distinct(annotation: object) -> bool:
    """Whether a type is distinct from its class, as an Annotated type or a NewType is: neither replaces the other."""
    return get_origin(annotation) is Annotated or isinstance(annotation, NewType)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation accepts, the most specific first: `Annotated[A, …] | None` also accepts A."""
    origin = get_origin(annotation)
    if origin in UNIONS:
        return tuple(each for part in get_args(annotation) for each in alternatives(part))
    return (annotation, get_args(annotation)[0]) if origin is Annotated else (annotation,)


def derives(cls: type[Any], wanted: Any) -> bool:
    """Whether a class is derived from a type. A subclass of `Repository[Order]` is not one of `Repository[User]`."""
    if get_origin(wanted) is None:
        return wanted in cls.__mro__
    return any(wanted in vars(base).get("__orig_bases__", ()) for base in cls.__mro__)


def fits(offered: Any, wanted: Any) -> bool:
    """Whether a value that is annotated `offered` may be of the type `wanted`.

    False only if no value can be of both types: both consist of plain classes, and no class of one is related to a
    class of the other. Types that cannot be compared fit.
    """
    # In both directions: a value annotated as the base class may be an instance of the wanted subclass.
    left, right = _classes(offered), _classes(wanted)
    if left is None or right is None:
        return True
    return any(_related(a, b) or _related(b, a) for a in left for b in right)


def _related(a: type, b: type) -> bool:
    return issubclass(a, b) or (a, b) in PROMOTED


def _constructed(cls: type[Any]) -> type[Any]:
    """The class that defines the `__init__` of a class."""
    # Until the first instance is made, typing replaces the __init__ of a class that is derived from a protocol with a
    # function that takes *args and **kwargs: find the one that will be called.
    if getattr(cls.__init__, "__module__", "") != "typing":
        return cls
    own = ((base, vars(base)["__init__"]) for base in cls.__mro__ if "__init__" in vars(base))
    return next(base for base, init in own if getattr(init, "__module__", "") != "typing")


def _bound(function: Any) -> Mapping[str, object]:
    return function.keywords if isinstance(function, functools.partial) else {}


def _parameter(function: Callable[..., object], raw: inspect.Parameter, hints: Mapping[str, Any]) -> Parameter:
    if raw.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
        bare = raw.replace(annotation=inspect.Parameter.empty)
        raise BuildError(
            f"{describe(function)} has the parameter {str(bare)!r}: values are given by name, one for each named "
            "parameter; *args, **kwargs and positional-only parameters cannot be filled"
        )
    required = raw.default is inspect.Parameter.empty
    return Parameter(raw.name, hints.get(raw.name, UNKNOWN), required)


def _annotations(function: Callable[..., object]) -> Mapping[str, Any]:
    """The annotations of a function or class, evaluated as far as possible."""
    *_, target = layers(function)
    if inspect.isclass(target):
        target = target.__init__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating an annotation can raise anything
        # get_type_hints fails as a whole if one annotation names what is imported under `if TYPE_CHECKING`. Evaluate
        # each by itself, so that the others are known.
        return {name: _evaluate(target, text) for name, text in _raw_annotations(target).items()}


def _raw_annotations(target: Any) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):  # annotations are evaluated lazily there (PEP 649)
        import annotationlib  # noqa: PLC0415 - new in 3.14

        # As text: the default format evaluates all of them, and raises for one that names a type-checking import.
        return annotationlib.get_annotations(target, format=annotationlib.Format.STRING)
    return inspect.get_annotations(target)


def _evaluate(target: Any, annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(getattr(target, "__module__", ""))
    try:
        return eval(annotation, getattr(target, "__globals__", None) or vars(module))  # noqa: S307 - the app's own text
    except Exception:  # noqa: BLE001 - as above
        return annotation


def _classes(annotation: Any) -> tuple[type, ...] | None:
    """The classes that an annotation consists of, or None if that is not certain."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _classes(get_args(annotation)[0])
    if origin in UNIONS:
        parts = [_classes(part) for part in get_args(annotation)]
        return None if None in parts else tuple(c for part in parts if part for c in part)
    if annotation is None:
        return (type(None),)
    if annotation in (UNKNOWN, Any) or isinstance(annotation, TypeVar) or not isinstance(origin or annotation, type):
        return None
    plain: type = dict if typing.is_typeddict(origin or annotation) else origin or annotation
    return _classes_of_protocol(plain) if getattr(plain, "_is_protocol", False) else (plain,)


def _classes_of_protocol(protocol: type) -> tuple[type, ...] | None:
    """A class need not name the protocols that it implements, so any class may be one, except for a function's."""
    own = [name for name in vars(protocol) if not name.startswith("_")]
    return (Callable,) if "__call__" in vars(protocol) and not own else None  # type: ignore[return-value]
