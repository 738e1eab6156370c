"""Handlers as type checkers see them: the parameters of a route's type, and what the handler of a stream may return.

Owns type variables and aliases alone; at run time `_plan.planner` and `_runtime.generator` check what a handler is.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Never, TypeAlias

from .._ground.type_parameters import ParamSpec, TypeVar
from ..wire import EventItem
from .event_stream import EventStream

__all__ = ("P", "Q", "R", "R_co", "S", "S_any", "V_contra")

P = ParamSpec("P", default=...)
"""The parameters of a route's handler. They and the result let a test call the handler with its types."""

R_co = TypeVar("R_co", covariant=True, default=Any)
"""What a route's handler returns."""

V_contra = TypeVar("V_contra", contravariant=True, default=Never)
"""What the handler of a stream may yield besides events: nothing, or, after `.events(…)`, any value."""

T = TypeVar("T", default=Any)
Q = ParamSpec("Q", default=...)
R = TypeVar("R", default=Any)

Streamed: TypeAlias = (
    AsyncIterable[T]
    | AbstractAsyncContextManager[AsyncIterable[T]]
    | EventStream
    | Awaitable[AsyncIterable[T] | AbstractAsyncContextManager[AsyncIterable[T]] | EventStream]
)
"""What the handler of a stream may return; `T` is what it yields."""

Item: TypeAlias = EventItem | Sequence[EventItem] | Mapping[str, Any] | list[Any]
"""What a handler may yield, as far as a type checker can tell without an annotation: `{"data": 1}` is then
a `dict[str, int]`."""

S = TypeVar("S", bound=Streamed[Item], default=Any)
S_any = TypeVar("S_any", bound=Streamed[Any], default=Any)
