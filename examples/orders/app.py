"""The app: its services, their factories and scopes."""

from __future__ import annotations

import os

from trio_sse import App
from trio_sse.models import Repository
from trio_sse.topics import MemoryTopics, Topics

from .controller import controller
from .database import DatabaseSettings, open_database
from .domain import Order
from .repository import SqlOrders
from .service import OrderService

__all__ = ("app", "create_app")


def create_app(settings: DatabaseSettings) -> App:
    """The orders, stored in a database."""
    return (
        App()
        .provide(DatabaseSettings, value=settings)
        .provide(open_database)  # opened at start-up, closed after the last request
        .provide(Topics, MemoryTopics)
        .provide(SqlOrders)
        .provide(Repository[Order], SqlOrders)  # the same object, which finds the order of a path parameter
        .provide(OrderService)
        .add(controller)
    )


app = create_app(DatabaseSettings(url=os.environ.get("ORDERS_DATABASE", "sqlite:///orders.db")))
