import asyncio
import itertools

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent

app = FastAPI()


@app.get("/clock", response_class=EventSourceResponse)
async def clock():
    for count in itertools.count(1):
        yield ServerSentEvent(data={"count": count}, event="tick")
        await asyncio.sleep(1)
