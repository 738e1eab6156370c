"""Orders in the database: makes values of rows, each bound to its topic.

It publishes nothing. The caller of a change publishes the update afterwards, when the change can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from sqlalchemy import Connection, Row, insert, select, update

from trio_sse.topics import Topics

from .database import Database, orders
from .domain import NewOrder, Order, Status, StatusConflict

__all__ = ("SqlOrders",)

IDS_AT_ONCE = 500
"""Ids in one statement: databases limit the number of parameters."""

LARGEST_ID = 2**63 - 1
"""The largest id in both databases, which raise an error for larger ones rather than find nothing."""


@attrs.frozen(eq=False)
class SqlOrders:
    """The orders. Each method is one transaction, and raises what `Database.run` does."""

    _database: Database
    _topics: Topics

    async def get(self, id: int, /) -> Order | None:
        """An order, or None."""
        return (await self.get_many([id])).get(id)

    async def get_many(self, ids: Sequence[int], /) -> Mapping[int, Order]:
        """The orders that exist, by id, as they were at one moment."""
        wanted = sorted({id for id in ids if 0 < id <= LARGEST_ID})
        if not wanted:
            return {}
        found = await self._database.read(lambda connection: _rows(connection, wanted))
        return {row.id: self._order(row) for row in found}

    async def list(self, customer: str | None = None, *, limit: int = 100) -> Sequence[Order]:
        """The newest orders, newest first.

        Args:
            customer: Only the orders of this customer.
            limit: The most orders.
        """
        query = select(orders).order_by(orders.c.id.desc()).limit(limit)
        if customer is not None:
            query = query.where(orders.c.customer == customer)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._order(row) for row in rows]

    async def create(self, new: NewOrder, customer: str) -> Order:
        """Store a new order, with the status open."""
        values = {"customer": customer, "item": new.item, "quantity": new.quantity, "status": Status.OPEN.value}
        query = insert(orders).values(values).returning(orders)
        return self._order(await self._database.run(lambda connection: connection.execute(query).one()))

    async def set_status(self, id: int, status: Status) -> Order | None:
        """Change the status of an order; None if there is no such order.

        Of several concurrent changes one succeeds, and the others get a conflict with the new status.

        Raises:
            StatusConflict: The order cannot change from its current status to that one.
        """
        if not 0 < id <= LARGEST_ID:
            return None
        row = await self._database.run(lambda connection: _set_status(connection, id, status))
        return None if row is None else self._order(row)

    def _order(self, row: Row[Any]) -> Order:
        """The value of a row; in Trio's thread, since topics must not be used in another."""
        return Order(
            id=row.id,
            customer=row.customer,
            item=row.item,
            quantity=row.quantity,
            status=Status(row.status),
            events=self._topics.topic(Order, row.id),
        )


# -- in the thread


def _rows(connection: Connection, ids: Sequence[int]) -> Sequence[Row[Any]]:
    parts = (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
    return [row for part in parts for row in connection.execute(select(orders).where(orders.c.id.in_(part)))]


def _set_status(connection: Connection, id: int, status: Status) -> Row[Any] | None:
    """Change the status if the current one allows it, in one statement, so that no other change comes in between."""
    change = (
        update(orders)
        .where(orders.c.id == id, orders.c.status.in_([before.value for before in status.may_follow]))
        .values(status=status.value)
        .returning(orders)
    )
    changed = connection.execute(change).one_or_none()
    if changed is None:
        current = connection.execute(select(orders.c.status).where(orders.c.id == id)).scalar_one_or_none()
        if current is not None:
            raise StatusConflict(id, Status(current), status)
    return changed
