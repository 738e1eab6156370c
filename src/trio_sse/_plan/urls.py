"""URLs: the path of a named route, with values for its parameters.

Owns the names of an app's routes, and the writing of values into paths from which the router reads the same values.
Pure. It does not know where the app is mounted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from .._ground.naming import nearest, type_name
from .._http.paths import is_rest, is_value
from .._http.segments import read_segment
from .._routes.models import Reference
from .._routes.mounts import Mount
from ..errors import BuildError, URLError
from .plan import Plan

__all__ = ("Urls",)


class Urls:
    """The named routes of an app.

    Args:
        plans: The plans of the app's routes.
        answers: Returns what answers a path's segments, given the plan that should: `Router.answers`.

    Raises:
        BuildError: Two routes have one name.
    """

    def __init__(self, plans: Iterable[Plan], answers: Callable[[Plan, tuple[str, ...]], Plan | Mount]) -> None:
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
            values: Its path parameters; one that refers to a model takes an id, a reference or a model.

        Raises:
            URLError: The route does not exist, a parameter is missing or unknown, a value does not fit its parameter,
                or another route answers the path.
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
        path = plan.route.path
        texts = {
            each: _text(name, each, _id(value, ids.get(each)), kinds[each], is_rest if each == path.rest else is_value)
            for each, value in values.items()
        }
        other = self._answers(plan, path.filled(texts))
        if other is not plan:
            raise URLError(f"{path.fill(texts)!r} is answered by {other.label}, which goes before {plan.label}")
        return path.fill(texts)


def _id(value: Any, model: tuple[type[Any], str] | None) -> Any:
    """The id of a model, or of a reference to one; any other value is returned unchanged."""
    if model is None:
        return value
    cls, field = model
    if isinstance(value, cls):
        return getattr(value, field)
    return value.id if value.__class__ is Reference and value.model is cls else value


def _text(route: str, name: str, value: Any, kind: Any, can_be_sent: Callable[[str], bool]) -> str:
    """The text for a value, from which the router reads the same value."""
    try:
        text = value if isinstance(value, str) and kind is None else _write(value)
        fits = kind is None or read_segment(text, kind) == value
    except (ValueError, TypeError):
        text, fits = "", False
    if not fits or not can_be_sent(text):
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
