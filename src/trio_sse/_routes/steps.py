"""Steps: middleware, guards and readers, as they are declared on a route.

Owns the declaration of each kind of step. `_plan.planner` checks the steps against each other, `_runtime.steps` runs
them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, overload

import attrs

from .._ground.naming import name_of, type_name
from .._http.body_reader import DEFAULT_MAX_BODY
from .._http.form_reader import FormLimits
from ..errors import BuildError
from .models import Required

__all__ = ("AnyOf", "Guard", "Lambda", "ReadBody", "ReadForm", "ReadQuery", "Step", "Typed", "Use", "any_of", "typed")

Lambda: TypeAlias = Callable[[Any], object] | Callable[[Any, Any], object] | Callable[[Any, Any, Any], object]
"""A function of few parameters. An overload with it makes the parameters of a lambda Any for pyright, which reports
them as unknown where it is passed as a `Callable[..., object]`."""


@attrs.frozen
class Use:
    """Middleware: its result is bound to `name`, or, if `name` is None, each of its fields to the field's name."""

    function: Callable[..., object]
    name: str | None = None

    def __str__(self) -> str:
        called = name_of(self.function)
        return f".use({called})" if self.name is None else f".use({self.name}={called})"


@attrs.frozen
class Guard:
    """A function that returns True to admit the request, or False for a 403."""

    function: Callable[..., object]

    def __str__(self) -> str:
        return f".guard({name_of(self.function)})"


@attrs.frozen
class AnyOf:
    """Guards of which one has to return True. They are called in order, up to the first True."""

    functions: tuple[Callable[..., object], ...]

    def __str__(self) -> str:
        return f".guard(any_of({', '.join(map(name_of, self.functions))}))"


@attrs.frozen
class ReadQuery:
    """Reads the query string into a value of `model`, as `query`."""

    model: Any

    def __str__(self) -> str:
        return f".query({type_name(self.model)})"


@attrs.frozen
class ReadBody:
    """Reads a JSON body of at most `max_size` bytes into a value of `model`, as `body`."""

    model: Any
    max_size: int = DEFAULT_MAX_BODY

    def __str__(self) -> str:
        size = "" if self.max_size == DEFAULT_MAX_BODY else f", max_size={self.max_size}"
        return f".body({type_name(self.model)}{size})"


@attrs.frozen
class ReadForm:
    """Reads a form, with the files in it, into a value of `model`, as `form`."""

    model: Any
    limits: FormLimits = attrs.field(factory=FormLimits)

    def __str__(self) -> str:
        return f".form({type_name(self.model)}{self.limits})"


@attrs.frozen
class Typed:
    """Turns a path parameter into a reference to a model, or, if `required`, into the model itself.

    Without `parameter` it applies to the parameter that the class's name matches.
    """

    model: type[Any]
    parameter: str | None = None
    required: bool = False

    def __str__(self) -> str:
        model = type_name(self.model)
        model = f"required({model})" if self.required else model
        return f".types({model})" if self.parameter is None else f".types({self.parameter}={model})"


Step = Use | Guard | AnyOf | ReadQuery | ReadBody | ReadForm | Typed
"""One step of a route: `Use`, `Guard`, `AnyOf`, `ReadQuery`, `ReadBody`, `ReadForm` or `Typed`."""


def typed(model: type[Any] | Required[Any], parameter: str | None = None) -> Typed:
    """The step for an argument of `.types()`.

    Raises:
        BuildError: The argument is not a class.
    """
    found: object = model.model if isinstance(model, Required) else model
    if not inspect.isclass(found):
        raise BuildError(
            f".types() takes model classes, as in .types(Ticket), .types(room=ChatRoom) or .types(required(Ticket)), "
            f"not {found!r}"
        )
    return Typed(found, parameter, isinstance(model, Required))


@overload
def any_of(*guards: Lambda | AnyOf) -> AnyOf: ...
@overload
def any_of(*guards: Callable[..., object] | AnyOf) -> AnyOf: ...  # type: ignore[overload-cannot-match]
def any_of(*guards: Callable[..., object] | AnyOf) -> AnyOf:
    """A guard that admits a request if one of `guards` does.

    They are called in order, up to the first that returns True. An exception of one of them is raised. An `any_of`
    among them counts as its guards.

    Raises:
        BuildError: There are fewer than two guards.
    """
    if len(guards) < 2:
        raise BuildError("any_of() takes two guards or more, as in any_of(is_owner, is_admin)")
    return AnyOf(tuple(f for guard in guards for f in (guard.functions if isinstance(guard, AnyOf) else (guard,))))
