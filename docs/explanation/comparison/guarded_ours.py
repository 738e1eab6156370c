from collections import Counter

import attrs
import trio

from trio_sse import SSE, App, NotFound
from trio_sse.auth import cookie


@attrs.frozen
class User:
    name: str
    teams: tuple[str, ...]


SESSIONS = {"d41d8c": User("ada", ("kitchen",)), "1f3870": User("eve", ())}
TEAMS = ("kitchen", "garden")
watching = Counter[str]()


def existing(team: str):
    if team not in TEAMS:
        raise NotFound(f"There is no team {team}.")


def is_member(team: str, user: User):
    return team in user.teams


async def presence(team: str, user: User):
    watching[team] += 1
    try:
        while True:
            data = {"user": user.name, "count": watching[team]}
            yield {"event": "watching", "data": data}
            await trio.sleep(1)
    finally:
        watching[team] -= 1


app = App().add(
    SSE("/teams/:team/presence")
    .use(user=cookie(SESSIONS.get))
    .use(existing)
    .guard(is_member)
    .handle(presence)
)
