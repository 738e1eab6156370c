"""The table of the page on clients: what clients in JavaScript make of the frames that the library sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from conformance.frames import AFTER, FRAMES, NAMES, Dispatched, Seen, check
from trio_sse import SSE, App

from .chromium import Browser
from .limits import within
from .modules import modules_app
from .programs import running
from .requirements import needs
from .serving import serving

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

HERE = Path(__file__).parent
IN_NODE = ("eventsource", "eventsource-parser", "npm's openai")
IN_CHROMIUM = ("chromium", "fetch-event-source", "htmx 4")


async def frame(number: int) -> AsyncIterator[Any]:
    for item in FRAMES[number].items:
        yield item
    yield {"event": AFTER.name, "data": AFTER.data}


STREAM = SSE("/frames/:number").handle(frame)


def seen(result: Any) -> Seen | str:
    return result if isinstance(result, str) else tuple(Dispatched(*each) for each in result)


@within(60)
async def test_clients_in_node_dispatch_what_the_table_says(node_modules: Path) -> None:
    async with (
        serving(App().add(STREAM)) as server,
        running(needs("node"), str(HERE / "frames.mjs"), f"{server.url}/frames/", str(len(FRAMES)), *NAMES) as program,
    ):
        results = json.loads(await program.line())
        assert await program.wait() == 0
    assert tuple(results) == IN_NODE
    for client, found in results.items():
        check(client, [seen(each) for each in found])


@within(90)
@pytest.mark.parametrize("client", IN_CHROMIUM)
async def test_clients_in_chromium_dispatch_what_the_table_says(
    client: str, browse: Browse, node_modules: Path
) -> None:
    app = modules_app((HERE / "frames.html").read_text("utf-8"), node_modules).add(STREAM)
    async with serving(app) as server, browse() as browser:
        page = await browser.open(f"{server.url}/")
        found = await page.evaluate(f"read({client!r}, {len(FRAMES)}, {json.dumps(NAMES)})")
    check(client, [seen(each) for each in found])
