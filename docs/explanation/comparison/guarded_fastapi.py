import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyCookie
from sse_starlette import EventSourceResponse, JSONServerSentEvent


@dataclass(frozen=True)
class User:
    name: str
    teams: tuple[str, ...]


SESSIONS = {"d41d8c": User("ada", ("kitchen",)), "1f3870": User("eve", ())}
TEAMS = ("kitchen", "garden")
watching = Counter[str]()
app = FastAPI()


def authenticate(session: Annotated[str, Depends(APIKeyCookie(name="session"))]):
    user = SESSIONS.get(session)
    if user is None:
        raise HTTPException(401, headers={"www-authenticate": "APIKey"})
    return user


def member(team: str, user: Annotated[User, Depends(authenticate)]):
    if team not in TEAMS:
        raise HTTPException(404, f"There is no team {team}.")
    if team not in user.teams:
        raise HTTPException(403)
    return user


async def watch(team: str, user: User):
    watching[team] += 1
    try:
        while True:
            data = {"user": user.name, "count": watching[team]}
            yield JSONServerSentEvent(data, event="watching")
            await asyncio.sleep(1)
    finally:
        watching[team] -= 1


@app.get("/teams/{team}/presence")
async def presence(team: str, user: Annotated[User, Depends(member)]):
    return EventSourceResponse(watch(team, user))
