"""The notifications example does what a newcomer will copy it for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from examples.notifications import app
from trio_sse.testing import TestClient, TestResponse

STREAM = "/notifications/stream"


@pytest.fixture
async def client(autojump_clock: MockClock) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


async def publish(client: TestClient, **draft: Any) -> TestResponse:
    return await client.post("/notifications", draft)


async def titles(stream: Any, count: int) -> list[str]:
    return [json.loads(event.data)["title"] for event in await stream.events(count)]


async def test_a_listener_is_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as stream:
        assert (await stream.event()).event == "stream-position"
        await publish(client, title="Tea is ready")
        told = await stream.event()
    assert told.event == "notification"
    assert told.id is not None
    assert json.loads(told.data) == {"title": "Tea is ready", "text": ""}


async def test_publishing_returns_the_notification(client: TestClient, autojump_clock: MockClock) -> None:
    reply = await publish(client, title="Tea", text="In the kitchen.")
    assert (reply.status, reply.json()) == (200, {"title": "Tea", "text": "In the kitchen."})


async def test_what_is_no_notification_is_refused_and_not_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as stream:
        await stream.event()
        assert (await publish(client, text="no title")).status == 422
        await publish(client, title="a title")
        assert await titles(stream, 1) == ["a title"]


async def test_every_listener_is_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as one, client.stream(STREAM) as other:
        await one.event()
        await other.event()
        await publish(client, title="Tea")
        assert await one.event() == await other.event()


async def test_one_that_comes_back_gets_what_it_has_missed(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as stream:
        await stream.event()
    await publish(client, title="Tea")
    await trio.sleep(23 * 3600)
    async with client.stream(STREAM, headers={"last-event-id": stream.last_event_id}) as again:
        assert await titles(again, 1) == ["Tea"]
    for number in range(101):
        await publish(client, title=str(number))
    async with client.stream(STREAM, headers={"last-event-id": stream.last_event_id}) as again:
        assert (await again.event()).event == "gap"
        assert await titles(again, 100) == [str(number) for number in range(1, 101)]


async def test_two_lives_of_the_app_have_nothing_in_common(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as stream:
        await stream.event()
        await publish(client, title="Tea")
        await stream.event()
    other = TestClient(app, headers={"last-event-id": str(stream.last_event_id)})
    async with other, other.stream(STREAM) as again:
        gap = await again.event()
        assert (gap.event, json.loads(gap.data)["reason"]) == ("gap", "unknown")


async def test_a_listener_that_does_not_read_holds_up_no_other(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream(STREAM) as slow, client.stream(STREAM) as quick:
        await slow.event()
        await quick.event()
        slow.pause()
        for number in range(20):
            await publish(client, title=str(number))
            assert await titles(quick, 1) == [str(number)]
        slow.resume()
        assert await titles(slow, 20) == [str(number) for number in range(20)]
