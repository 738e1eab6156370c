"""Steps: middleware and guards, as they are declared on a route.

Owns what a step is and how a function is called (in place, awaited, or entered). Declaration only: `_plan` checks the
steps against each other and `_running` runs them.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from typing import Any

import attrs

from ._context import describe
from ._errors import BuildError

__all__ = ("AnyOf", "Guard", "Kind", "ReadBody", "ReadQuery", "Step", "Use", "any_of", "kind_of")


class Kind(enum.Enum):
    """How a function is called. Fixed when the app is built, never guessed from what a call returns."""

    SYNC = "sync"
    ASYNC = "async"
    CONTEXT = "async context manager"
    GENERATOR = "async generator"


@attrs.frozen
class Use:
    """Middleware: what it returns is bound to `name`, or each field of it to its own name where `name` is None."""

    function: Callable[..., object]
    name: str | None = None

    def __str__(self) -> str:
        called = getattr(self.function, "__name__", repr(self.function))
        return f".use({called})" if self.name is None else f".use({self.name}={called})"


@attrs.frozen
class Guard:
    """A yes-or-no question; no means 403."""

    function: Callable[..., object]

    def __str__(self) -> str:
        return f".guard({getattr(self.function, '__name__', repr(self.function))})"


@attrs.frozen
class AnyOf:
    """Guards of which one has to say yes. They are asked in order, up to the first yes."""

    functions: tuple[Callable[..., object], ...]

    def __str__(self) -> str:
        return f".guard(any_of({', '.join(getattr(f, '__name__', repr(f)) for f in self.functions)}))"


@attrs.frozen
class ReadQuery:
    """Turns the query string into a value of `model`, as `query`."""

    model: Any

    def __str__(self) -> str:
        return f".query({getattr(self.model, '__name__', self.model)})"


@attrs.frozen
class ReadBody:
    """Turns a JSON body of at most `max_size` bytes into a value of `model`, as `body`."""

    model: Any
    max_size: int

    def __str__(self) -> str:
        return f".body({getattr(self.model, '__name__', self.model)})"


Step = Use | Guard | AnyOf | ReadQuery | ReadBody


def any_of(*guards: Callable[..., object]) -> AnyOf:
    """A guard that lets a request through when one of `guards` does.

    They are asked in order, up to the first yes. What one of them raises is raised.

    Raises:
        BuildError: Fewer than two guards.
    """
    if len(guards) < 2:
        raise BuildError("any_of() takes two guards or more")
    return AnyOf(guards)


def kind_of(function: Callable[..., object]) -> Kind:
    """How a function is called.

    A plain function that wraps an async generator function (as `asynccontextmanager` leaves it) gives an async context
    manager; one that wraps a coroutine function is awaited.

    Raises:
        BuildError: It is a synchronous generator or context manager, or cannot be called.
    """
    if not callable(function):
        raise BuildError(f"{function!r} is not a function")
    inner = inspect.unwrap(function)
    called = _callee(inner)
    if inspect.isgeneratorfunction(called):
        raise BuildError(
            f"{describe(function)} is a synchronous generator or context manager; "
            "write it with 'async def' (and @asynccontextmanager)"
        )
    if inspect.isasyncgenfunction(called):
        return Kind.GENERATOR if inner is function else Kind.CONTEXT
    return Kind.ASYNC if inspect.iscoroutinefunction(called) else Kind.SYNC


def _callee(function: Any) -> Any:
    """What is run by a call: the function itself, or the `__call__` of an object."""
    while hasattr(function, "func") and not inspect.isroutine(function):
        function = function.func
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
