"""The router: which plan answers a method, a path and an Accept header.

Owns matching and content negotiation: 404, 405 with Allow, 406. It decides; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import msgspec

from ._errors import BuildError, MethodNotAllowed, NotAcceptable, NotFound
from ._http import accepts_event_stream, asks_for_event_stream
from ._plan import Plan
from ._routes import SSE

__all__ = ("Match", "Router")

NOTHING = "There is nothing at this path."


@attrs.frozen
class Match:
    """The plan that answers, with the path parameters' values.

    Attributes:
        plan: The plan to follow.
        params: The converted path parameters, by name.
        varies: Whether the Accept header decided, so that the response must say `Vary: Accept`.
    """

    plan: Plan
    params: Mapping[str, Any]
    varies: bool


@attrs.define
class _Node:
    """A place in the tree of segments, with the plans of the paths that end here."""

    literal: dict[str, _Node] = attrs.field(factory=dict)
    parameter: _Node | None = None
    plain: dict[str, Plan] = attrs.field(factory=dict)
    streams: dict[str, Plan] = attrs.field(factory=dict)

    def child(self, segment: str) -> _Node:
        if segment.startswith(":"):
            self.parameter = self.parameter or _Node()
            return self.parameter
        return self.literal.setdefault(segment, _Node())

    def methods(self) -> set[str]:
        found = {*self.plain, *self.streams}
        return found | {"HEAD"} if "GET" in found else found


class Router:
    """A compiled table of plans. Built once an app.

    Where several patterns match, literal text goes before a parameter, from left to right.

    Raises:
        BuildError: Two routes answer the same method on the same path in the same way.
    """

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._root = _Node()
        for plan in plans:
            self._insert(plan)

    def match(self, method: str, segments: tuple[str, ...], accept: str | None) -> Match:
        """Find the plan for a request.

        Raises:
            NotFound: No route has this path, or a path parameter does not fit its type.
            MethodNotAllowed: The path is there, but not for this method.
            NotAcceptable: The only route is a stream, and Accept rules it out.
        """
        nodes = tuple(_walk(self._root, segments, ()))
        wanted = "GET" if method == "HEAD" else method
        able = [(node, values) for node, values in nodes if wanted in node.plain or wanted in node.streams]
        for node, values in able:
            plan, varies = _choose(node, wanted, accept)
            params = _convert(plan, values)
            if params is not None:
                return Match(plan, params, varies)
        if nodes and not able:
            raise MethodNotAllowed(_allow(nodes))
        raise NotFound(NOTHING)

    def allow(self, segments: tuple[str, ...]) -> str:
        """The value of an Allow header for a path.

        Raises:
            NotFound: No route has this path.
        """
        nodes = tuple(_walk(self._root, segments, ()))
        if not nodes:
            raise NotFound(NOTHING)
        return _allow(nodes)

    def _insert(self, plan: Plan) -> None:
        node = self._root
        for segment in plan.route.path.segments:
            node = node.child(segment)
        table = node.streams if isinstance(plan.route, SSE) else node.plain
        other = table.setdefault(plan.route.method, plan)
        if other is not plan:
            raise BuildError(f"{plan.label} clashes with {other.label}: both answer the same requests")


_Found = tuple[_Node, tuple[str, ...]]


def _walk(node: _Node, segments: tuple[str, ...], values: tuple[str, ...]) -> Iterator[_Found]:
    """Every node that the segments lead to and that has a plan, best first."""
    if not segments:
        if node.plain or node.streams:
            yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.literal:
        yield from _walk(node.literal[first], rest, values)
    if node.parameter is not None and first:
        yield from _walk(node.parameter, rest, (*values, first))


def _allow(nodes: Iterable[_Found]) -> str:
    return ", ".join(sorted({"OPTIONS"}.union(*(node.methods() for node, _ in nodes))))


def _choose(node: _Node, method: str, accept: str | None) -> tuple[Plan, bool]:
    """The plan of this node that answers, and whether Accept made the choice."""
    plain, stream = node.plain.get(method), node.streams.get(method)
    if stream is None:
        return node.plain[method], False
    if plain is not None:
        return (stream if asks_for_event_stream(accept) else plain), True
    if not accepts_event_stream(accept):
        raise NotAcceptable("This path gives text/event-stream.")
    return stream, False


def _convert(plan: Plan, values: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The path parameters by name, or None when one does not fit its type."""
    try:
        return {name: _value(text, wanted) for (name, wanted), text in zip(plan.params, values, strict=True)}
    except msgspec.ValidationError:
        return None


def _value(text: str, wanted: Any) -> Any:
    if wanted is None:
        return text
    if wanted is int and not (text.isascii() and text.removeprefix("-").isdigit()):
        raise msgspec.ValidationError  # msgspec would read 1e3 and 1.0 as integers: two addresses of one thing
    return msgspec.convert(text, wanted, strict=False)
