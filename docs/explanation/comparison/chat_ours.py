from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
from attrs.validators import max_len, min_len

from trio_sse import SSE, App, Controller, Get, Post, Response, required
from trio_sse.auth import cookie
from trio_sse.models import MemoryRepository, Repository
from trio_sse.topics import HasEvents, Lagged, MemoryTopics

SESSIONS = {"d41d8c": "ada", "1f3870": "eve"}


@attrs.frozen
class Draft:
    text: str = attrs.field(validator=[min_len(1), max_len(1000)])


@attrs.frozen
class Message:
    id: int
    user: str
    text: str

    def event(self):
        return {"id": str(self.id), "event": "message", "data": self}


@attrs.frozen
class Room(HasEvents[dict[str, Any]]):
    id: str
    people: list[str] = attrs.field(factory=list)
    messages: list[Message] = attrs.field(factory=list)


@asynccontextmanager
async def present(room: Room, user: str):
    room.people.append(user)
    await room.events.publish({"event": "joined", "data": {"user": user}})
    try:
        yield
    finally:
        room.people.remove(user)
        await room.events.publish({"event": "left", "data": {"user": user}})


def people(room: Room):
    return room.people


async def events(room: Room, last_event_id: str | None):
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    news = aiter(room.events)
    missed = room.messages[seen:]
    yield {"event": "people", "data": room.people}
    for message in missed:
        yield message.event()
    with suppress(Lagged):
        async for event in news:
            yield event


async def send(room: Room, user: str, body: Draft):
    message = Message(len(room.messages) + 1, user, body.text)
    room.messages.append(message)
    await room.events.publish(message.event())
    return Response(message, status=201)


topics = MemoryTopics(backlog=100)
rooms = MemoryRepository(Room, [Room("kitchen"), Room("garden")], topics=topics)
controller = Controller("/rooms").use(user=cookie(SESSIONS.get)).types(required(Room))
routes = controller.routes(
    people=Get("/:room").handle(people),
    events=SSE("/:room/events").use(present).handle(events),
    send=Post("/:room/messages").body(Draft).handle(send),
)
app = App().provide(Repository[Room], value=rooms).add(routes)
