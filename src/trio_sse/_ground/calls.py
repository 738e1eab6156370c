"""Calls: a function that the library calls with values by name, once its parameters have been read.

Owns the prepared call, the kinds of functions, and the reading of what a function returns. It calls nothing.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Hashable
from typing import Any, get_args, get_origin

import attrs

from ..errors import BuildError
from .naming import describe
from .signatures import UNKNOWN, layers, return_annotation

__all__ = ("Call", "Kind", "kind_of", "kind_of_factory", "result_type")


class Kind(enum.Enum):
    """How a function is called. It is determined when the app is built, and not by what a call returns."""

    SYNC = "sync"
    ASYNC = "async"
    CONTEXT = "async context manager"
    GENERATOR = "async generator"


@attrs.frozen
class Call:
    """A function, how it is called, and where its arguments come from.

    Attributes:
        function: The function.
        kind: How it is called.
        sources: Each parameter that is passed, with its key among the values: a name, or the key of a service.
    """

    function: Callable[..., Any]
    kind: Kind
    sources: tuple[tuple[str, Hashable], ...]

    @property
    def takes(self) -> tuple[str, ...]:
        """The parameters that are passed."""
        return tuple(name for name, _ in self.sources)

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """The keys of their values."""
        return tuple(key for _, key in self.sources)

    def __str__(self) -> str:
        return describe(self.function)


def kind_of_factory(factory: Callable[..., object]) -> Kind:
    """How a factory is called. An instance of a class with `__aenter__` and `__aexit__` is entered."""
    if inspect.isclass(factory) and hasattr(factory, "__aenter__") and hasattr(factory, "__aexit__"):
        return Kind.CONTEXT
    return kind_of(factory)


def result_type(function: Callable[..., Any]) -> Any:
    """The type that a function returns, or that its context manager yields; UNKNOWN without an annotation."""
    returns = return_annotation(function)
    if kind_of(function) is not Kind.CONTEXT:
        return returns
    if get_origin(returns) in (AsyncIterator, AsyncGenerator, AsyncIterable):
        return get_args(returns)[0]
    return returns if isinstance(returns, str) else UNKNOWN


def kind_of(function: Callable[..., object]) -> Kind:
    """How a function is called.

    The outermost layer that is a coroutine or generator function decides. A plain function around an async generator
    function, as `asynccontextmanager` makes it, returns an async context manager; a plain function around a coroutine
    function returns what has to be awaited.

    Raises:
        BuildError: It is a synchronous generator or context manager, or cannot be called.
    """
    if not callable(function):
        raise BuildError(f"{function!r} is not a function")
    decorated = False
    for layer in layers(function):
        if inspect.iscoroutinefunction(layer):
            return Kind.ASYNC
        if inspect.isasyncgenfunction(layer):
            return Kind.CONTEXT if decorated else Kind.GENERATOR
        if inspect.isgeneratorfunction(layer):
            raise BuildError(
                f"{describe(function)} is a synchronous generator or context manager; "
                "write it with 'async def' (and @asynccontextmanager)"
            )
        decorated = decorated or inspect.isroutine(layer)
    return Kind.SYNC
