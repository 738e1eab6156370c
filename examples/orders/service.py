"""What can be done with orders: the database is changed first, then those who follow are told.

Owns that order of things. Knows nothing of HTTP, and of the database only what `SqlOrders` offers.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .domain import NewOrder, Order, OrderUpdate, Status
from .repository import SqlOrders

__all__ = ("OrderService",)


@attrs.frozen(eq=False)
class OrderService:
    """The orders, as the routes use them."""

    _orders: SqlOrders

    async def list(self, customer: str | None = None) -> Sequence[Order]:
        """The newest orders, of one customer or of all."""
        return await self._orders.list(customer)

    async def get(self, id: int) -> Order | None:
        """An order as it is now."""
        return await self._orders.get(id)

    async def place(self, new: NewOrder, customer: str) -> Order:
        """Keep a new order."""
        return await self._orders.create(new, customer)

    async def set_status(self, id: int, status: Status) -> Order | None:
        """Bring an order into another state, and tell those who follow it.

        Raises:
            StatusConflict: It cannot come into that state.
        """
        order = await self._orders.set_status(id, status)
        if order is not None:
            await order.events.publish(OrderUpdate("status", {"status": status.value}))
        return order
