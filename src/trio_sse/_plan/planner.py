"""The planner: it checks a route and makes its plan, which a request follows.

Owns all checks between the parts of one route: names, annotations, kinds of functions, services. All reflection happens
here, and none in a request. Pure: it calls none of the user's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import reduce
from typing import Any, Never, NoReturn, TypeVar

import attrs

from .._ground.calls import Call, Kind, kind_of, result_type
from .._ground.naming import describe, name_of, type_name
from .._ground.signatures import UNKNOWN, Parameter, field_annotations, parameters_of
from .._http.body_reader import DEFAULT_MAX_BODY, BodyReader
from .._http.form_reader import FormReader
from .._http.parts import PartParser
from .._http.query_reader import QueryReader
from .._http.response_headers import encoded, merged
from .._routes.routes import Route
from .._routes.sse import SSE
from .._routes.steps import AnyOf, Guard, ReadBody, ReadForm, ReadQuery, Step, Typed, Use
from ..errors import BuildError
from ..topics import Topics
from ..wire import JSONEncoder, encode_json
from .built_in_names import BuiltInNames, can_be
from .event_encoder import EventEncoder
from .event_map import EventMap
from .missing import missing
from .operations import OperationList
from .parameters import PathParameters
from .params_class import is_params_class
from .plan import QUERY_MODEL, Plan, RunGuard, RunReadBody, RunReadForm, RunReadQuery, RunUse
from .services import ServiceGraph

__all__ = ("make_plan", "plan_all")

T = TypeVar("T")

NOTHING = (UNKNOWN, Any, object, None, type(None), Never, NoReturn)
"""Return annotations of middleware that provides no names. If such middleware returns a value, that is a StepError."""


def make_plan(
    route: Route, names: BuiltInNames, graph: ServiceGraph | None = None, json: JSONEncoder = encode_json
) -> Plan:
    """Check a route, and make its plan.

    Args:
        route: The route, with its handler.
        names: The built-in names.
        graph: The app's services; none by default.
        json: Encodes the data of events.

    Raises:
        BuildError: The route has a mistake; the message names the route and says what to do.
    """
    return _Planner(route, names, graph or ServiceGraph((), names), json).plan()


def plan_all(routes: Iterable[Route], names: BuiltInNames, graph: ServiceGraph, json: JSONEncoder) -> tuple[Plan, ...]:
    """Plan every route of an app."""
    return tuple(make_plan(route, names, graph, json) for route in routes)


class _Planner:
    """Plans one route, step by step, in order.

    Attributes:
        known: The type of each name that is known so far.
        sources: What has introduced each name, for messages.
    """

    def __init__(self, route: Route, names: BuiltInNames, graph: ServiceGraph, json: JSONEncoder) -> None:
        self.route = route
        self.built_in = names
        self.json = json
        self.graph = graph
        self.known: dict[str, Any] = {name: each.type for name, each in names.items()}
        self.sources: dict[str, str] = {}
        self.readers: set[str] = set()
        self.max_body = 0
        self.parameters = PathParameters(route, graph)
        self.operations = OperationList(self.parameters, graph)
        self.services: dict[str, Any] = {}

    def plan(self) -> Plan:
        del self.known["form"]  # until .form() reads it
        if self.route.method == "GET":
            del self.known["body"]
        for name in self.parameters.names:
            self.introduce(name, UNKNOWN, f"the path {self.route.path}")
        for name, token in self.route.services:
            self.inject(name, token)
        for index, step in enumerate(self.route.steps):
            self.add(step, index)
        handler = self.handler()
        models = self.parameters.models.values()
        return Plan(
            route=self.route,
            label=str(self.route),
            operations=self.operations.in_order(),
            handler=handler,
            params=self.parameters.conversions(),
            models=tuple((each.parameter, each.step.model, each.id_field.name) for each in models),
            needs=frozenset(self.operations.needs),
            max_body=self.max_body,
            encoder=EventEncoder(str(self.route), self.json, self.events()),
            headers=reduce(merged, (encoded((pair,)) for pair in self.route.response_headers), ()),
        )

    def events(self) -> EventMap | None:
        route: SSE | Route = self.route
        types = route.options.events if isinstance(route, SSE) else ()
        return EventMap(types) if types else None

    def error(self, message: str) -> BuildError:
        return BuildError(f"{self.route}: {message}")

    # -- steps

    def inject(self, name: str, token: Any) -> None:
        source = f".inject({name}={type_name(token)})"
        if token not in self.graph:
            name = type_name(token)
            raise self.error(
                f"{source} asks for {name}, which nothing provides; add .provide({name}) to the app."
                f"{self.graph.hint(token)}"
            )
        self.introduce(name, token, source)
        self.services[name] = token

    def add(self, step: Step, index: int) -> None:
        match step:
            case Use(function, name):
                self.add_use(step, self.call(function, "middleware", index), name)
            case Guard(function):
                self.operations.add(RunGuard((self.guard_call(function, index),)))
            case AnyOf(functions):
                calls = tuple(self.guard_call(function, index) for function in functions)
                self.operations.add(RunGuard(calls))
            case ReadQuery(model):
                self.operations.add(RunReadQuery(self.reader("query", model, QueryReader.of)))
            case ReadForm():
                self.add_form(step)
            case ReadBody(model, max_size):
                if "form" in self.readers:
                    raise self.error(f"{step} and .form() both read the body; use one of them")
                self.operations.add(RunReadBody(self.reader("body", model, BodyReader.of)))
                self.max_body = max_size
            case Typed():
                self.load(step)

    def load(self, step: Typed) -> None:
        """Add the look-up of a required model, at its step. A reference is made before the first call that takes it."""
        if step.required:
            for model in self.parameters.models.values():
                if model.step is step:
                    self.operations.load(model.parameter)

    def add_use(self, step: Use, call: Call, name: str | None) -> None:
        if call.kind is Kind.GENERATOR:
            raise self.error(f"{call} yields; decorate it with @contextlib.asynccontextmanager to use it as middleware")
        provided = self.provided(step)
        for each, annotation in provided.items():
            self.introduce(each, annotation, str(step))
        self.operations.add(RunUse(call, name, tuple(provided) if name is None else ()))

    def add_form(self, step: ReadForm) -> None:
        if self.max_body and "form" not in self.readers:
            raise self.error(f"{step} is to read the body, which another step reads before it; use one of them")
        reader = self.reader("form", step.model, FormReader.of)
        self.known.pop("body", None)
        self.operations.add(RunReadForm(reader, step.limits, self.form_parser()))
        self.max_body = step.limits.max_size

    def form_parser(self) -> Callable[[str], PartParser]:
        try:
            from .._http.multipart import MultipartParser  # noqa: PLC0415 - needs python-multipart
        except ModuleNotFoundError as missing:
            if missing.name != "python_multipart":
                raise
            raise self.error(
                ".form() needs python-multipart, which is not installed: pip install trio-sse[forms]"
            ) from None
        return MultipartParser

    def provided(self, step: Use) -> Mapping[str, Any]:
        """The names that a middleware provides, and what they are."""
        returns = result_type(step.function)
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
        self.check_topics()
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

    def check_topics(self) -> None:
        """Check what only a stream of topics needs."""
        route: SSE | Route = self.route
        topics = route.topics if isinstance(route, SSE) else None
        if topics is None:
            return
        for name in topics.path_parameters:
            if name not in self.parameters.names:
                there = ", ".join(f":{each}" for each in self.parameters.names) or "no parameters"
                raise self.error(f"{topics} takes :{name}, but the path has {there}")
        if Topics not in self.graph:
            raise self.error(f"{topics} needs Topics, which nothing provides; add .provide(Topics, MemoryTopics)")

    # -- names

    def introduce(self, name: str, annotation: Any, source: str) -> None:
        if name in self.built_in:
            what = self.built_in[name].description
            raise self.error(f"{source} gives the name {name!r}, which is built in ({what}); choose another")
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
        sources: list[tuple[str, Hashable]] = []
        for parameter in parameters:
            if parameter.name not in self.known:
                self.check_order(parameter.name, who, index)
            token = self.service_for(parameter)
            if parameter.name in self.known:
                sources.append((parameter.name, self.take(parameter, who)))
            elif token is not None:
                sources.append((parameter.name, self.operations.service(token)))
            elif parameter.required:
                raise self.miss(parameter, who)
        return Call(function, kind_of(function), tuple(sources))

    def take(self, parameter: Parameter, who: str) -> Hashable:
        """Check the annotation of a parameter, add the operations that make its value, and return the value's key."""
        name = parameter.name
        if name in self.parameters.names:
            self.parameters.take(parameter, who)
            return self.supplied(self.operations.parameter, name, who)
        if name == "params" and is_params_class(parameter.annotation):
            self.parameters.take_class(parameter.annotation, who)
            return self.supplied(self.operations.params, parameter.annotation, who)
        self.check(parameter, who)
        if name == "params":
            return self.supplied(self.operations.params, None, who)
        if name in self.services:
            return self.operations.service(self.services[name])
        if name == "query" and name in self.readers:
            return QUERY_MODEL
        if name == "body" and name not in self.readers and self.max_body == 0:
            self.max_body = DEFAULT_MAX_BODY
            self.operations.add(RunReadBody(None))
        if name in self.built_in:
            self.operations.needs.add(name)
        return name

    def supplied(self, supply: Callable[[Any, str], Hashable], what: Any, who: str) -> Hashable:
        try:
            return supply(what, who)
        except BuildError as problem:
            raise self.error(str(problem)) from None

    def check(self, parameter: Parameter, who: str) -> None:
        name, wanted, known = parameter.name, parameter.annotation, self.known[parameter.name]
        if can_be(known, wanted):
            return
        hint = ""
        if name in ("body", "query") and name not in self.readers:
            hint = f"; .{name}({type_name(wanted)}) would read it into one"
        if name == "params":
            hint = "; an attrs class would do, whose fields have the names of path parameters"
        raise self.error(f"{who} wants {name!r} as {type_name(wanted)}, but it is {type_name(known)}{hint}")

    def check_order(self, name: str, who: str, index: int) -> None:
        """Check that no later step provides a name that is unknown so far."""
        for step in self.route.steps[index + 1 :]:
            if isinstance(step, Use) and name in self.provided(step):
                raise self.error(f"{who} asks for {name!r} before {step} provides it; move that step up")

    def service_for(self, parameter: Parameter) -> Any:
        """The token of the service that a parameter takes by its annotation, or None. Built-in names go first."""
        return None if parameter.name in self.built_in else self.graph.service_for(parameter.annotation)

    def miss(self, parameter: Parameter, who: str) -> BuildError:
        """The error about a parameter that neither its name nor its annotation gives a value."""
        name = parameter.name
        if name == "form":
            later = any(isinstance(step, ReadForm) for step in self.route.steps)
            what = (
                "nothing reads before it; move .form() up" if later else "nothing reads; add .form(Model) to the route"
            )
            return self.error(f"{who} asks for 'form', which {what}")
        if name == "body" and "form" in self.readers:
            return self.error(f"{who} asks for 'body', which .form() reads; take 'form'")
        if name == "body":
            return self.error(f"{who} asks for 'body', which a GET request does not have; use 'query', or answer POST")
        return self.error(missing(who, parameter, self.known, self.graph.recipes))
