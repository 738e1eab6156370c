"""The recipe of the how-to on dead connections, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from trio_sse import SSE, App, Get, Request, Response

from .chromium import Browser
from .limits import within
from .programs import TESTS
from .serving import serving

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

RECIPE = TESTS.parent / "docs" / "how-to" / "dead-connections.md"
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Watching</title>
<script>
RECIPE
const seen = new Promise((resolve) => {
  const ids = []
  window.stop = watch('/ticks', ['tick'], (name, data) => { if (ids.push(data.n) == 2) resolve(ids) }, 400)
})
</script>
"""


class Ticking:
    """A stream that beats for a while after its first event, and then goes silent as a dead connection does."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.began: list[float] = []

    def app(self) -> App:
        [script, _] = re.findall(r"^```js\n(.*?)^```$", RECIPE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        page = Response(PAGE.replace("RECIPE", script), media_type="text/html; charset=utf-8")
        return App().add(Get("/").handle(lambda: page), SSE("/ticks").heartbeat(None).handle(self.ticks))

    async def ticks(self, request: Request) -> AsyncIterator[Any]:
        self.asked.append(request.query.get("after", ""))
        self.began.append(trio.current_time())
        n = len(self.asked)
        yield {"event": "tick", "id": str(n), "data": {"n": n}}
        for _ in range(4):
            await trio.sleep(0.2)
            yield {"event": "ping", "data": "{}"}
        await trio.sleep_forever()


@within(30)
async def test_a_page_leaves_a_silent_connection_and_goes_on_where_it_was(browse: Browse) -> None:
    ticking = Ticking()
    async with serving(ticking.app()) as server, browse() as browser:
        page = await browser.open(f"{server.url}/")
        assert await page.evaluate("seen") == [1, 2]
        await page.evaluate("stop()")
    assert ticking.asked == ["", "1"]
    first, second = ticking.began
    assert second - first > 1  # no earlier than 0.4 s after the last ping
