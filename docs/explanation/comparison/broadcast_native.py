from anyio import WouldBlock, create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field


class Notification(BaseModel):
    title: str = Field(min_length=1, max_length=100)
    text: str = ""


app = FastAPI()
subscribers = set[MemoryObjectSendStream[Notification]]()


@app.get("/notifications", response_class=EventSourceResponse)
async def stream():
    send, receive = create_memory_object_stream[Notification](100)
    with send, receive:
        subscribers.add(send)
        try:
            yield ServerSentEvent(data={}, event="connected")
            async for notification in receive:
                yield ServerSentEvent(data=notification, event="notification")
        finally:
            subscribers.discard(send)


@app.post("/notifications")
async def publish(notification: Notification):
    for send in list(subscribers):
        try:
            send.send_nowait(notification)
        except WouldBlock:
            subscribers.discard(send)
            send.close()
    return notification
