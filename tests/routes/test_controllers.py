"""Controllers: immutable values that put routes under one prefix, with steps and services that all of them share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from trio_sse import SSE, App, Controller, Get, Post, required
from trio_sse.errors import BuildError, URLError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient


class Service:
    def name(self) -> str:
        return "service"


class Other(Service):
    def name(self) -> str:
        return "other"


@attrs.frozen
class Ticket:
    id: int


def answer() -> int:
    return 1


def post() -> int:
    return 2


async def stream() -> AsyncIterator[Any]:
    yield {"data": "first"}


def authenticate() -> str:
    return "ann"


def is_admin(user: str) -> bool:
    return bool(user)


def paths(*members: Any, **named: Any) -> list[tuple[str, str]]:
    return [(str(route), route.name) for route in App().add(*members, **named).routes]


# -- a value


CHANGES: list[Callable[[Controller], Controller]] = [
    lambda controller: controller.use(user=authenticate),
    lambda controller: controller.guard(is_admin),
    lambda controller: controller.inject(service=Service),
    lambda controller: controller.types(Ticket),
    lambda controller: controller.types(ticket=required(Ticket)),
    lambda controller: controller.routes(list=Get("/").handle(answer)),
    lambda controller: controller.routes(inner=Controller("/inner")),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_method_gives_a_new_controller(change: Callable[[Controller], Controller]) -> None:
    controller = Controller("/tickets")
    changed = change(controller)
    assert isinstance(changed, Controller)
    assert changed != controller
    assert controller == Controller("/tickets")
    assert changed == change(controller)
    assert hash(changed) == hash(change(controller))


def test_a_controller_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Controller("/a").members = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("controller", "text"),
    [
        (Controller("/tickets/"), "Controller('/tickets')"),
        (
            Controller("/a").inject(x=Service).use(user=authenticate).guard(is_admin).routes(list=Get("/")),
            "Controller('/a').inject(x=Service).use(user=authenticate).guard(is_admin).routes(list=Get('/'))",
        ),
        (
            Controller("/a").types(Ticket, other=required(Ticket)).routes(b=Controller("/b")),
            "Controller('/a').types(Ticket).types(other=required(Ticket)).routes(b=Controller('/b'))",
        ),
        (Get("/a").inject(x=Repository[Ticket]), "Get('/a').inject(x=Repository[Ticket])"),
    ],
)
def test_a_controller_reads_as_it_is_written(controller: object, text: str) -> None:
    assert repr(controller) == text


def test_a_controller_has_a_short_name_for_messages() -> None:
    assert str(Controller("/a/:b/")) == "Controller /a/:b"


# -- prefixes and names


def test_its_routes_stand_under_its_prefix_in_the_order_in_which_they_were_added() -> None:
    controller = Controller("/orders").routes(list=Get("/"), events=SSE("/:order/events")).routes(make=Post("/"))
    assert paths(controller) == [
        ("GET /orders", "orders.list"),
        ("SSE /orders/:order/events", "orders.events"),
        ("POST /orders", "orders.make"),
    ]


def test_prefixes_and_names_nest() -> None:
    items = Controller("/:order/items").routes(list=Get("/"), one=Get("/:item"))
    orders = Controller("/orders").routes(items=items, list=Get("/"))
    shop = Controller("/shops/:shop").routes(orders=orders)
    assert paths(shop) == [
        ("GET /shops/:shop/orders/:order/items", "shops.orders.items.list"),
        ("GET /shops/:shop/orders/:order/items/:item", "shops.orders.items.one"),
        ("GET /shops/:shop/orders", "shops.orders.list"),
    ]


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("/", "x"), ("/:shop", "x"), ("/a", "a.x"), ("/a/b-c", "b_c.x"), ("/a/:b", "a.x"), ("/:a/b/:c", "b.x")],
)
def test_a_controller_is_named_after_the_last_word_of_its_prefix(prefix: str, name: str) -> None:
    assert paths(Controller(prefix).routes(x=Get("/x")))[0][1] == name


def test_an_app_may_give_another_name() -> None:
    controller = Controller("/orders").routes(list=Get("/"))
    assert paths(sales=controller) == [("GET /orders", "sales.list")]
    assert paths(home=Get("/")) == [("GET /", "home")]
    assert paths(Get("/")) == [("GET /", "")]


def test_a_name_that_a_route_had_before_gives_way_to_that_in_the_controller() -> None:
    (route,) = App().add(old=Get("/x")).routes
    assert paths(Controller("/a").routes(new=route)) == [("GET /a/x", "a.new")]
    assert paths(route) == [("GET /x", "old")]


def test_one_controller_may_be_added_to_two_apps_and_under_two_prefixes() -> None:
    inner = Controller("/inner").routes(x=Get("/x"))
    assert paths(a=Controller("/a").routes(inner=inner), b=Controller("/b").routes(inner=inner)) == [
        ("GET /a/inner/x", "a.inner.x"),
        ("GET /b/inner/x", "b.inner.x"),
    ]
    assert paths(inner) == [("GET /inner/x", "inner.x")]


def test_two_routes_of_one_name_are_a_build_error() -> None:
    app = App().add(Controller("/a/x").routes(list=Get("/").handle(answer)))
    with pytest.raises(BuildError, match=r"both have the name 'x\.list'"):
        app.add(Controller("/b/x").routes(list=Get("/").handle(answer))).check()
    app.add(y=Controller("/b/x").routes(list=Get("/").handle(answer))).check()
    app.add(Get("/c").handle(answer), Get("/d").handle(answer)).check()  # routes without a name have none in common


def test_a_prefix_and_a_route_cannot_name_the_same_parameter() -> None:
    with pytest.raises(BuildError, match="names the parameter 'order' twice"):
        App().add(Controller("/:order").routes(x=Get("/:order")))


# -- what is shared


async def test_shared_steps_run_before_those_of_a_route_from_the_outside_in(autojump_clock: MockClock) -> None:
    log: list[str] = []

    def step(name: str) -> Callable[[], bool]:
        def run() -> bool:
            log.append(name)
            return True

        return run

    inner = (
        Controller("/b")
        .use(user=step("b use"))
        .guard(step("b guard"))
        .routes(x=Get("/x").guard(step("route")).handle(lambda: 1))
    )
    outer = Controller("/a").guard(step("a guard")).use(who=step("a use")).routes(b=inner)
    assert (await TestClient(App().add(outer)).get("/a/b/x")).json() == 1
    assert log == ["a guard", "a use", "b use", "b guard", "route"]


async def test_what_shared_steps_provide_is_there_for_the_routes(autojump_clock: MockClock) -> None:
    controller = (
        Controller("/a")
        .use(user=authenticate)
        .guard(is_admin)
        .routes(me=Get("/me").handle(lambda user: f"I am {user}"))
    )
    assert (await TestClient(App().add(controller)).get("/a/me")).json() == "I am ann"


async def test_a_shared_guard_refuses_every_route_and_no_other(autojump_clock: MockClock) -> None:
    controller = Controller("/a").guard(lambda: False).routes(x=Get("/x").handle(answer), y=Post("/y").handle(answer))
    client = TestClient(App().add(controller, Get("/free").handle(answer)))
    assert (await client.get("/a/x")).status == 403
    assert (await client.request("POST", "/a/y")).status == 403
    assert (await client.get("/free")).status == 200


async def test_services_are_named_by_controllers_and_routes_alike(autojump_clock: MockClock) -> None:
    inner = (
        Controller("/b")
        .inject(b=Other)
        .routes(x=Get("/x").inject(c=Service).handle(lambda a, b, c: [*map(name, (a, b, c))]))
    )
    app = App().provide(Service).provide(Other).add(Controller("/a").inject(a=Service).routes(b=inner))
    async with TestClient(app) as client:
        assert (await client.get("/a/b/x")).json() == ["service", "other", "service"]


def name(service: Service) -> str:
    return service.name()


async def test_a_prefix_may_have_parameters_that_become_models(autojump_clock: MockClock) -> None:
    async def one(ticket: Ticket, item: int) -> list[int]:
        return [ticket.id, item]

    controller = Controller("/tickets/:ticket").types(required(Ticket)).routes(item=Get("/items/:item").handle(one))
    app = App().provide(Repository[Ticket], value=MemoryRepository(Ticket, [Ticket(7)])).add(controller)
    async with TestClient(app) as client:
        assert (await client.get("/tickets/7/items/3")).json() == [7, 3]
        assert (await client.get("/tickets/8/items/3")).status == 404
        assert (await client.get("/tickets/seven/items/3")).status == 404
    assert app.url("tickets.item", ticket=7, item=3) == "/tickets/7/items/3"
    with pytest.raises(URLError):
        app.url("tickets.item", ticket="seven", item=3)


async def test_a_stream_and_a_list_may_stand_side_by_side(autojump_clock: MockClock) -> None:
    app = App().add(
        Controller("/orders").routes(
            list=Get("/").handle(answer), make=Post("/").handle(post), events=SSE("/").handle(stream)
        )
    )
    client = TestClient(app)
    assert (await client.get("/orders")).json() == 1
    assert (await client.request("POST", "/orders")).json() == 2
    async with client.stream("/orders", headers={"accept": "text/event-stream"}) as events:
        assert (await events.event()).data == "first"
    assert app.url("orders.events") == "/orders"
