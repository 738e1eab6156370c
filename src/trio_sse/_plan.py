"""Plans: a route checked and prepared, so that a request only has to follow it.

Owns all checks between the parts of one route: names, annotations, kinds of functions. A plan holds everything that can
be known before the first request; nothing is looked up by reflection later. Pure: it runs nothing.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import attrs
import msgspec

from ._context import BUILT_IN, UNKNOWN, Parameter, describe, fits, nearest, parameters_of, return_annotation
from ._errors import BuildError
from ._routes import DEFAULT_MAX_BODY, SSE, Route
from ._steps import AnyOf, Guard, Kind, ReadBody, ReadQuery, Step, Use, kind_of

__all__ = ("Call", "Check", "ParseBody", "ParseQuery", "Plan", "Provide", "make_plan")

SCALARS = (
    msgspec.inspect.StrType,
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.BoolType,
    msgspec.inspect.UUIDType,
    msgspec.inspect.EnumType,
    msgspec.inspect.LiteralType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.DateType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.TimeType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.NoneType,
)
SEQUENCES = (
    msgspec.inspect.ListType,
    msgspec.inspect.SetType,
    msgspec.inspect.FrozenSetType,
    msgspec.inspect.VarTupleType,
    msgspec.inspect.TupleType,
)


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
    """Convert the query string.

    Attributes:
        model: The type to convert to.
        fields: The names that the model reads; others are ignored.
        sequences: Those of them that take every value of their name.
    """

    model: Any
    fields: frozenset[str]
    sequences: frozenset[str]


@attrs.frozen
class ParseBody:
    """Wait for the body and decode it; without a decoder it stays bytes."""

    decoder: msgspec.json.Decoder[Any] | None


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
    """Walks a route's steps in order with the names that are known so far."""

    def __init__(self, route: Route, types_of: Mapping[str, Any]) -> None:
        self.route = route
        self.known: dict[str, Any] = {name: types_of.get(name, UNKNOWN) for name in BUILT_IN}
        self.readers: set[str] = set()
        self.params: dict[str, Any] = {}
        self.needs: set[str] = set()
        self.max_body = 0
        self.operations: list[Operation] = []

    def plan(self) -> Plan:
        for name in self.route.path.names:
            self.introduce(name, UNKNOWN, "the path")
            self.params[name] = UNKNOWN
        for index, step in enumerate(self.route.steps):
            self.add(step, index)
        handler = self.handler()
        params = tuple((name, self.param_type(name)) for name in self.route.path.names)
        return Plan(
            route=self.route,
            label=str(self.route),
            operations=tuple(self.operations),
            handler=handler,
            params=params,
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
                self.add_reader("query", model)
                self.operations.append(self.parse_query(model))
            case ReadBody(model, max_size):
                self.operations.append(ParseBody(self.add_reader("body", model)))
                self.max_body = max_size

    def add_use(self, step: Use, call: Call, name: str | None) -> None:
        if call.kind is Kind.GENERATOR:
            raise self.error(f"{call} yields; decorate it with @contextlib.asynccontextmanager to use it as middleware")
        returns = _result_type(call)
        if name is not None:
            self.introduce(name, returns, str(step))
            self.operations.append(Provide(call, name))
            return
        fields = self.result_fields(call, returns)
        for field, annotation in fields.items():
            self.introduce(field, annotation, str(step))
        self.operations.append(Provide(call, None, tuple(fields)))

    def result_fields(self, call: Call, returns: Any) -> Mapping[str, Any]:
        """The names that an unnamed middleware provides."""
        if returns is UNKNOWN or returns is None or returns is type(None):
            return {}
        if inspect.isclass(returns) and attrs.has(returns):
            hints = get_type_hints(returns)
            return {field.name: hints.get(field.name, UNKNOWN) for field in attrs.fields(returns)}
        raise self.error(
            f"{call} returns {_type_name(returns)}, which is not an attrs class whose fields could become names; "
            f"give the value a name, as in .use(value={getattr(call.function, '__name__', 'step')})"
        )

    def guard_call(self, function: Callable[..., Any], index: int) -> Call:
        call = self.call(function, "guard", index)
        if call.kind not in (Kind.SYNC, Kind.ASYNC):
            raise self.error(f"guard {call} yields; a guard returns True or False")
        return call

    def add_reader(self, name: str, model: Any) -> msgspec.json.Decoder[Any]:
        if name in self.readers:
            raise self.error(f".{name}() is there twice; one model reads the whole {name}")
        self.readers.add(name)
        self.known[name] = model
        try:
            return msgspec.json.Decoder(model)
        except TypeError as problem:
            raise self.error(f".{name}({_type_name(model)}): this type cannot be read: {problem}") from None

    def parse_query(self, model: Any) -> ParseQuery:
        fields = getattr(msgspec.inspect.type_info(model), "fields", None)
        if fields is None:
            raise self.error(f".query({_type_name(model)}): the model must have fields: an attrs class or a dataclass")
        sequences = (f.encode_name for f in fields if any(isinstance(t, SEQUENCES) for t in _members(f.type)))
        return ParseQuery(model, frozenset(f.encode_name for f in fields), frozenset(sequences))

    # -- the handler

    def handler(self) -> Call:
        handler = self.route.handler
        if handler is None:
            raise self.error("this route has no handler; finish it with .handle(function)")
        call = self.call(handler, "handler", len(self.route.steps))
        if call.kind in (Kind.GENERATOR, Kind.CONTEXT) and not isinstance(self.route, SSE):
            raise self.error(
                f"handler {call} yields, which only an SSE route takes; write SSE({str(self.route.path)!r})"
            )
        return call

    # -- names

    def introduce(self, name: str, annotation: Any, source: str) -> None:
        if name in BUILT_IN:
            raise self.error(f"{source} gives the name {name!r}, which is built in ({BUILT_IN[name]}); choose another")
        if name in self.known:
            raise self.error(f"{source} gives the name {name!r}, which is there already; choose another")
        self.known[name] = annotation

    def call(self, function: Callable[..., Any], role: str, index: int) -> Call:
        takes = []
        for parameter in parameters_of(function):
            if parameter.name in self.known:
                self.take(parameter, f"{role} {describe(function)}")
                takes.append(parameter.name)
            elif parameter.required:
                raise self.unknown(parameter.name, f"{role} {describe(function)}", index)
        return Call(function, kind_of(function), tuple(takes))

    def take(self, parameter: Parameter, who: str) -> None:
        name = parameter.name
        self.needs.add(name)
        if name in self.params:
            self.take_param(parameter, who)
        elif name == "body" and "body" not in self.readers:
            self.take_raw_body(who)
        elif not fits(self.known[name], parameter.annotation):
            raise self.error(
                f"{who} wants {name!r} as {_type_name(parameter.annotation)}, but it is {_type_name(self.known[name])}"
            )

    def take_param(self, parameter: Parameter, who: str) -> None:
        wanted, known = parameter.annotation, self.params[parameter.name]
        if wanted is UNKNOWN or wanted is Any:
            return
        if known is not UNKNOWN and known != wanted:
            raise self.error(
                f"{who} wants the path parameter {parameter.name!r} as {_type_name(wanted)}, "
                f"another step wants it as {_type_name(known)}; a path parameter has one type"
            )
        self.params[parameter.name] = wanted

    def take_raw_body(self, who: str) -> None:
        if self.route.method == "GET":
            raise self.error(f"{who} asks for 'body', which a GET request does not have; use 'query', or answer POST")
        if self.max_body == 0:
            self.max_body = DEFAULT_MAX_BODY
            self.operations.append(ParseBody(None))

    def param_type(self, name: str) -> Any:
        wanted = self.params[name]
        if wanted is UNKNOWN or wanted is str:
            return None
        try:
            members = _members(msgspec.inspect.type_info(wanted))
        except TypeError:
            members = (None,)
        if all(isinstance(member, SCALARS) for member in members):
            return wanted
        raise self.error(
            f"the path parameter {name!r} is annotated {_type_name(wanted)}, which one path segment cannot be read into; "
            "use str, int, float, bool, UUID, Decimal, date, datetime, an Enum or a Literal"
        )

    def unknown(self, name: str, who: str, index: int) -> BuildError:
        for step in self.route.steps[index:]:
            if isinstance(step, Use) and step.name == name:
                return self.error(f"{who} asks for {name!r} before {step} provides it; move that step up")
        available = ", ".join(sorted(self.known))
        return self.error(
            f"{who} asks for {name!r}, which nothing provides.{nearest(name, self.known)} Available here: {available}"
        )


def _result_type(call: Call) -> Any:
    """What a middleware gives: what it returns, or what its context manager yields."""
    returns = return_annotation(inspect.unwrap(call.function))
    if call.kind is not Kind.CONTEXT:
        return returns
    if get_origin(returns) in (AsyncIterator, AsyncGenerator, AsyncIterable):
        return get_args(returns)[0]
    return UNKNOWN


def _members(info: Any) -> tuple[Any, ...]:
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated or isinstance(annotation, types.GenericAlias | types.UnionType):
        return str(annotation)
    return getattr(annotation, "__qualname__", None) or str(annotation)


def plan_all(routes: Iterable[Route], types_of: Mapping[str, Any]) -> tuple[Plan, ...]:
    """Plan every route of an app."""
    return tuple(make_plan(route, types_of) for route in routes)
