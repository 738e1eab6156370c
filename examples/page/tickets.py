"""Typed parameters: a path parameter as a reference to a model, or as the model itself.

curl -N http://127.0.0.1:8000/tickets/1/events
curl --json '{"text": "Have you tried tea?"}' http://127.0.0.1:8000/tickets/1/comments
curl -i -N http://127.0.0.1:8000/tickets/9/follow
"""

from __future__ import annotations

from typing import Any

import attrs

from trio_sse import SSE, Controller, Events, Post, Reference, required
from trio_sse.models import MemoryRepository, Repository
from trio_sse.topics import HasEvents, Topics


@attrs.frozen
class TicketEvent:
    type: str
    data: dict[str, Any]


@attrs.frozen
class Ticket(HasEvents[TicketEvent]):
    id: int
    subject: str


@attrs.frozen
class TicketParams:
    """The type of `params`, for the type checker."""

    ticket: Reference[Ticket]


@attrs.frozen
class Comment:
    text: str


def tickets(topics: Topics) -> Repository[Ticket]:
    return MemoryRepository(Ticket, [Ticket(1, "No tea"), Ticket(2, "Cold tea")], topics=topics)


async def events(params: TicketParams) -> Events:
    """As on the page: the ticket is looked up after the stream has started."""
    ticket = await params.ticket  # Ticket | None
    if ticket is None:
        yield {"event": "error", "data": {"message": "Not found"}}
        return  # an EventSource takes this for a lost connection, and reconnects for ever

    yield {"event": "connected", "data": {"subject": ticket.subject}}

    async for event in ticket.events:
        yield {"event": event.type, "data": event.data}


async def follow(ticket: Ticket) -> Events:
    """The ticket is looked up before the stream starts: if there is none, the answer is a 404."""
    yield {"event": "connected", "data": {"subject": ticket.subject}}

    async for event in ticket.events:
        yield {"event": event.type, "data": event.data}


async def comment(ticket: Ticket, body: Comment) -> None:
    await ticket.events.publish(TicketEvent("comment", {"text": body.text}))


controller = Controller("/tickets").routes(
    events=SSE("/:ticket/events").types(Ticket).handle(events),
    follow=SSE("/:ticket/follow").types(required(Ticket)).handle(follow),
    comment=Post("/:ticket/comments").types(required(Ticket)).body(Comment).handle(comment),
)
