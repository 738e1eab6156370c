"""CORS in a real browser: a page of another origin, and the clients that pages use.

The setting of the app, as the how-to has it, and Starlette's middleware around the app.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from starlette.middleware.cors import CORSMiddleware

from trio_sse import SSE, App

from .chromium import Browser
from .limits import within
from .modules import modules_app
from .programs import TESTS
from .serving import serving

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

RECIPE = TESTS.parent / "docs" / "how-to" / "cors.md"

# Each client reads the events 1 and 2. The stream ends after the first, so that it reconnects with Last-Event-ID.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Another origin</title>
<script type="importmap">
  { "imports": {
    "eventsource": "/modules/eventsource/dist/index.js",
    "eventsource-parser": "/modules/eventsource-parser/dist/index.js",
    "fetch-event-source": "/modules/@microsoft/fetch-event-source/lib/esm/index.js"
  } }
</script>
<script type="module">
  import { EventSource as NpmEventSource } from 'eventsource'
  import { fetchEventSource } from 'fetch-event-source'

  const read = (Source) => (url) => new Promise((resolve) => {
    const seen = []
    const source = new Source(url, { withCredentials: true })
    source.onmessage = (event) => { if (seen.push(event.lastEventId) == 2) { source.close(); resolve(seen) } }
    source.onerror = () => { if (source.readyState == 2) resolve(['closed']) }
  })
  const request = (url, headers) => new Promise((resolve) => {
    const asked = new XMLHttpRequest()
    asked.open('GET', url)
    asked.withCredentials = true
    for (const [name, value] of Object.entries(headers)) asked.setRequestHeader(name, value)
    asked.onprogress = () => {
      const [, id] = /^id: (\\d)$/m.exec(asked.responseText) ?? []
      if (id) { asked.abort(); resolve(id) }
    }
    asked.onerror = () => resolve('refused')
    asked.send()
  })
  window.clients = {
    browser: read(EventSource),
    npm: read(NpmEventSource),
    fetch: (url) => new Promise((resolve, reject) => {
      const seen = [], done = new AbortController()
      fetchEventSource(url, {
        openWhenHidden: true,
        credentials: 'include',
        signal: done.signal,
        headers: { 'Cache-Control': 'no-cache' },
        onmessage: ({ id }) => { if (id && seen.push(id) == 2) { done.abort(); resolve(seen) } },
        onclose: () => { throw new Error('again') },
        onerror: (error) => { if (error.message != 'again') { resolve([error.message]); throw error } return 10 },
      }).catch(() => {})
    }),
    polyfill: async (url) => [
      await request(url, { 'Accept': 'text/event-stream', 'Cache-Control': 'no-cache' }),
      await request(url, { 'Accept': 'text/event-stream', 'Cache-Control': 'no-cache', 'Last-Event-ID': '1' }),
    ],
  }
</script>
"""

# What the preflights of a client ask for. The browser remembers the answer, which names both headers.
EXPECTED: dict[str, list[str]] = {
    "browser": [],
    "npm": ["last-event-id"],
    "fetch": ["cache-control"],
    "polyfill": ["cache-control"],
}


@attrs.define
class Recorder:
    """An ASGI middleware that notes, by path, what the preflights ask for and the ids with which clients come."""

    app: Any
    preflights: dict[str, list[str]] = attrs.field(factory=lambda: {client: [] for client in EXPECTED})
    resumed_from: dict[str, list[str | None]] = attrs.field(factory=lambda: {client: [] for client in EXPECTED})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            client = scope["path"].removeprefix("/")
            if scope["method"] == "OPTIONS":
                self.preflights[client].append(headers["access-control-request-headers"])
            else:
                self.resumed_from[client].append(headers.get("last-event-id"))
        await self.app(scope, receive, send)


async def counting(last_event_id: str | None) -> AsyncIterator[Any]:
    number = int(last_event_id or 0) + 1
    yield {"id": str(number), "data": "tick"}
    if number > 1:
        await trio.sleep_forever()


STREAMS = App().add(SSE("/:client").retry(10).handle(counting))


def as_the_page_says(origin: str) -> Any:
    """The app with the setting of the documentation's page, for an origin of the test."""
    source = re.findall(r"^```python\n(.*?)^```$", RECIPE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]
    assert "https://page.example" in source
    names: dict[str, Any] = {}
    exec(source.replace("https://page.example", origin), names)
    return attrs.evolve(STREAMS, cors=names["app"].cors)


def with_a_middleware(origin: str) -> Any:
    return CORSMiddleware(
        STREAMS,
        allow_origins=[origin],
        allow_methods=["GET"],
        allow_headers=["cache-control", "last-event-id"],
        allow_credentials=True,
    )


@within(60)
@pytest.mark.parametrize("allow", [as_the_page_says, with_a_middleware])
async def test_the_clients_that_pages_use_read_a_stream_of_another_origin(
    allow: Callable[[str], Any], browse: Browse, node_modules: Path
) -> None:
    async with serving(modules_app(PAGE, node_modules)) as pages, browse() as browser:
        origin = pages.url.replace("127.0.0.1", "localhost")
        recorder = Recorder(allow(origin))
        async with serving(recorder) as server:
            page = await browser.open(f"{origin}/")
            for client in EXPECTED:
                assert await page.evaluate(f"clients.{client}('{server.url}/{client}')") == ["1", "2"], client
    assert recorder.resumed_from == {client: [None, "1"] for client in EXPECTED}
    assert recorder.preflights == EXPECTED


@within(30)
async def test_a_page_that_is_not_allowed_reads_nothing(browse: Browse, node_modules: Path) -> None:
    async with (
        serving(modules_app(PAGE, node_modules)) as pages,
        serving(as_the_page_says("https://page.example")) as server,
        browse() as browser,
    ):
        page = await browser.open(f"{pages.url}/")
        assert await page.evaluate(f"clients.browser('{server.url}/browser')") == ["closed"]
        assert await page.evaluate(f"clients.polyfill('{server.url}/polyfill')") == ["refused", "refused"]
