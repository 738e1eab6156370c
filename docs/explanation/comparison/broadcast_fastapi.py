from anyio import WouldBlock, create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, JSONServerSentEvent


class Notification(BaseModel):
    title: str = Field(min_length=1, max_length=100)
    text: str = ""


app = FastAPI()
subscribers = set[MemoryObjectSendStream[Notification]]()


async def subscribe():
    send, receive = create_memory_object_stream[Notification](100)
    with send, receive:
        subscribers.add(send)
        try:
            yield JSONServerSentEvent({}, event="connected")
            async for notification in receive:
                data = notification.model_dump()
                yield JSONServerSentEvent(data, event="notification")
        finally:
            subscribers.discard(send)


@app.get("/notifications")
async def stream():
    return EventSourceResponse(subscribe())


@app.post("/notifications")
async def publish(notification: Notification):
    for send in list(subscribers):
        try:
            send.send_nowait(notification)
        except WouldBlock:
            subscribers.discard(send)
            send.close()
    return notification
