import asyncio
import itertools

from fastapi import FastAPI
from sse_starlette import EventSourceResponse, JSONServerSentEvent

app = FastAPI()


async def ticks():
    for count in itertools.count(1):
        yield JSONServerSentEvent({"count": count}, event="tick")
        await asyncio.sleep(1)


@app.get("/clock")
async def clock():
    return EventSourceResponse(ticks())
