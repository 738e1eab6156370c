from contextlib import contextmanager
from typing import Annotated

from anyio import WouldBlock, create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from fastapi.security import APIKeyCookie
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

SESSIONS = {"d41d8c": "ada", "1f3870": "eve"}


class Draft(BaseModel):
    text: str = Field(min_length=1, max_length=1000)


class Message(BaseModel):
    id: int
    user: str
    text: str

    def event(self):
        return ServerSentEvent(data=self, id=str(self.id), event="message")


class Room:
    def __init__(self):
        self.people: list[str] = []
        self.messages: list[Message] = []
        self.subscribers = set[MemoryObjectSendStream[ServerSentEvent]]()

    def publish(self, event: ServerSentEvent):
        for send in list(self.subscribers):
            try:
                send.send_nowait(event)
            except WouldBlock:
                self.subscribers.discard(send)
                send.close()

    @contextmanager
    def subscribe(self):
        send, receive = create_memory_object_stream[ServerSentEvent](100)
        with send, receive:
            self.subscribers.add(send)
            try:
                yield receive
            finally:
                self.subscribers.discard(send)


rooms = {"kitchen": Room(), "garden": Room()}


def authenticate(session: Annotated[str, Depends(APIKeyCookie(name="session"))]):
    user = SESSIONS.get(session)
    if user is None:
        raise HTTPException(401, headers={"www-authenticate": "APIKey"})
    return user


User = Annotated[str, Depends(authenticate)]


def find_room(room: str, user: User):
    if room not in rooms:
        raise HTTPException(404)
    return rooms[room]


ExistingRoom = Annotated[Room, Depends(find_room)]
router = APIRouter(prefix="/rooms")


@router.get("/{room}")
async def people(room: ExistingRoom):
    return room.people


@router.get("/{room}/events", response_class=EventSourceResponse)
async def events(
    room: ExistingRoom, user: User, last_event_id: Annotated[str, Header()] = ""
):
    seen = int(last_event_id) if last_event_id.isdecimal() else 0
    room.publish(ServerSentEvent(data={"user": user}, event="joined"))
    room.people.append(user)
    try:
        with room.subscribe() as news:
            missed = room.messages[seen:]
            yield ServerSentEvent(data=room.people, event="people")
            for message in missed:
                yield message.event()
            async for event in news:
                yield event
    finally:
        room.people.remove(user)
        room.publish(ServerSentEvent(data={"user": user}, event="left"))


@router.post("/{room}/messages", status_code=201)
async def send(room: ExistingRoom, user: User, draft: Draft):
    message = Message(id=len(room.messages) + 1, user=user, text=draft.text)
    room.messages.append(message)
    room.publish(message.event())
    return message


app = FastAPI()
app.include_router(router)
