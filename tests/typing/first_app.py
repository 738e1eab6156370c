"""A first app and its tests, as a user writes them. Checked by mypy and pyright, both strict, and never run."""

from __future__ import annotations

import json

import attrs
import trio

from trio_sse import SSE, App, Events, Post, ServerSentEvent
from trio_sse.client import EventSource
from trio_sse.context import CountAs, ExpireAt, ReadStatistics, URLFor
from trio_sse.testing import TestClient


@attrs.frozen
class User:
    name: str
    admin: bool = False


@attrs.frozen
class Message:
    text: str


async def authenticate(count_as: CountAs, expire_at: ExpireAt) -> User:
    count_as("ada")
    expire_at(60.0)
    return User("ada", admin=True)


@SSE("/rooms/:room/messages").use(user=authenticate).guard(lambda user: user.admin).handle
async def messages(room: int, user: User, last_event_id: str | None) -> Events:
    yield {"event": "joined", "id": last_event_id, "data": {"room": room, "user": user.name}}
    yield [{"data": n} for n in range(3)]
    yield [ServerSentEvent(n, id=str(n)) for n in range(3)]
    async with EventSource("http://upstream/") as source:
        async for event in source:
            yield ServerSentEvent(json.loads(event.data), event.event, event.id)
            yield event


@Post("/rooms/:room/messages").body(Message).use(user=authenticate).guard(lambda user, room: room in user.rooms).handle
async def say(room: int, body: Message, url: URLFor, statistics: ReadStatistics) -> str:
    return f"{body.text}: {url('messages', room=room)}, {statistics().open} open"


app = App().add(messages=messages, say=say)


async def test_messages(nursery: trio.Nursery) -> None:
    async with TestClient(app) as client:
        async with client.stream("/rooms/7/messages") as stream:
            joined = await stream.event()
            assert json.loads(joined.data)["room"] == 7
            assert [event.data.upper() for event in await stream.events(3)] == ["0", "1", "2"]
        async with client.stream("/rooms/7/messages", headers={"last-event-id": stream.last_event_id}) as stream:
            assert "ada" in (await stream.event()).data
        async with client.stream("/rooms/7/messages", headers={"last-event-id": joined.id}) as stream:
            assert stream.status == 200


async def test_the_handlers_alone() -> None:
    first = await anext(messages(7, User("ada"), last_event_id=None))
    assert first == {"event": "joined", "id": None, "data": {"room": 7, "user": "ada"}}
    text = await say(7, Message("Hello"), app.url, app.statistics)
    assert text.startswith("Hello")


async def resume(source: EventSource) -> None:
    async with EventSource("http://upstream/", last_event_id=source.last_event_id, headers={"x-last": None}) as again:
        assert (await anext(again)).data.isdigit()
