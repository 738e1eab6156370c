"""The app. There is no registry: routes are values, which are added to the app."""

from __future__ import annotations

from trio_sse import App
from trio_sse.models import Repository
from trio_sse.topics import MemoryTopics, Topics

from . import cancelling, cleanup, dashboard, event_format, notifications, orders, rooms, tickets

app = (
    App()
    .provide(Topics, MemoryTopics)
    .provide(notifications.NotificationService)
    .provide(tickets.tickets)
    .provide(cleanup.EventBus)
    .provide(cancelling.Transcoder)
    .provide(orders.Orders)
    .provide(Repository[orders.Order], orders.Orders)
    .provide(orders.OrderService)
    .add(
        notifications.controller,
        rooms.controller,
        tickets.controller,
        cleanup.controller,
        cancelling.controller,
        orders.controller,
        event_format=event_format.route,
        dashboard=dashboard.route,
    )
)
