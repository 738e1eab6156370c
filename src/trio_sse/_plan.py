"""Plans: a route checked and prepared, so that a request only has to follow it.

Owns all checks between the parts of one route: names, annotations, kinds of functions. A plan holds everything that can
be known before the first request; nothing is looked up by reflection later. Pure: it runs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Never, NoReturn, TypeVar, get_args, get_origin

import attrs

from ._context import (
    BUILT_IN,
    UNKNOWN,
    Parameter,
    describe,
    field_annotations,
    fits,
    name_of,
    nearest,
    parameters_of,
    return_annotation,
    type_name,
)
from ._conversion import BodyReader, QueryReader, check_segment_type
from ._errors import BuildError
from ._routes import SSE, Route
from ._steps import DEFAULT_MAX_BODY, AnyOf, Guard, Kind, ReadBody, ReadQuery, Step, Use, kind_of

__all__ = ("Call", "Check", "ParseBody", "ParseQuery", "Plan", "Provide", "make_plan", "plan_all")

T = TypeVar("T")

NOTHING = (UNKNOWN, Any, object, None, type(None), Never, NoReturn)
"""Return annotations of middleware that promise no names; a value that is returned all the same is a StepError."""


@attrs.frozen
class Call:
    """A function, how it is called, and the names that it takes."""

    function: Callable[..., Any]
    kind: Kind
    takes: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments of one call."""
        return {name: values[name] for name in self.takes}

    def __str__(self) -> str:
        return describe(self.function)


@attrs.frozen
class Provide:
    """Call a middleware and bind what it returns: to `name`, or its `fields` to their own names."""

    call: Call
    name: str | None
    fields: tuple[str, ...] = ()


@attrs.frozen
class Check:
    """Ask guards up to the first yes."""

    calls: tuple[Call, ...]


@attrs.frozen
class ParseQuery:
    """Read the query string."""

    reader: QueryReader


@attrs.frozen
class ParseBody:
    """Wait for the body and read it; without a reader it stays bytes."""

    reader: BodyReader | None


Operation = Provide | Check | ParseQuery | ParseBody


@attrs.frozen
class Plan:
    """What one request of a route does, in order.

    Attributes:
        route: The route that was planned.
        label: How messages name it, `SSE /rooms/:room/events`.
        operations: The steps.
        handler: The handler's call.
        params: The path parameters' names and types, in the path's order; None is plain text.
        needs: Every name that any call takes.
        max_body: The most bytes of the request body that are kept, 0 where nobody reads it.
    """

    route: Route
    label: str
    operations: tuple[Operation, ...]
    handler: Call
    params: tuple[tuple[str, Any], ...]
    needs: frozenset[str]
    max_body: int


def make_plan(route: Route, types_of: Mapping[str, Any]) -> Plan:
    """Check a route and prepare it.

    Args:
        route: The finished route.
        types_of: The types of the built-in names, to hold annotations against.

    Raises:
        BuildError: Something does not fit; the message names the route, says what is there and what to do.
    """
    return _Planner(route, types_of).plan()


class _Planner:
    """Walks a route's steps in order with the names that are known so far, what they are and who gives them."""

    def __init__(self, route: Route, types_of: Mapping[str, Any]) -> None:
        self.route = route
        self.known: dict[str, Any] = {name: types_of.get(name, UNKNOWN) for name in BUILT_IN}
        self.sources: dict[str, str] = {}
        self.readers: set[str] = set()
        self.params: dict[str, Any] = {}
        self.needs: set[str] = set()
        self.max_body = 0
        self.operations: list[Operation] = []

    def plan(self) -> Plan:
        if self.route.method == "GET":
            del self.known["body"]
        for name in self.route.path.names:
            self.introduce(name, UNKNOWN, f"the path {self.route.path}")
            self.params[name] = UNKNOWN
        for index, step in enumerate(self.route.steps):
            self.add(step, index)
        handler = self.handler()
        return Plan(
            route=self.route,
            label=str(self.route),
            operations=tuple(self.operations),
            handler=handler,
            params=tuple((name, self.param_type(name)) for name in self.route.path.names),
            needs=frozenset(self.needs),
            max_body=self.max_body,
        )

    def error(self, message: str) -> BuildError:
        return BuildError(f"{self.route}: {message}")

    # -- steps

    def add(self, step: Step, index: int) -> None:
        match step:
            case Use(function, name):
                self.add_use(step, self.call(function, "middleware", index), name)
            case Guard(function):
                self.operations.append(Check((self.guard_call(function, index),)))
            case AnyOf(functions):
                self.operations.append(Check(tuple(self.guard_call(f, index) for f in functions)))
            case ReadQuery(model):
                self.operations.append(ParseQuery(self.reader("query", model, QueryReader.of)))
            case ReadBody(model, max_size):
                self.operations.append(ParseBody(self.reader("body", model, BodyReader.of)))
                self.max_body = max_size

    def add_use(self, step: Use, call: Call, name: str | None) -> None:
        if call.kind is Kind.GENERATOR:
            raise self.error(f"{call} yields; decorate it with @contextlib.asynccontextmanager to use it as middleware")
        provided = self.provided(step)
        for each, annotation in provided.items():
            self.introduce(each, annotation, str(step))
        self.operations.append(Provide(call, name, tuple(provided) if name is None else ()))

    def provided(self, step: Use) -> Mapping[str, Any]:
        """The names that a middleware provides, and what they are."""
        returns = _result_type(step.function)
        if step.name is not None:
            return {step.name: returns}
        if returns in NOTHING:
            return {}
        if attrs.has(returns):
            return field_annotations(returns)
        unread = " and cannot be looked up at run time" if isinstance(returns, str) else ""
        raise self.error(
            f"{describe(step.function)} returns {type_name(returns)}, which is no attrs class{unread}, so its fields "
            f"cannot become names; give the value a name, as in .use(value={name_of(step.function)})"
        )

    def guard_call(self, function: Callable[..., Any], index: int) -> Call:
        call = self.call(function, "guard", index)
        if call.kind not in (Kind.SYNC, Kind.ASYNC):
            raise self.error(f"guard {call} yields; a guard returns True or False")
        return call

    def reader(self, name: str, model: Any, make: Callable[[Any], T]) -> T:
        if name in self.readers:
            raise self.error(f".{name}() is there twice; one model reads the whole {name}")
        self.readers.add(name)
        self.known[name] = model
        try:
            return make(model)
        except TypeError as problem:
            raise self.error(f".{name}({type_name(model)}): this type cannot be read: {problem}") from None

    # -- the handler

    def handler(self) -> Call:
        handler = self.route.handler
        if handler is None:
            raise self.error("this route has no handler; finish it with .handle(function)")
        call = self.call(handler, "handler", len(self.route.steps))
        if call.kind in (Kind.GENERATOR, Kind.CONTEXT) and not isinstance(self.route, SSE):
            method = ", method='POST'" if self.route.method == "POST" else ""
            raise self.error(
                f"handler {call} yields, which only an SSE route takes; write SSE({str(self.route.path)!r}{method})"
            )
        return call

    # -- names

    def introduce(self, name: str, annotation: Any, source: str) -> None:
        if name in BUILT_IN:
            raise self.error(f"{source} gives the name {name!r}, which is built in ({BUILT_IN[name]}); choose another")
        if name in self.known:
            raise self.error(f"{source} gives the name {name!r}, which {self.sources[name]} gives too; choose another")
        self.known[name] = annotation
        self.sources[name] = source

    def call(self, function: Callable[..., Any], role: str, index: int) -> Call:
        try:
            parameters = parameters_of(function)
        except BuildError as problem:
            raise self.error(str(problem)) from None
        who = f"{role} {describe(function)}"
        takes: list[str] = []
        for parameter in parameters:
            if parameter.name in self.known:
                self.take(parameter, who)
                takes.append(parameter.name)
            else:
                self.miss(parameter, who, index)
        return Call(function, kind_of(function), tuple(takes))

    def take(self, parameter: Parameter, who: str) -> None:
        name, wanted, known = parameter.name, parameter.annotation, self.known[parameter.name]
        self.needs.add(name)
        if name in self.params:
            self.take_param(parameter, who)
        elif not fits(known, wanted):
            unread = name in ("body", "query") and name not in self.readers
            hint = f"; .{name}({type_name(wanted)}) would read it into one" if unread else ""
            raise self.error(f"{who} wants {name!r} as {type_name(wanted)}, but it is {type_name(known)}{hint}")
        elif name == "body" and name not in self.readers and self.max_body == 0:
            self.max_body = DEFAULT_MAX_BODY
            self.operations.append(ParseBody(None))

    def take_param(self, parameter: Parameter, who: str) -> None:
        wanted, known = parameter.annotation, self.params[parameter.name]
        if wanted is UNKNOWN or wanted is Any:
            return
        if isinstance(wanted, str):
            raise self.error(
                f"{who} wants the path parameter {parameter.name!r} as {wanted!r}, which cannot be looked up at run "
                "time; the annotation converts it, so import it at module level and not under 'if TYPE_CHECKING'"
            )
        if known is not UNKNOWN and known != wanted:
            raise self.error(
                f"{who} wants the path parameter {parameter.name!r} as {type_name(wanted)}, "
                f"another step wants it as {type_name(known)}; a path parameter has one type"
            )
        self.params[parameter.name] = wanted

    def param_type(self, name: str) -> Any:
        wanted = self.params[name]
        if wanted is UNKNOWN or wanted is str:
            return None
        try:
            check_segment_type(wanted)
        except TypeError as problem:
            raise self.error(
                f"the path parameter {name!r} is annotated {type_name(wanted)}, which a path segment cannot be read "
                f"into ({problem}); use str, int, float, bool, UUID, Decimal, date, datetime, a Literal, or an Enum "
                "of text or of integers"
            ) from None
        return wanted

    def miss(self, parameter: Parameter, who: str, index: int) -> None:
        """Nobody has provided a name so far: an error, unless it has a default and nobody will."""
        name = parameter.name
        for step in self.route.steps[index + 1 :]:
            if isinstance(step, Use) and name in self.provided(step):
                raise self.error(f"{who} asks for {name!r} before {step} provides it; move that step up")
        if not parameter.required:
            return
        if name == "body":
            raise self.error(f"{who} asks for 'body', which a GET request does not have; use 'query', or answer POST")
        raise self.error(
            f"{who} asks for {name!r}, which nothing provides.{nearest(name, self.known)} "
            f"Available here: {', '.join(sorted(self.known))}"
        )


def _result_type(function: Callable[..., Any]) -> Any:
    """What a middleware gives: what it returns, or what its context manager yields."""
    returns = return_annotation(function)
    if kind_of(function) is not Kind.CONTEXT:
        return returns
    if get_origin(returns) in (AsyncIterator, AsyncGenerator, AsyncIterable):
        return get_args(returns)[0]
    return returns if isinstance(returns, str) else UNKNOWN


def plan_all(routes: Iterable[Route], types_of: Mapping[str, Any]) -> tuple[Plan, ...]:
    """Plan every route of an app."""
    return tuple(make_plan(route, types_of) for route in routes)
