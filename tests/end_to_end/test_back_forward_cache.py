"""A page that was left and that the browser keeps: its stream goes on, unless the page or its headers end it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_sse import SSE, App, Get, Post, Request, Response

from .chromium import chromium
from .limits import within
from .programs import TESTS
from .serving import serving

RECIPE = TESTS.parent / "docs" / "how-to" / "clean-up.md"
HTML = "text/html; charset=utf-8"
PAGE = """<!doctype html>
<title>Watching</title>
<script>
const source = new EventSource('/stream')
const told = new Promise((resolve) => { source.onmessage = (event) => resolve(event.data) })
addEventListener('pageshow', (event) => navigator.sendBeacon(`/shown?kept=${event.persisted}`))
RECIPE
</script>
"""


class Kept:
    """An app with a page, its stream, and another page to go to.

    Attributes:
        tell: Sends an event to the page.
        shown: Whether the page was taken out of the browser's cache, each time that it is shown.
        left: The stream's handler has ended.
    """

    def __init__(self, script: str = "", headers: dict[str, str] | None = None) -> None:
        self.page = Response(PAGE.replace("RECIPE", script), media_type=HTML, headers=headers or {})
        self.entered, self.tell, self.left = trio.Event(), trio.Event(), trio.Event()
        self._show, self.shown = trio.open_memory_channel[bool](9)

    def app(self) -> App:
        other = Response("<!doctype html><title>Other</title>", media_type=HTML)
        return App().add(
            Get("/").handle(lambda: self.page),
            Get("/other").handle(lambda: other),
            SSE("/stream").heartbeat(None).handle(self.stream),
            Post("/shown").handle(self.show),
        )

    async def stream(self) -> AsyncIterator[Any]:
        self.entered.set()
        try:
            await self.tell.wait()
            yield {"data": "while you were away"}
            await trio.sleep_forever()
        finally:
            self.left.set()

    async def show(self, request: Request) -> None:
        await self._show.send(request.query["kept"] == "true")


def recipe() -> str:
    [script] = re.findall(r"^```js\n(.*?)^```$", RECIPE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(script)


@within(30)
async def test_the_stream_of_a_page_in_the_cache_goes_on(chromium_path: str, tmp_path: Path) -> None:
    """A limit that docs/how-to/clean-up.md describes. If this fails, it may have gone."""
    kept = Kept()
    async with serving(kept.app()) as server, chromium(chromium_path, tmp_path, back_forward_cache=True) as browser:
        tab = await browser.open(f"{server.url}/")
        assert await kept.shown.receive() is False
        await kept.entered.wait()
        await tab.go_to(f"{server.url}/other")
        kept.tell.set()
        await tab.evaluate("history.back()")
        assert await kept.shown.receive() is True
        assert await tab.evaluate("told") == "while you were away"
        assert not kept.left.is_set()


WAYS: dict[str, tuple[str, dict[str, str], list[bool]]] = {
    "the recipe": (recipe(), {}, [True, False]),
    "no-store": ("", {"cache-control": "no-store"}, [False]),
}


@pytest.mark.parametrize("way", WAYS)
@within(30)
async def test_it_can_end_when_the_page_is_left(chromium_path: str, tmp_path: Path, way: str) -> None:
    """With the recipe, the page is taken out of the cache and loads itself again."""
    script, headers, shown = WAYS[way]
    kept = Kept(script, headers)
    async with serving(kept.app()) as server, chromium(chromium_path, tmp_path, back_forward_cache=True) as browser:
        tab = await browser.open(f"{server.url}/")
        assert await kept.shown.receive() is False
        await kept.entered.wait()
        await tab.go_to(f"{server.url}/other")
        with trio.fail_after(1):
            await kept.left.wait()
        kept.entered = trio.Event()
        await tab.evaluate("history.back()")
        assert [await kept.shown.receive() for _ in shown] == shown
        await kept.entered.wait()
