"""The router: which plan answers a method, a path and an Accept header.

Owns matching and content negotiation: 404, 405 with Allow, 406. It decides; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from .._http.accept import PLAIN_YES, accepts_event_stream, asks_for_event_stream
from .._http.paths import NO_VALUES, NOTHING_HERE, read_rest
from .._http.segments import read_segment
from .._routes.routes import SSE
from ..errors import BuildError, MethodNotAllowed, NotAcceptable, NotFound
from .plan import Plan

__all__ = ("Match", "Router")


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
    varies: bool = False


@attrs.define
class _Node:
    """A place in the tree of segments, with the plans of the paths that end here."""

    literal: dict[str, _Node] = attrs.Factory(dict[str, "_Node"])
    parameter: _Node | None = None
    rest: _Node | None = None
    plain: dict[str, Plan] = attrs.Factory(dict[str, Plan])
    streams: dict[str, Plan] = attrs.Factory(dict[str, Plan])

    def child(self, segment: str) -> _Node:
        if segment.startswith(":"):
            self.parameter = self.parameter or _Node()
            return self.parameter
        if segment.startswith("*"):
            self.rest = self.rest or _Node()
            return self.rest
        return self.literal.setdefault(segment, _Node())

    def plans(self) -> tuple[Plan, ...]:
        return (*self.plain.values(), *self.streams.values())


class Router:
    """A compiled table of plans. Built once an app.

    Where several patterns match, literal text goes before a parameter, and a parameter of one segment before one that
    takes the rest of the path, from left to right.

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
        wanted = "GET" if method == "HEAD" else method
        for node, values in _walk(self._root, segments, ()):
            plain, stream = _fit(node.plain.get(wanted), values), _fit(node.streams.get(wanted), values)
            if plain is not None and stream is not None:
                return attrs.evolve(stream if asks_for_event_stream(accept) else plain, varies=True)
            if stream is not None and accept not in PLAIN_YES and not accepts_event_stream(accept):
                raise NotAcceptable("This path gives text/event-stream.")
            found = plain or stream
            if found is not None:
                return found
        raise MethodNotAllowed(self.allow(segments))

    def answers(self, plan: Plan, segments: tuple[str, ...]) -> Plan:
        """The plan that answers where `plan` is meant: that one, or one that goes before it there."""
        method = plan.route.method
        for node, values in _walk(self._root, segments, ()):
            for each in sorted(node.plans(), key=lambda each: each is not plan):
                if each.route.method == method and _fit(each, values):
                    return each
        return plan

    def allow(self, segments: tuple[str, ...]) -> str:
        """The value of an Allow header for a path.

        Raises:
            NotFound: No route has this path, or a path parameter does not fit its type.
        """
        nodes = _walk(self._root, segments, ())
        methods = {plan.route.method for node, values in nodes for plan in node.plans() if _fit(plan, values)}
        if not methods:
            raise NotFound(NOTHING_HERE)
        return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    def _insert(self, plan: Plan) -> None:
        node, method = self._root, plan.route.method
        for segment in plan.route.path.segments:
            node = node.child(segment)
        table = node.streams if isinstance(plan.route, SSE) else node.plain
        other = table.setdefault(method, plan)
        if other is not plan:
            raise BuildError(
                f"{plan.label} clashes with {other.label}: they answer the same requests; change one's path or method"
            )


def _walk(node: _Node, segments: tuple[str, ...], values: tuple[str, ...]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """Every node that the segments lead to, best first."""
    if not segments:
        yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.literal:
        yield from _walk(node.literal[first], rest, values)
    if node.parameter is not None and first not in NO_VALUES:
        yield from _walk(node.parameter, rest, (*values, first))
    if node.rest is not None and (text := read_rest(segments)) is not None:
        yield node.rest, (*values, text)


def _fit(plan: Plan | None, values: tuple[str, ...]) -> Match | None:
    """A plan with the path parameters by name, or None when one does not fit its type."""
    if plan is None:
        return None
    pairs = zip(plan.params, values, strict=True)
    try:
        params = {name: text if kind is None else read_segment(text, kind) for (name, kind), text in pairs}
    except ValueError:
        return None
    return Match(plan, params)
