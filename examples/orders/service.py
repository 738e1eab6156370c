"""The operations on orders: each changes the database first, and then publishes the update.

Owns that sequence. It does not know HTTP, and of the database only `SqlOrders`.
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
        """Store a new order."""
        return await self._orders.create(new, customer)

    async def set_status(self, id: int, status: Status) -> Order | None:
        """Change the status of an order, and publish the update.

        Raises:
            StatusConflict: The order cannot change to that status.
        """
        order = await self._orders.set_status(id, status)
        if order is not None:
            await order.events.publish(OrderUpdate("status", {"status": status.value}))
        return order
