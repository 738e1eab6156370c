"""The chat: lines, history, what is missed, and who is there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from examples.chat import KEPT, SHOWN, People, app
from trio_sse.testing import TestClient, TestStream

EVENTS = "/rooms/kitchen/events"


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
async def client(people: People, autojump_clock: MockClock) -> AsyncIterator[TestClient]:
    async with TestClient(app.override(People, people)) as client:
        yield client


async def say(client: TestClient, text: str, room: str = "kitchen") -> str:
    reply = await client.post(f"/rooms/{room}/lines", {"user": "ada", "text": text})
    return str(reply.json()["id"])


async def texts(stream: TestStream, count: int) -> list[str]:
    events = await stream.events(count)
    assert {event.event for event in events} == {"line"}
    return [json.loads(event.data)["text"] for event in events]


async def test_what_is_said_in_a_room_is_heard_there(client: TestClient, autojump_clock: MockClock) -> None:
    async with (
        client.stream(EVENTS) as one,
        client.stream(EVENTS) as two,
        client.stream("/rooms/attic/events") as other,
    ):
        for stream in (one, two, other):
            assert (await stream.event()).event == "stream-position"
        id = await say(client, "Tea?")
        assert await texts(one, 1) == await texts(two, 1) == ["Tea?"]
        assert one.last_event_id == two.last_event_id == id
        await wait_all_tasks_blocked()
        assert other.pending() == []


async def test_a_page_that_opens_gets_the_last_lines(client: TestClient, autojump_clock: MockClock) -> None:
    for number in range(SHOWN + 10):
        await say(client, str(number))
    async with client.stream(EVENTS) as stream:
        await stream.event()
        assert await texts(stream, SHOWN) == [str(number) for number in range(10, SHOWN + 10)]
        await say(client, "live")
        assert await texts(stream, 1) == ["live"]


async def test_a_page_that_comes_back_gets_what_it_has_missed(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(EVENTS) as stream:
        await stream.event()
        await say(client, "heard")
        await texts(stream, 1)
    for number in range(SHOWN + 10):
        await say(client, str(number))
    async with client.stream(EVENTS, headers={"last-event-id": stream.last_event_id}) as again:
        assert await texts(again, SHOWN + 10) == [str(number) for number in range(SHOWN + 10)]


async def test_a_page_that_was_away_for_too_long_is_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(EVENTS) as stream:
        await stream.event()
    for number in range(KEPT.count + 1):
        await say(client, str(number))
    async with client.stream(EVENTS, headers={"last-event-id": stream.last_event_id}) as again:
        assert (await again.event()).event == "gap"
        assert (await texts(again, KEPT.count))[0] == "1"
    await trio.sleep(KEPT.seconds)
    async with client.stream(EVENTS, headers={"last-event-id": stream.last_event_id}) as again:
        assert (await again.event()).event == "gap"
        await wait_all_tasks_blocked()
        assert again.pending() == []


async def test_two_tabs_know_of_each_other_and_a_user_leaves_with_the_last_one(
    client: TestClient, people: People, autojump_clock: MockClock
) -> None:
    def seen(stream: TestStream) -> list[tuple[str | None, str]]:
        return [(event.event, event.data) for event in stream.pending()]

    async with client.stream("/rooms/kitchen/people?user=ada") as ada:
        await wait_all_tasks_blocked()
        assert seen(ada) == [("here", '["ada"]'), ("joined", "ada")]
        async with client.stream("/rooms/kitchen/people?user=bob") as bob:
            async with client.stream("/rooms/kitchen/people?user=bob") as tab:
                await wait_all_tasks_blocked()
                assert seen(tab) == [("here", '["ada","bob"]')]
            await wait_all_tasks_blocked()
            assert seen(bob) == [("here", '["ada","bob"]'), ("joined", "bob")]
            assert seen(ada) == [("joined", "bob")]
        await wait_all_tasks_blocked()
        assert seen(ada) == [("left", "bob")]
    assert people.here("kitchen") == []
    assert not people._tabs


async def test_the_page_opens_its_streams(client: TestClient, autojump_clock: MockClock) -> None:
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b'new EventSource("rooms/kitchen/events")' in page.body
    assert (await client.post("/rooms/kitchen/lines", {"user": "ada"})).status == 422
