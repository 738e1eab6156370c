"""The message about a parameter that nothing provides: what might have been meant, and what to add.

Owns the search for a service that has another type or no annotation. Whether a parameter is missing, `_plan.planner`
decides.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_origin

from .._ground.naming import nearest, type_name
from .._ground.signatures import UNKNOWN, Parameter, alternatives, derives, is_distinct, is_type

__all__ = ("missing",)

SHORTEST_STEM: Final = 3
"""How much of a parameter's name has to be in the name of a service. A shorter one would mean any."""


def missing(who: str, parameter: Parameter, known: Mapping[str, Any], tokens: Iterable[Any]) -> str:
    """The message.

    Args:
        who: The function that has the parameter.
        parameter: The parameter.
        known: The names that it could have taken, with their types.
        tokens: The services that the app provides.
    """
    name = parameter.name
    hint = nearest(name, known) or _service_hint(parameter, tokens) or _type_hint(parameter, known)
    return f"{who} asks for {name!r}, which nothing provides.{hint} Available here: {', '.join(sorted(known))}"


def _service_hint(parameter: Parameter, tokens: Iterable[Any]) -> str:
    """How to take a service that is provided, if one is meant."""
    name, wanted = parameter.name, parameter.annotation
    token = next((token for token in tokens if _means(name, wanted, token)), None)
    if token is None:
        return ""
    service = type_name(token)
    how = "annotate the parameter with it"
    if isinstance(wanted, str):
        how = f"define or import {wanted} at module level and not under 'if TYPE_CHECKING', to be found at run time"
    return f" {service} is provided: {how}, or add .inject({name}={service})."


def _means(name: str, wanted: Any, token: Any) -> bool:
    """Whether a parameter may mean a service, although its annotation is not the token."""
    if isinstance(wanted, str):
        return wanted == getattr(token, "__name__", type_name(token))
    if wanted in (UNKNOWN, Any, object):
        stem = _letters(name).removesuffix("s")  # `orders` may mean an OrderService
        return len(stem) >= SHORTEST_STEM and stem in _letters(type_name(token))
    if is_distinct(token):
        return getattr(token, "__supertype__", None) == wanted or wanted in alternatives(token)
    return inspect.isclass(token) and derives(token, wanted)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _type_hint(parameter: Parameter, known: Mapping[str, Any]) -> str:
    """Which name has a value of the annotated type, or how to provide one."""
    wanted = next(filter(_is_class_of_an_app, alternatives(parameter.annotation)), None)
    if wanted is None:
        return ""
    name, shown = next((name for name, kind in known.items() if kind == wanted), None), type_name(wanted)
    if name is not None:
        return f" {name!r} is the {shown} here."
    made = get_origin(wanted) is None and not getattr(wanted, "_is_protocol", False) and not inspect.isabstract(wanted)
    return f" {shown} is not provided; add app.provide({shown}{'' if made else ', …'})."


def _is_class_of_an_app(annotation: Any) -> bool:
    module = str(getattr(annotation, "__module__", "")).partition(".")[0]
    return is_type(annotation) and module not in sys.stdlib_module_names
