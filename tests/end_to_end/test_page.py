"""The examples of the page, through real hypercorn. (In memory: examples/test_page.)"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import httpx_sse
import pytest
from trio.testing import wait_all_tasks_blocked

from examples.page.app import app
from support.page_scenarios import SCENARIOS, Event, Talk
from trio_sse.testing import TestResponse

from .limits import within
from .serving import serving

QUIET_SECONDS = 0.02
"""How long nothing may run before everybody counts as waiting: the sockets of 127.0.0.1 are faster by far."""


class HttpEvents:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self._events = aiter(httpx_sse.EventSource(response).aiter_sse()) if self.status == 200 else None

    async def next(self) -> Event | None:
        assert self._events is not None
        event = await anext(self._events, None)
        return None if event is None else (event.event, event.data)


def reply(found: httpx.Response) -> TestResponse:
    return TestResponse(found.status_code, dict(found.headers), found.content)


@attrs.frozen
class HttpTalk:
    client: httpx.AsyncClient

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[HttpEvents]:
        async with self.client.stream("GET", path, headers={"accept": "text/event-stream", **(headers or {})}) as found:
            yield HttpEvents(found)
        await self.idle()

    async def get(self, path: str) -> TestResponse:
        return reply(await self.client.get(path))

    async def post(self, path: str, body: Any = None) -> TestResponse:
        return reply(await self.client.post(path, json=body))

    async def idle(self) -> None:
        await wait_all_tasks_blocked(QUIET_SECONDS)


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@within(10)
async def test_an_example_of_the_page(scenario: Callable[[Talk], Awaitable[None]]) -> None:
    async with (
        serving(app) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=5) as client,
    ):
        await scenario(HttpTalk(client))
