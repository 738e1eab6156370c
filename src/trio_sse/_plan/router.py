"""The router: which plan, or which mounted app, answers a method, a path and an Accept header.

Owns matching and content negotiation: 404, 405 with Allow, 406. It decides; it sends nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from .._http.accept import PLAIN_YES, accepts_event_stream, asks_for_event_stream
from .._http.paths import NO_VALUES, NOTHING_HERE, read_rest
from .._http.segments import read_segment
from .._routes.mounts import Mount
from .._routes.sse import SSE
from ..errors import BuildError, MethodNotAllowed, NoContent, NotAcceptable, NotFound
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
    """A place in the tree of segments, with the plans of the paths that end here.

    `mounted` is the place of all paths that begin here, if an app is mounted; that place has the `mount`, and no plans.
    """

    literal: dict[str, _Node] = attrs.Factory(dict[str, "_Node"])
    parameter: _Node | None = None
    rest: _Node | None = None
    mounted: _Node | None = None
    mount: Mount | None = None
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
    takes the rest of the path, from left to right. A mounted app takes what such a parameter would take, and its own
    path.

    Raises:
        BuildError: Two routes answer the same method on the same path in the same way, or a mount and another one, or a
            route that takes the rest of the path, have the same path.
    """

    def __init__(self, plans: Iterable[Plan], mounts: Iterable[Mount] = ()) -> None:
        self._root = _Node()
        for plan in plans:
            self._insert(plan)
        for mount in mounts:
            self._insert_mount(mount)

    def match(self, method: str, segments: tuple[str, ...], accept: str | None) -> Match | Mount:
        """Find the plan, or the mounted app, for a request.

        Raises:
            NotFound: No route has this path, or a path parameter does not fit its type.
            MethodNotAllowed: The path is there, but not for this method.
            NotAcceptable: The only route is a stream, and Accept rules it out.
        """
        wanted = "GET" if method == "HEAD" else method
        for node, values in _walk(self._root, segments, ()):
            if node.mount is not None:
                return node.mount
            plain, stream = _fit(node.plain.get(wanted), values), _fit(node.streams.get(wanted), values)
            if plain is not None and stream is not None:
                return attrs.evolve(stream if asks_for_event_stream(accept) else plain, varies=True)
            if stream is not None and accept not in PLAIN_YES and not accepts_event_stream(accept):
                raise NotAcceptable("This path gives text/event-stream.")
            found = plain or stream
            if found is not None:
                return found
        raise MethodNotAllowed(self.allow(segments))

    def mount_for(self, segments: tuple[str, ...]) -> Mount | None:
        """The app that is mounted at a path, if there is one; that of the longest path."""
        mounts = (node.mount for node, _ in _walk(self._root, segments, ()) if node.mount is not None)
        return next(mounts, None)

    def answers(self, plan: Plan, segments: tuple[str, ...]) -> Plan | Mount:
        """What answers where `plan` is meant: that plan, or one that goes before it there."""
        method = plan.route.method
        for node, values in _walk(self._root, segments, ()):
            if node.mount is not None:
                return node.mount
            for each in sorted(node.plans(), key=lambda each: each is not plan):
                if each.route.method == method and _fit(each, values):
                    return each
        return plan

    def allow(self, segments: tuple[str, ...]) -> str:
        """The value of an Allow header for a path.

        Raises:
            NotFound: No route has this path, or a path parameter does not fit its type.
        """
        methods = self._methods(segments)
        if not methods:
            raise NotFound(NOTHING_HERE)
        return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    def options(self, segments: tuple[str, ...]) -> Mount:
        """The mounted app that answers OPTIONS, since no route has the path.

        Raises:
            NoContent: A route has it; this is the answer, with an Allow header.
            NotFound: Neither has it.
        """
        mount = self.mount_for(segments)
        if mount is None or self._methods(segments):
            raise NoContent(headers={"allow": self.allow(segments)})
        return mount

    def _methods(self, segments: tuple[str, ...]) -> set[str]:
        """The methods of the routes that have a path, as far as they go before a mounted app."""
        nodes = itertools.takewhile(lambda each: each[0].mount is None, _walk(self._root, segments, ()))
        return {plan.route.method for node, values in nodes for plan in node.plans() if _fit(plan, values)}

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

    def _insert_mount(self, mount: Mount) -> None:
        node = self._root
        for segment in mount.path.segments:
            node = node.child(segment)
        others = [plan.label for plan in node.rest.plans()] if node.rest is not None else []
        others += [node.mounted.mount.label] if node.mounted is not None and node.mounted.mount is not None else []
        if others:
            raise BuildError(f"{mount} clashes with {others[0]}: they answer the same requests; change one's path")
        node.mounted = _Node(mount=mount)


def _walk(node: _Node, segments: tuple[str, ...], values: tuple[str, ...]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """Every node that the segments lead to, best first."""
    if not segments:
        yield node, values
    else:
        first, others = segments[0], segments[1:]
        if first in node.literal:
            yield from _walk(node.literal[first], others, values)
        if node.parameter is not None and first not in NO_VALUES:
            yield from _walk(node.parameter, others, (*values, first))
        if node.rest is not None and (text := read_rest(segments)) is not None:
            yield node.rest, (*values, text)
    if node.mounted is not None:
        yield node.mounted, values


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
