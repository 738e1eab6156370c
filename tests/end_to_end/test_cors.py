"""The recipe of the how-to on CORS, in a real browser: a page of another origin, and the clients that pages use."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

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

# What the preflights of a client ask for. The browser remembers the first answer, which names both headers.
EXPECTED: dict[str, list[str]] = {
    "browser": [],
    "npm": ["last-event-id"],
    "fetch": ["cache-control"],
    "polyfill": ["cache-control"],
}


@attrs.define
class Recorder:
    """An ASGI middleware that notes what the preflights ask for, and the ids with which clients come."""

    app: Any
    preflights: list[str] = attrs.field(factory=list)
    resumed_from: list[str | None] = attrs.field(factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            if scope["method"] == "OPTIONS":
                self.preflights.append(headers["access-control-request-headers"])
            else:
                self.resumed_from.append(headers.get("last-event-id"))
        await self.app(scope, receive, send)


async def counting(last_event_id: str | None) -> AsyncIterator[Any]:
    number = int(last_event_id or 0) + 1
    yield {"id": str(number), "data": "tick"}
    if number > 1:
        await trio.sleep_forever()


def recipe(origin: str) -> Any:
    """The middleware as the page of the documentation makes it, for an origin of the test."""
    [source] = re.findall(r"^```python\n(.*?)^```$", RECIPE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert "https://page.example" in source
    names: dict[str, Any] = {}
    exec(source.replace("https://page.example", origin), names)
    return names["cors"]


@within(60)
@pytest.mark.parametrize("client", EXPECTED)
async def test_the_recipe_admits_the_clients_that_pages_use(client: str, browse: Browse, node_modules: Path) -> None:
    async with serving(modules_app(PAGE, node_modules)) as pages, browse() as browser:
        origin = pages.url.replace("127.0.0.1", "localhost")
        cors = recipe(origin)
        cors.app = App().add(SSE("/events").retry(10).handle(counting))
        recorder = Recorder(cors)
        async with serving(recorder) as server:
            page = await browser.open(f"{origin}/")
            assert await page.evaluate(f"clients.{client}('{server.url}/events')") == ["1", "2"]
    assert recorder.resumed_from == [None, "1"]
    assert recorder.preflights == EXPECTED[client]
