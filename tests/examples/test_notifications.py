"""The notifications example does what a newcomer will copy it for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from examples.notifications import BACKLOG, Draft, NotificationService, app
from trio_sse.testing import TestClient, TestResponse


@pytest.fixture
async def client(autojump_clock: MockClock) -> AsyncIterator[TestClient]:
    async with TestClient(app) as client:
        yield client


async def publish(client: TestClient, **draft: Any) -> TestResponse:
    headers = {"content-type": "application/json"}
    return await client.request("POST", "/notifications", headers=headers, body=json.dumps(draft).encode())


async def test_a_listener_is_greeted_and_then_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream("/notifications/stream") as stream:
        greeting = await stream.event()
        await publish(client, title="Tea is ready")
        told = await stream.event()
    assert (greeting.event, greeting.data) == ("connected", '{"status":"ok"}')
    assert told.event == "notification"
    assert json.loads(str(told.data)) == {"id": 1, "title": "Tea is ready", "text": ""}


async def test_publishing_returns_the_notification(client: TestClient, autojump_clock: MockClock) -> None:
    reply = await publish(client, title="Tea", text="In the kitchen.")
    assert (reply.status, reply.json()) == (200, {"id": 1, "title": "Tea", "text": "In the kitchen."})
    assert (await publish(client, title="More tea")).json()["id"] == 2


async def test_what_is_no_draft_is_refused_and_told_to_nobody(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream("/notifications/stream") as stream:
        await stream.event()
        assert (await publish(client, text="no title")).status == 422
        await publish(client, title="a title")
        assert json.loads(str((await stream.event()).data))["title"] == "a title"


async def test_every_listener_is_told(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream("/notifications/stream") as one, client.stream("/notifications/stream") as other:
        await one.event()
        await other.event()
        await publish(client, title="Tea")
        assert await one.event() == await other.event()


async def test_two_lives_of_the_app_have_nothing_in_common(client: TestClient, autojump_clock: MockClock) -> None:
    await publish(client, title="Tea")
    async with TestClient(app) as other:
        assert (await publish(other, title="Coffee")).json()["id"] == 1


async def test_nothing_is_kept_of_a_listener_who_has_left() -> None:
    service = NotificationService()
    with service.subscribe() as published:
        assert len(service._subscribers) == 1
    service.publish(Draft("too late"))
    assert not service._subscribers
    assert published.statistics().current_buffer_used == 0


async def test_the_stream_of_a_client_that_goes_is_unsubscribed(autojump_clock: MockClock) -> None:
    service = NotificationService()
    async with (
        TestClient(app.override(NotificationService, service)) as client,
        client.stream("/notifications/stream") as stream,
    ):
        await stream.event()
        assert len(service._subscribers) == 1
    assert not service._subscribers


async def test_a_subscription_holds_from_the_first_line_of_its_block() -> None:
    service = NotificationService()
    with service.subscribe() as published:
        service.publish(Draft("at once"))  # nothing has been awaited yet
        assert (await published.receive()).title == "at once"


async def test_publishing_waits_for_nobody_and_keeps_no_more_than_the_backlog() -> None:
    service = NotificationService()
    with service.subscribe() as slow, service.subscribe() as quick:
        for number in range(BACKLOG + 50):
            service.publish(Draft(str(number)))
            quick.receive_nowait()
        assert slow.statistics().current_buffer_used == BACKLOG
        assert quick.statistics().open_send_channels == 1


async def test_a_listener_who_falls_behind_gets_what_waits_and_then_the_end(
    client: TestClient, autojump_clock: MockClock
) -> None:
    async with client.stream("/notifications/stream") as stream:
        await stream.event()
        stream.pause()
        for number in range(BACKLOG + 10):
            await publish(client, title=str(number))
        stream.resume()
        with trio.fail_after(60):
            await stream.ended()
        assert stream.complete
        titles = [json.loads(str(event.data))["title"] for event in stream.pending()]
    # One was on its way to the client already; the backlog was full behind it.
    assert titles == [str(number) for number in range(BACKLOG + 1)]
