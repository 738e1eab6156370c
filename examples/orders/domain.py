"""Orders as values: an order, the changes of its status, and its updates.

It does not know tables or HTTP. Received values are checked when they are made, so that the database gets no value that
it cannot store.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs
from attrs import validators

from trio_sse.topics import HasEvents

__all__ = ("NewOrder", "Order", "OrderUpdate", "Status", "StatusConflict")

LONGEST_ITEM = 200
LARGEST_QUANTITY = 1_000


class Status(Enum):
    """The status of an order."""

    OPEN = "open"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"

    @property
    def may_follow(self) -> frozenset[Status]:
        """The statuses from which an order can change to this one."""
        return MAY_FOLLOW[self]


MAY_FOLLOW = {
    Status.OPEN: frozenset[Status](),
    Status.PAID: frozenset({Status.OPEN}),
    Status.SHIPPED: frozenset({Status.PAID}),
    Status.CANCELLED: frozenset({Status.OPEN, Status.PAID}),
}


class StatusConflict(Exception):
    """An order cannot change from its current status to the wanted one.

    Attributes:
        id: The order's id.
        current: The status that it has and keeps.
        wanted: The wanted status.
    """

    def __init__(self, id: int, current: Status, wanted: Status) -> None:
        super().__init__(f"order {id} is {current.value}, so it cannot become {wanted.value}")
        self.id = id
        self.current = current
        self.wanted = wanted


@attrs.frozen
class OrderUpdate:
    """An event of an order.

    Attributes:
        type: What has happened.
        data: The details, which can be written as JSON.
    """

    type: str
    data: dict[str, Any]


@attrs.frozen
class Order(HasEvents[OrderUpdate]):
    """An order as it was when it was read. Its `events` are the updates from now on.

    Attributes:
        id: The number, which the database assigns.
        customer: The user who placed the order.
        item: The ordered item.
        quantity: The number of items.
        status: The status.
    """

    id: int
    customer: str
    item: str
    quantity: int
    status: Status


def _can_be_kept(_: object, field: attrs.Attribute[str], value: str) -> None:
    """PostgreSQL's text cannot hold the character NUL, and JSON can."""
    if "\0" in value:
        raise ValueError(f"{field.name} must not contain the character NUL")


@attrs.frozen
class NewOrder:
    """The body of a request that places an order.

    Attributes:
        item: The item, in 1 to 200 characters.
        quantity: The number of items, 1 to 1,000.
    """

    item: str = attrs.field(
        validator=validators.and_(validators.min_len(1), validators.max_len(LONGEST_ITEM), _can_be_kept)
    )
    quantity: int = attrs.field(default=1, validator=[validators.ge(1), validators.le(LARGEST_QUANTITY)])
