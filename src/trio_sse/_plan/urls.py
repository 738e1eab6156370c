"""URLs: the path of a named route, filled in.

Owns the names of an app's routes and the writing of values into paths: what is written here, the router reads back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from .._ground.naming import nearest, type_name
from .._http.conversion import read_segment
from .._http.paths import CONTROL
from .._routes.models import Reference
from ..errors import BuildError, URLError
from .plan import Plan

__all__ = ("Urls",)

SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""Half a character, which no UTF-8 can express."""


class Urls:
    """The named routes of an app.

    Args:
        plans: The plans of the app's routes.
        answers: Tells which plan answers where one is meant, as the router reads a path's segments.

    Raises:
        BuildError: Two routes have one name.
    """

    def __init__(self, plans: Iterable[Plan], answers: Callable[[Plan, tuple[str, ...]], Plan]) -> None:
        self._answers = answers
        self._plans: dict[str, Plan] = {}
        for plan in plans:
            name = plan.route.name
            other = self._plans.setdefault(name, plan) if name else plan
            if other is not plan:
                raise BuildError(
                    f"{plan.label} and {other.label} both have the name {name!r}; name one of them otherwise, or the "
                    f"controller that holds it, as in .add(other={name.partition('.')[0]})"
                )

    def make(self, name: str, values: Mapping[str, Any]) -> str:
        """The path of a route.

        Args:
            name: The route's name.
            values: Its path parameters; for one that refers to a model also a reference, or the model.

        Raises:
            URLError: There is no such route, a parameter is missing or not its own, its value does not fit, or another
                route goes before this one at the path that it gives.
        """
        plan = self._plans.get(name)
        if plan is None:
            known = ", ".join(sorted(self._plans)) or "none"
            raise URLError(f"no route is named {name!r}.{nearest(name, self._plans)} There are: {known}")
        kinds = dict(plan.params)
        if kinds.keys() != values.keys():
            wants, given = ", ".join(kinds) or "none", ", ".join(values) or "none"
            raise URLError(f"{name!r} is {plan.label}, with the path parameters: {wants}; given: {given}")
        ids = {parameter: (model, field) for parameter, model, field in plan.models}
        texts = {each: _text(name, each, _id(value, ids.get(each)), kinds[each]) for each, value in values.items()}
        path = plan.route.path
        other = self._answers(plan, path.filled(texts))
        if other is not plan:
            raise URLError(f"{path.fill(texts)!r} is answered by {other.label}, which goes before {plan.label}")
        return path.fill(texts)


def _id(value: Any, model: tuple[type[Any], str] | None) -> Any:
    """The id that stands for a model, or for a reference to one; any other value stands for itself."""
    if model is None:
        return value
    cls, field = model
    if isinstance(value, cls):
        return getattr(value, field)
    return value.id if value.__class__ is Reference and value.model is cls else value


def _text(route: str, name: str, value: Any, kind: Any) -> str:
    """A value as the router would read it."""
    try:
        text = value if isinstance(value, str) and kind is None else _write(value)
        fits = kind is None or read_segment(text, kind) == value
    except (ValueError, TypeError):
        text, fits = "", False
    if not fits or not _is_segment(text):
        raise URLError(
            f"the path parameter {name!r} of {route!r} cannot be {value!r}: it is read as "
            f"{'text' if kind is None else type_name(kind)}, and no segment of a path is empty, '.' or '..', or has "
            "control characters"
        )
    return text


def _write(value: Any) -> str:
    plain = msgspec.to_builtins(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if not isinstance(plain, str | int | float):
        raise TypeError(type(plain).__name__)
    return str(plain)


def _is_segment(text: str) -> bool:
    """Whether text can stand in a path: clients take dots for directions, and a request has no control characters."""
    return bool(text) and text not in (".", "..") and not CONTROL.search(text) and not SURROGATE.search(text)
