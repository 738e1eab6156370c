"""Path parameters: which model matches which, and what steps get. (Errors: test_build_errors.)"""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from uuid import UUID

import attrs
import pytest
from trio.testing import MockClock

from trio_sse import App, Get, PathParams, Reference, Route, required
from trio_sse._ground.signatures import Parameter
from trio_sse._plan.parameters import PathParameters
from trio_sse._plan.plan import Plan
from trio_sse._plan.planner import plan_all
from trio_sse._plan.services import ServiceGraph
from trio_sse._routes.models import parameter_names
from trio_sse._runtime.built_in_names import BUILT_IN
from trio_sse.errors import BuildError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient
from trio_sse.wire import encode_json

T = TypeVar("T")


@attrs.frozen
class Ticket:
    id: int


@attrs.frozen
class OrderItem:
    id: UUID


@attrs.frozen
class Special(Ticket):
    pass


def app_of(route: Route) -> App:
    app = App().provide(Repository[Ticket], value=MemoryRepository(Ticket, [Ticket(1)]))
    return app.provide(Repository[OrderItem], value=MemoryRepository(OrderItem)).add(route)


async def get(route: Route, target: str) -> Any:
    async with TestClient(app_of(route)) as client:
        reply = await client.get(target)
    return reply.json() if reply.status == 200 else reply.status


# -- matching


def named(name: str) -> type[Any]:
    return type(name, (), {})


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("Ticket", ["ticket", "Ticket"]),
        ("OrderItem", ["order_item", "orderItem", "OrderItem"]),
        ("HTTPRoom", ["http_room", "httpRoom", "hTTPRoom", "HTTPRoom"]),
        ("Order2Item", ["order2_item", "order2Item", "Order2Item"]),
        ("URL", ["url", "uRL", "URL"]),
        ("ticket", ["ticket"]),
        ("order_item", ["order_item", "orderItem"]),
    ],
)
def test_a_class_matches_its_name_in_each_style_with_or_without_ref(model: str, names: list[str]) -> None:
    assert parameter_names(named(model)) == {name + suffix for name in names for suffix in ("", "Ref", "_ref")}


@pytest.mark.parametrize("name", ["ticket", "Ticket", "ticketRef", "TicketRef", "ticket_ref"])
def test_a_path_parameter_of_such_a_name_becomes_a_reference(name: str) -> None:
    route = Get(f"/x/:id/:{name}").types(Ticket).handle(lambda: None)
    (plan,) = plans(app_of(route))
    assert plan.models == ((name, Ticket, "id"),)
    assert plan.params == (("id", None), (name, int))


@pytest.mark.parametrize("name", ["order_item", "orderItem", "OrderItem", "orderItemRef", "order_item_ref"])
def test_a_name_of_several_words_is_matched_in_every_style(name: str) -> None:
    (plan,) = plans(app_of(Get(f"/:{name}").types(OrderItem).handle(lambda: None)))
    assert plan.params == ((name, UUID),)


@pytest.mark.parametrize(
    "name", ["tickets", "TICKET", "ticketref", "ticket_Ref", "my_ticket", "orderitem", "order-item"]
)
def test_no_other_name_is_matched(name: str) -> None:
    assert name not in parameter_names(Ticket) | parameter_names(OrderItem)


def test_a_parameter_that_is_named_needs_no_likeness() -> None:
    route = Get("/:a/:ticket").types(a=OrderItem, ticket=required(Ticket)).handle(lambda: None)
    (plan,) = plans(app_of(route))
    assert plan.models == (("a", OrderItem, "id"), ("ticket", Ticket, "id"))


async def test_a_parameter_that_matches_no_model_stays_a_string(autojump_clock: MockClock) -> None:
    route = Get("/:room/:ticket").types(Ticket).handle(lambda room, ticket: [room, ticket.id])
    assert await get(route, "/7/8") == ["7", 8]


# -- what a step may annotate it as


def plans(app: App) -> tuple[Plan, ...]:
    """The plan of each route of an app."""
    return plan_all(app.routes, BUILT_IN, ServiceGraph(app.providers, BUILT_IN), encode_json)


def parameters(*models: Any, **named_models: Any) -> PathParameters:
    route = Get("/:ticket/:room").types(*models, **named_models)
    return PathParameters(route, ServiceGraph(app_of(route).providers, BUILT_IN))


@pytest.mark.parametrize("wanted", [Any, Reference, Reference[Ticket], Reference[Special], Reference[Any], object, T])
def test_a_reference_may_be_annotated_as_what_it_is(wanted: Any) -> None:
    parameters(Ticket).take(Parameter("ticket", wanted, True), "handler f()")


@pytest.mark.parametrize("wanted", [Any, Ticket, Special, object, Ticket | None])
def test_a_required_model_may_be_annotated_as_what_it_is(wanted: Any) -> None:
    parameters(required(Ticket)).take(Parameter("ticket", wanted, True), "handler f()")


@pytest.mark.parametrize("wanted", [int, str, Ticket, Reference[OrderItem], UUID | None])
def test_a_reference_is_nothing_else(wanted: Any) -> None:
    with pytest.raises(BuildError, match=r"handler f\(\) wants 'ticket' as .*, but it is Reference\[Ticket\]"):
        parameters(Ticket).take(Parameter("ticket", wanted, True), "handler f()")


@pytest.mark.parametrize("wanted", [int, OrderItem, Reference, Reference[Ticket]])
def test_a_required_model_is_nothing_else(wanted: Any) -> None:
    with pytest.raises(BuildError, match=r"handler f\(\) wants 'ticket' as .*, but it is Ticket"):
        parameters(required(Ticket)).take(Parameter("ticket", wanted, True), "handler f()")


# -- as one value


async def test_params_has_every_parameter_by_attribute_and_by_key(autojump_clock: MockClock) -> None:
    async def handler(params: PathParams) -> list[Any]:
        return [params.room, params["room"], params.ticket.id, list(params)]

    route = Get("/:ticket/:room").types(Ticket).handle(handler)
    assert await get(route, "/1/lobby") == ["lobby", "lobby", 1, ["ticket", "room"]]


def test_params_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match="there is no path parameter 'rom'; there is room, ticket"):
        _ = PathParams(room="x", ticket=1).rom
    with pytest.raises(AttributeError, match="there is no path parameter 'rom'; there is none"):
        _ = PathParams().rom
    assert not hasattr(PathParams(room="x"), "__wrapped__")


@attrs.frozen
class TicketParams:
    ticket: Reference[Ticket]
    room: int
    note: str = "none"


async def test_a_class_of_the_application_has_the_parameters_as_its_fields(autojump_clock: MockClock) -> None:
    def handler(params: TicketParams) -> list[Any]:
        return [type(params).__name__, params.ticket.id, params.room + 1, params.note]

    route = Get("/:ticket/:room").types(Ticket).handle(handler)
    assert await get(route, "/1/2") == ["TicketParams", 1, 3, "none"]
    assert await get(route, "/1/two") == 404  # the annotation of the field converts


@attrs.frozen
class RequiredParams:
    ticket: Ticket


async def test_a_class_of_the_application_may_have_a_required_model(autojump_clock: MockClock) -> None:
    def handler(params: RequiredParams) -> Any:
        return [params.ticket.id]

    route = Get("/:ticket").types(required(Ticket)).handle(handler)
    assert await get(route, "/1") == [1]
    assert await get(route, "/2") == 404


@attrs.frozen
class OnlyRoom:
    room: str


async def test_a_class_need_not_have_every_parameter_and_every_step_may_have_its_own(autojump_clock: MockClock) -> None:
    def one(params: OnlyRoom) -> str:
        return params.room

    def two(params: TicketParams) -> Any:
        return params.ticket.id

    def three(params: Any, first: str, second: int) -> list[Any]:
        return [first, second, type(params).__name__]

    route = Get("/:ticket/:room").types(Ticket).use(first=one).handle(lambda first: first)
    assert await get(route, "/1/2") == "2"
    mixed = Get("/:ticket/:room").types(Ticket).use(second=two).use(first=lambda: "x").handle(three)
    assert await get(mixed, "/1/2") == ["x", 1, "PathParams"]
    with pytest.raises(BuildError, match="a path parameter has one type"):
        app_of(Get("/:ticket/:room").types(Ticket).use(first=one).use(second=two).handle(three)).check()


@attrs.define
class Named:
    room: int = attrs.field(alias="number")
    derived: int = attrs.field(init=False, default=1)
    ticket: str = attrs.field(init=False, default="not from the path")


async def test_a_class_is_filled_by_the_names_that_its_constructor_has(autojump_clock: MockClock) -> None:
    def handler(params: Named) -> list[Any]:
        return [params.room, params.derived, params.ticket]

    assert await get(Get("/:ticket/:room").handle(handler), "/1/2") == [2, 1, "not from the path"]


@attrs.define
class Private:
    room: int
    _admin: bool = False


async def test_a_private_field_is_not_filled_from_the_path(autojump_clock: MockClock) -> None:
    def handler(params: Private) -> list[Any]:
        return [params.room, params._admin]

    assert await get(Get("/:admin/:room").handle(handler), "/true/2") == [2, False]
    with pytest.raises(BuildError, match="whose field '_admin' is private, so that a client cannot set it"):
        app_of(Get("/:_admin/:room").handle(handler)).check()


@attrs.frozen
class Base(Generic[T]):
    room: int


@attrs.frozen
class Inherited(Base[int]):
    ticket: str


async def test_a_class_may_inherit_its_fields(autojump_clock: MockClock) -> None:
    def handler(params: Inherited) -> list[Any]:
        return [params.room, params.ticket]

    assert await get(Get("/:ticket/:room").handle(handler), "/1/2") == [2, "1"]


async def test_a_class_is_made_once_for_all_steps_that_ask_for_it(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    def step(params: TicketParams) -> bool:
        seen.append(params)
        return True

    await get(Get("/:ticket/:room").types(Ticket).guard(step, step).handle(step), "/1/2")
    assert len(seen) == 3
    assert len({id(each) for each in seen}) == 1
