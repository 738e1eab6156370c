"""What a type checker knows of the public API. Checked by mypy and pyright, and never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, assert_type
from uuid import UUID

import attrs
import trio

from trio_sse import (
    SSE,
    Aborted,
    AbortReason,
    App,
    Controller,
    Get,
    Headers,
    NotFound,
    PathParams,
    Post,
    Reference,
    Request,
    Response,
    Route,
    ServerSentEvent,
    any_of,
    required,
)
from trio_sse.auth import api_key, basic, bearer, cookie, fixed_passwords, fixed_secrets, same_secret
from trio_sse.models import MemoryRepository, Repository, resolve
from trio_sse.testing import pending
from trio_sse.topics import Gap, HasEvents, MemoryTopics, PublishedEvent, Subscription, Topic, Topics
from trio_sse.wire import Decoder, Done, EncodedEvent, Events


@attrs.frozen
class User:
    role: str


@attrs.frozen
class Filter:
    limit: int = 10


async def authenticate(headers: Headers) -> User:
    assert_type(headers["authorization"], str)
    assert_type(headers.get_all("accept"), tuple[str, ...])
    return User("admin")


def is_admin(user: User) -> bool:
    return user.role == "admin"


async def stream(room: int, aborted: Aborted, query: Filter) -> AsyncIterator[Any]:
    yield {"event": "connected", "data": {"room": room}}
    yield ServerSentEvent(data=query.limit, id="1")
    assert_type(aborted.is_set(), bool)
    assert_type(aborted.reason, AbortReason | None)
    assert_type(await aborted.wait(), AbortReason)


async def create(body: Filter, request: Request) -> Response:
    if request.client is None:
        raise NotFound("nobody")
    assert_type(request.last_event_id, str | None)
    return Response("made", status=201)


async def framed() -> Events:
    event = EncodedEvent("data: 1\n\n")
    assert_type(event.frames, bytes)
    assert_type(event.count, int)
    yield event
    yield [EncodedEvent(b"data: 2\n\n"), EncodedEvent.of({"data": 3}, {"data": 4})]


framed_route = SSE("/framed").handle(framed)

# Builders keep their types through every method.
events = (
    SSE("/rooms/:room/events")
    .use(user=authenticate)
    .guard(is_admin)
    .query(Filter)
    .heartbeat(5, event="ping")
    .retry(100)
)
assert_type(events, SSE)
assert_type(Get("/").use(user=authenticate).guard(any_of(is_admin, is_admin)).handle(lambda: 1), Get[[], int])
app = App().add(events.handle(stream), Post("/").body(Filter).handle(create))
assert_type(app, App)


@SSE("/decorated").heartbeat(5).handle
async def decorated(room: int) -> Events:
    yield {"data": room}


@Post("/created").body(Filter).handle
async def created(body: Filter) -> int:
    return body.limit


async def call_decorated() -> None:
    """A decorated handler is a route, and is called with its own types."""
    assert_type(decorated(room=1), Events)
    assert_type(await created(Filter()), int)
    App().add(decorated, created, events.handle(stream))


routes: list[Route] = [decorated, created, SSE("/ticks").events(tick=Filter).handle(stream)]
stream_route: SSE = SSE("/ticks").events(tick=Filter)

decoder = Decoder()
assert_type(decoder.feed(b"data: 1\n\n"), list[ServerSentEvent[str]])
assert_type(decoder.last_event_id, str | None)


async def verify(token: str, room: int) -> User | None:
    return User("admin") if same_secret(token, "secret") and room else None


async def verify_all(_token: str) -> User:
    return User("reader")


def verify_in_place(username: str, _password: str) -> User | None:
    return User(username)


# Authentication steps give what the verifier does, without None.
assert_type(bearer(verify), Callable[..., Awaitable[User]])
assert_type(bearer(verify_all, realm="a"), Callable[..., Awaitable[User]])
assert_type(cookie(verify, name="id"), Callable[..., Awaitable[User]])
assert_type(basic(verify_in_place), Callable[..., Awaitable[User]])
assert_type(basic(fixed_passwords({"ada": "secret"})), Callable[..., Awaitable[str]])
assert_type(api_key(fixed_secrets({"secret": 1}), header="x-key"), Callable[..., Awaitable[int]])
assert_type(SSE("/").use(user=bearer(verify)), SSE)


# -- models and references


@attrs.frozen
class OrderUpdate:
    status: str


@attrs.frozen
class Order(HasEvents[OrderUpdate]):
    id: UUID
    item: str = ""


@attrs.frozen
class Room:
    id: int


@attrs.frozen
class OrderParams:
    order: Reference[Order]
    room: int


class SqlOrders(Repository[Order]):
    """Derived from the protocol; a class that only looks like it will do as well."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    async def get(self, id: UUID, /) -> Order | None:
        return Order(id, "book", events=self._topics.topic(Order, id))

    async def get_many(self, ids: Sequence[UUID], /) -> Mapping[UUID, Order]:
        return {}


class RoomCache:
    async def get(self, id: int, /) -> Room | None:
        return Room(id)

    async def get_many(self, ids: Sequence[int], /) -> Mapping[int, Room]:
        return {}


rooms: Repository[Room] = RoomCache()
in_memory: Repository[Order] = MemoryRepository(Order)


async def order_events(order: Reference[Order], params: OrderParams, orders: Repository[Order]) -> AsyncIterator[Any]:
    assert_type(await order, Order | None)
    assert_type(await params.order, Order | None)
    assert_type(params.room, int)
    assert_type(order.model, type[Order])
    assert_type(await orders.get(UUID(int=1)), Order | None)
    assert_type(await orders.get_many([UUID(int=1)]), Mapping[Any, Order])
    found = await order
    if found is None:
        return
    assert_type(found.events, Topic[OrderUpdate])
    await found.events.publish(OrderUpdate("shipped"))
    async for update in found.events:
        assert_type(update, OrderUpdate)
        yield update


async def many(first: Reference[Order], second: Reference[Order], params: PathParams) -> None:
    assert_type(await resolve(first, second), list[Order | None])
    assert_type(params.anything, Any)
    assert_type(params["anything"], Any)


async def in_memory_too(orders: MemoryRepository[Order], topics: Topics) -> None:
    assert_type(await orders.get(1), Order | None)
    assert_type(await orders.get_many([1]), Mapping[Any, Order])
    assert_type(await orders.save(Order(UUID(int=1))), Order)
    assert_type(await orders.list(), list[Order])
    assert_type(await orders.delete(1), bool)
    assert_type(topics.topic(Order, 1), Topic[OrderUpdate])
    assert_type(MemoryTopics(backlog=5).topic(Order, 1), Topic[OrderUpdate])
    assert_type(attrs.evolve(Order(UUID(int=1)), item="book").events, Topic[OrderUpdate])


async def subscribed(topics: Topics, last_event_id: str | None) -> Events:
    async with topics.subscribe("rooms/*", topics.topic("a", 1), after=last_event_id, since=5, slow="latest") as events:
        assert_type(events, Subscription[Any])
        async for event in events:
            assert_type(event, PublishedEvent[Any] | Gap | Done)
            yield event
        async for batch in events.batches():
            yield batch


async def typed_subscription(order: Order) -> None:
    async for event in order.events.subscribe():
        assert_type(event, PublishedEvent[OrderUpdate] | Gap | Done)
    assert_type(await order.events.publish(OrderUpdate("shipped"), key="a"), str)
    assert_type(await pending(order.events.subscribe()), list[PublishedEvent[OrderUpdate] | Gap | Done])


assert_type(SSE("/rooms/:room").topic("rooms/:room", lambda user: f"users/{user.id}", since="oldest"), SSE[object])
SSE("/subscribed").handle(subscribed)


# -- controllers, services, typed events


class OrderService:
    def __init__(self, orders: Repository[Order]) -> None: ...


@asynccontextmanager
async def session(request: Request, nursery: trio.Nursery) -> AsyncGenerator[User]:
    yield User("admin")


def open_orders(topics: Topics) -> Repository[Order]:
    return SqlOrders(topics)


typed_events = SSE("/:order/events").events(tick=OrderUpdate).types(Order).inject(orders=Repository[Order])
assert_type(typed_events, SSE[object])
assert_type(typed_events.options.events, tuple[tuple[str, type[Any]], ...])
assert_type(Post("/:order").types(required(Order), room=required(Room)).inject(orders=OrderService), Post)

controller = Controller("/orders").inject(orders=OrderService).use(user=authenticate).guard(is_admin).types(Order)
assert_type(controller, Controller)
nested = controller.routes(events=typed_events.handle(order_events), rooms=Controller("/:order/rooms"))
assert_type(nested, Controller)

shop = App().provide(Topics, MemoryTopics).provide(SqlOrders).provide(Repository[Order], SqlOrders)
shop = shop.provide(session, scope="request").provide(int, value=5).override(Topics, MemoryTopics()).add(nested)
assert_type(shop, App)
assert_type(shop.add(orders=nested), App)
assert_type(shop.url("orders.events", order=UUID(int=1)), str)


async def live() -> None:
    async with shop.lifespan() as state:
        assert_type(state, dict[str, Any])
