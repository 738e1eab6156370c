"""Orders as values: what one is, what may become of it, and what its followers are told.

Knows nothing of tables or of HTTP. What somebody else has sent is checked where it becomes a value, so that no
database is asked to keep what it cannot.
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
    """How far an order has come."""

    OPEN = "open"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"

    @property
    def may_follow(self) -> frozenset[Status]:
        """The states out of which an order can come into this one."""
        return MAY_FOLLOW[self]


MAY_FOLLOW = {
    Status.OPEN: frozenset[Status](),
    Status.PAID: frozenset({Status.OPEN}),
    Status.SHIPPED: frozenset({Status.PAID}),
    Status.CANCELLED: frozenset({Status.OPEN, Status.PAID}),
}


class StatusConflict(Exception):
    """An order is not in a state out of which it could come into the one that was asked for.

    Attributes:
        id: The order's.
        current: The state that it is in, and stays in.
        wanted: The state that was asked for.
    """

    def __init__(self, id: int, current: Status, wanted: Status) -> None:
        super().__init__(f"order {id} is {current.value}, so it cannot become {wanted.value}")
        self.id = id
        self.current = current
        self.wanted = wanted


@attrs.frozen
class OrderUpdate:
    """What the followers of an order are told.

    Attributes:
        type: What has happened to it.
        data: What there is to say about that; it can be written as JSON.
    """

    type: str
    data: dict[str, Any]


@attrs.frozen
class Order(HasEvents[OrderUpdate]):
    """An order as it was when it was read; its `events` are all that happens to it from now on.

    Attributes:
        id: Its number, which the database has given it.
        customer: Who has ordered, and owns it.
        item: What has been ordered.
        quantity: How many of it.
        status: How far it has come.
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
    """What somebody orders; who that is stands elsewhere.

    Attributes:
        item: What, in 1 to 200 characters.
        quantity: How many of it, 1 to 1,000.
    """

    item: str = attrs.field(
        validator=validators.and_(validators.min_len(1), validators.max_len(LONGEST_ITEM), _can_be_kept)
    )
    quantity: int = attrs.field(default=1, validator=[validators.ge(1), validators.le(LARGEST_QUANTITY)])
