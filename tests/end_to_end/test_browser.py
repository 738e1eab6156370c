"""A real browser watches a page of ours: headless Chromium, with the EventSource that users have."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio

from trio_sse import SSE, Aborted, App, Get, Response

from .chromium import Browser
from .limits import within
from .notifications import STORY, Notifications, telling
from .programs import TESTS, running
from .serving import serving

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

# Keeps a diary of what EventSource does, and lets the test wait until an entry is there.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Watching</title>
<script>
  const diary = []
  let changed = () => {}
  const note = (...entry) => { diary.push(entry); changed() }
  const until = async (found) => {
    while (!found()) await new Promise((resolve) => { changed = resolve })
    return diary
  }
  const source = new EventSource('STREAM')
  source.onopen = () => note('open')
  source.onmessage = (event) => note('message', event.lastEventId, event.data)
  source.onerror = () => note('error', source.readyState)
  for (const name of ['connected', 'notification', 'chapter', 'stream-error'])
    source.addEventListener(name, (event) => note(name, event.lastEventId, event.data))
</script>
"""


def page(stream: str) -> str:
    return PAGE.replace("STREAM", stream)


def until(count: int) -> str:
    """JavaScript: wait for so many entries, and give the diary."""
    return f"until(() => diary.length >= {count})"


class Watched:
    """An app with one page, and one stream that waits for what is published."""

    def __init__(self) -> None:
        self.notifications = Notifications()
        self.go = trio.Event()
        self.left = trio.Event()
        self.reasons: list[str | None] = []

    def app(self) -> App:
        return App().add(Get("/").handle(self.show), SSE("/stream").heartbeat(None).handle(self.stream))

    def show(self) -> Response:
        return Response(page("/stream"), media_type="text/html; charset=utf-8")

    async def stream(self, aborted: Aborted) -> AsyncIterator[Any]:
        try:
            await self.go.wait()
            yield {"event": "connected", "data": {"status": "ok"}}
            async with self.notifications.subscribe() as subscription:
                async for notification in subscription:
                    yield {"event": "notification", "id": str(notification["n"]), "data": notification}
        finally:
            self.reasons.append(aborted.reason)
            self.left.set()


@within(30)
async def test_open_fires_before_the_first_event_and_events_arrive_by_name(browse: Browse) -> None:
    watched = Watched()
    async with serving(watched.app()) as server, browse() as browser:
        tab = await browser.open(f"{server.url}/")
        assert await tab.evaluate(until(1)) == [["open"]]
        assert await tab.evaluate("source.readyState") == 1
        watched.go.set()
        await watched.notifications.arrived.wait()
        for n in (1, 2):
            watched.notifications.publish({"n": n, "text": "¼ 🙂"})
        assert await tab.evaluate(until(4)) == [
            ["open"],
            ["connected", "", '{"status":"ok"}'],
            ["notification", "1", '{"n":1,"text":"¼ 🙂"}'],
            ["notification", "2", '{"n":2,"text":"¼ 🙂"}'],
        ]


@within(30)
@pytest.mark.parametrize("way", ["close the page", "close the source", "go elsewhere"])
async def test_the_handler_ends_within_a_second_of_the_page(browse: Browse, way: str) -> None:
    """It is idle, and there is no heartbeat that could notice."""
    watched = Watched()
    watched.go.set()
    async with serving(watched.app()) as server, browse() as browser:
        tab = await browser.open(f"{server.url}/")
        await tab.evaluate(until(2))
        assert not watched.left.is_set()
        if way == "close the page":
            await tab.close()
        elif way == "close the source":
            await tab.evaluate("source.close()")
        else:
            await tab.go_to("about:blank")
        with trio.fail_after(1):
            await watched.left.wait()
    assert watched.reasons == ["client_gone"]


@within(30)
async def test_the_browser_resumes_and_is_stopped_by_done(browse: Browse) -> None:
    resumed_from: list[str | None] = []
    async with serving(telling(resumed_from, page("/story"))) as server, browse() as browser:
        tab = await browser.open(f"{server.url}/")
        closed = "diary.some(([name, state]) => name === 'error' && state === EventSource.CLOSED)"
        diary = await tab.evaluate(f"until(() => {closed})")
        assert await tab.evaluate("source.readyState") == 2
        chapters = [(id, data) for name, id, data in (entry for entry in diary if entry[0] == "chapter")]
        assert chapters == [(str(number), part) for number, part in enumerate(STORY, 1)]
        others = [name for name, *_ in diary if name != "chapter"]
        assert others == ["open", "error"] * 3 + ["error"], "three visits, and one that was told not to come back"
    assert resumed_from == [None, "2", "4"]


@within(30)
async def test_a_failed_stream_tells_the_page_and_comes_back(browse: Browse) -> None:
    visits: list[str | None] = []

    async def stream(last_event_id: str | None) -> AsyncIterator[Any]:
        visits.append(last_event_id)
        yield {"id": str(len(visits)), "data": "before"}
        if len(visits) == 1:
            raise LookupError("secret")
        await trio.sleep_forever()

    def show() -> Response:
        return Response(page("/stream"), media_type="text/html; charset=utf-8")

    app = App().add(Get("/").handle(show), SSE("/stream").retry(10).handle(stream))
    async with serving(app) as server, browse() as browser:
        tab = await browser.open(f"{server.url}/")
        diary = await tab.evaluate(until(6))
    problem = '{"title":"Internal Server Error","status":500}'
    assert diary == [
        ["open"],
        ["message", "1", "before"],
        ["stream-error", "1", problem],
        ["error", 0],
        ["open"],
        ["message", "2", "before"],
    ]
    assert visits == [None, "1"]


# -- the example

GROWS = """new Promise((resolve) => {
  const first = Number(document.body.dataset.samples || 0)
  const look = () => Number(document.body.dataset.samples || 0) >= first + 2 && resolve(true)
  new MutationObserver(look).observe(document.body, { attributes: true })
  look()
})"""


@within(30)
async def test_the_dashboard_example(browse: Browse) -> None:
    command = (sys.executable, "-m", "examples.dashboard", "--bind", "127.0.0.1:0")
    async with running(*command, cwd=TESTS.parent) as program, browse() as browser:
        address = (await program.line_with(r"Running on (http://127\.0\.0\.1:\d+)"))[1]
        tab = await browser.open(f"{address}/")
        assert await tab.evaluate(GROWS) is True
        await tab.close()
        with trio.fail_after(1):
            await program.line_with("viewer left: client_gone")
        program.terminate()
        assert await program.wait() == 0
    assert "Traceback" not in program.text
