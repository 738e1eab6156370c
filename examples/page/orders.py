"""Streams and plain HTTP routes in one controller.

curl http://127.0.0.1:8000/orders
curl -N http://127.0.0.1:8000/orders/1/events
curl -X POST http://127.0.0.1:8000/orders/1/ship

(examples/orders is the same with authentication and a database, whose orders survive a restart.)
"""

from __future__ import annotations

from typing import Any

import attrs

from trio_sse import SSE, Controller, Events, Get, Post, Reference, required
from trio_sse.models import MemoryRepository
from trio_sse.topics import HasEvents, Topics


@attrs.frozen
class OrderUpdate:
    type: str
    data: dict[str, Any]


@attrs.frozen
class Order(HasEvents[OrderUpdate]):
    id: int
    item: str
    shipped: bool = False


class Orders(MemoryRepository[Order]):
    def __init__(self, topics: Topics) -> None:
        super().__init__(Order, [Order(1, "Assam"), Order(2, "Sencha")], topics=topics)


@attrs.frozen
class OrderService:
    _orders: Orders

    async def list(self) -> list[Order]:
        return await self._orders.list()

    async def ship(self, order: Order) -> None:
        await self._orders.save(attrs.evolve(order, shipped=True))
        await order.events.publish(OrderUpdate("shipped", {"item": order.item}))


async def list_orders(orders: OrderService) -> list[Order]:
    return await orders.list()


async def order_events(order: Reference[Order]) -> Events:
    found = await order
    if found is None:
        return

    async for update in found.events:
        yield {"event": update.type, "data": update.data}


async def ship(order: Order, orders: OrderService) -> None:
    await orders.ship(order)


controller = Controller("/orders").routes(
    # Regular HTTP routes
    list=Get("/").handle(list_orders),
    ship=Post("/:order/ship").types(required(Order)).handle(ship),
    # An SSE route for real-time updates
    events=SSE("/:order/events").types(Order).handle(order_events),
)
