"""Calls: a function that the library calls with values by name, once its parameters have been read.

Owns what a prepared call is, and how a provider's or a middleware's result is named by its annotation. It runs nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Hashable, Mapping
from typing import Any, get_args, get_origin

import attrs

from ._context import UNKNOWN, describe, return_annotation
from ._steps import Kind, kind_of

__all__ = ("Call", "kind_of_factory", "result_type")


@attrs.frozen
class Call:
    """A function, how it is called, and where its arguments come from.

    Attributes:
        function: The function.
        kind: How it is called.
        sources: Each parameter that is filled, with its key among the values: a name, or the key of a service.
    """

    function: Callable[..., Any]
    kind: Kind
    sources: tuple[tuple[str, Hashable], ...]

    @property
    def takes(self) -> tuple[str, ...]:
        """The parameters that are filled."""
        return tuple(name for name, _ in self.sources)

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """Where they come from."""
        return tuple(key for _, key in self.sources)

    def arguments(self, values: Mapping[Hashable, Any]) -> dict[str, Any]:
        """The keyword arguments of one call."""
        return {name: values[key] for name, key in self.sources}

    def __str__(self) -> str:
        return describe(self.function)


def kind_of_factory(factory: Callable[..., object]) -> Kind:
    """How a factory is called. A class whose instances are async context managers gives what entering one gives."""
    if inspect.isclass(factory) and hasattr(factory, "__aenter__") and hasattr(factory, "__aexit__"):
        return Kind.CONTEXT
    return kind_of(factory)


def result_type(function: Callable[..., Any]) -> Any:
    """What a function gives: what it returns, or what its context manager yields; UNKNOWN where it does not say."""
    returns = return_annotation(function)
    if kind_of(function) is not Kind.CONTEXT:
        return returns
    if get_origin(returns) in (AsyncIterator, AsyncGenerator, AsyncIterable):
        return get_args(returns)[0]
    return returns if isinstance(returns, str) else UNKNOWN
