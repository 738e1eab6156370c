"""The examples of the page, in memory. (Through a server: end_to_end/test_page.)"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from examples.page.app import app
from support.page_scenarios import SCENARIOS, Event, Talk
from trio_sse import App
from trio_sse.testing import TestClient, TestResponse, TestStream


@attrs.frozen
class MemoryEvents:
    stream: TestStream

    @property
    def status(self) -> int:
        assert self.stream.status is not None
        return self.stream.status

    async def next(self) -> Event | None:
        while not (found := self.stream._events):
            if self.stream.complete:
                return None
            await self.stream._changed.wait()
        event = found.pop(0)
        return event.event or "message", str(event.data)


@attrs.frozen
class MemoryTalk:
    client: TestClient

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[MemoryEvents]:
        async with self.client.stream(path, headers=headers or {}) as stream:
            await stream.started()
            yield MemoryEvents(stream)

    async def get(self, path: str) -> TestResponse:
        return await self.client.get(path)

    async def post(self, path: str, body: Any = None) -> TestResponse:
        return await self.client.post(path, body)

    async def idle(self) -> None:
        await wait_all_tasks_blocked()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_an_example_of_the_page(scenario: Callable[[Talk], Awaitable[None]], autojump_clock: MockClock) -> None:
    async with TestClient(app) as client:
        await scenario(MemoryTalk(client))


def test_each_example_is_in_the_app() -> None:
    assert isinstance(app, App)
    assert {route.name.partition(".")[0] for route in app.routes} == {
        "notifications",
        "event_format",
        "room",
        "floor",
        "tickets",
        "dashboard",
        "events",
        "videos",
        "orders",
    }
