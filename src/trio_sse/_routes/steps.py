"""Steps: middleware and guards, as they are declared on a route.

Owns what a step is and how a function is called (in place, awaited, or entered). Declaration only: `_plan` checks the
steps against each other and `_running` runs them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs

from .._ground.naming import name_of, type_name
from ..errors import BuildError
from .models import Required

__all__ = ("AnyOf", "Guard", "ReadBody", "ReadQuery", "Step", "Typed", "Use", "any_of", "typed")


DEFAULT_MAX_BODY = 1024 * 1024
"""Bytes of a request body that are read unless `.body(..., max_size=)` says otherwise."""


@attrs.frozen
class Use:
    """Middleware: what it returns is bound to `name`, or each field of it to its own name where `name` is None."""

    function: Callable[..., object]
    name: str | None = None

    def __str__(self) -> str:
        called = name_of(self.function)
        return f".use({called})" if self.name is None else f".use({self.name}={called})"


@attrs.frozen
class Guard:
    """A yes-or-no question; no means 403."""

    function: Callable[..., object]

    def __str__(self) -> str:
        return f".guard({name_of(self.function)})"


@attrs.frozen
class AnyOf:
    """Guards of which one has to say yes. They are asked in order, up to the first yes."""

    functions: tuple[Callable[..., object], ...]

    def __str__(self) -> str:
        return f".guard(any_of({', '.join(map(name_of, self.functions))}))"


@attrs.frozen
class ReadQuery:
    """Turns the query string into a value of `model`, as `query`."""

    model: Any

    def __str__(self) -> str:
        return f".query({type_name(self.model)})"


@attrs.frozen
class ReadBody:
    """Turns a JSON body of at most `max_size` bytes into a value of `model`, as `body`."""

    model: Any
    max_size: int = DEFAULT_MAX_BODY

    def __str__(self) -> str:
        size = "" if self.max_size == DEFAULT_MAX_BODY else f", max_size={self.max_size}"
        return f".body({type_name(self.model)}{size})"


@attrs.frozen
class Typed:
    """Turns a path parameter into a reference to a model, or, where `required`, into the model itself.

    Without `parameter` it is the one that the class's name matches.
    """

    model: type[Any]
    parameter: str | None = None
    required: bool = False

    def __str__(self) -> str:
        model = type_name(self.model)
        model = f"required({model})" if self.required else model
        return f".types({model})" if self.parameter is None else f".types({self.parameter}={model})"


Step = Use | Guard | AnyOf | ReadQuery | ReadBody | Typed


def typed(model: type[Any] | Required[Any], parameter: str | None = None) -> Typed:
    """The step for what `.types()` was given.

    Raises:
        BuildError: It is no class.
    """
    found: object = model.model if isinstance(model, Required) else model
    if not inspect.isclass(found):
        raise BuildError(
            f".types() takes model classes, as in .types(Ticket), .types(room=ChatRoom) or .types(required(Ticket)), "
            f"not {found!r}"
        )
    return Typed(found, parameter, isinstance(model, Required))


def any_of(*guards: Callable[..., object] | AnyOf) -> AnyOf:
    """A guard that lets a request through when one of `guards` does.

    They are asked in order, up to the first yes. What one of them raises is raised. An `any_of` among them counts as
    its guards.

    Raises:
        BuildError: Fewer than two guards.
    """
    if len(guards) < 2:
        raise BuildError("any_of() takes two guards or more, as in any_of(is_owner, is_admin)")
    return AnyOf(tuple(f for guard in guards for f in (guard.functions if isinstance(guard, AnyOf) else (guard,))))
