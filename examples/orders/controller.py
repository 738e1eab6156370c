"""The orders over HTTP: list, place, show, change, and follow.

Authentication (401) comes first, then the order (404) and authorization (403): all of it before a stream starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from trio_sse import SSE, Controller, Events, Get, Post, Response, required
from trio_sse.errors import Conflict

from .domain import NewOrder, Order, Status, StatusConflict
from .service import OrderService
from .users import User, authenticate, is_clerk, may_see

__all__ = ("controller",)


@attrs.frozen
class Change:
    """The body of a request that changes an order."""

    status: Status


async def list_orders(orders: OrderService, user: User) -> Sequence[Order]:
    """The orders of a customer; for a clerk all orders."""
    return await orders.list(None if user.clerk else user.name)


async def place(orders: OrderService, user: User, body: NewOrder, url: Callable[..., str]) -> Response:
    """Store a new order, and respond with its location."""
    order = await orders.place(body, user.name)
    return Response(order, status=201, headers={"location": url("orders.show", order=order)})


async def show(order: Order) -> Order:
    """One order."""
    return order


async def change(orders: OrderService, order: Order, body: Change) -> Order | None:
    """Change the status of an order."""
    try:
        return await orders.set_status(order.id, body.status)
    except StatusConflict as conflict:
        raise Conflict(str(conflict)) from None


async def follow(orders: OrderService, order: Order) -> Events:
    """The order as it is now, then every update.

    It subscribes first, and then reads the order again: an update in between may be sent twice, but is never missed.
    """
    updates = aiter(order.events)
    yield {"event": "order", "data": await orders.get(order.id)}
    async for update in updates:
        yield {"event": update.type, "data": update.data}


controller = (
    Controller("/orders")
    .use(user=authenticate)
    .routes(
        list=Get("/").handle(list_orders),
        place=Post("/").body(NewOrder).handle(place),
        show=Get("/:order").types(required(Order)).guard(may_see).handle(show),
        change=Post("/:order").guard(is_clerk).types(required(Order)).body(Change).handle(change),
        events=SSE("/:order/events").types(required(Order)).guard(may_see).handle(follow),
    )
)
