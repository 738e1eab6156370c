"""The example with @microsoft/fetch-event-source, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from examples.fetch_answers import make_app

from .cdn import CDN
from .chromium import Browser, Page
from .limits import within
from .programs import ROOT, process

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

ANSWER = "You ask: Tea? Let me think. "

with_heartbeats = make_app(heartbeat=0.01)

RAW = """fetch('/answers', {
  method: 'POST',
  headers: { 'Authorization': 'Bearer 4f1c0d', 'Content-Type': 'application/json' },
  body: '{"question": "Tea?"}',
}).then((response) => response.text())"""


async def ask(page: Page, question: str, token: str = "4f1c0d") -> None:
    await page.evaluate(
        f"document.forms[0].token.value = {token!r}; document.forms[0].question.value = {question!r};"
        "document.forms[0].requestSubmit()"
    )


@within(30)
async def test_the_page_parses_each_event_of_a_post_with_heartbeats_between_them(
    browse: Browse, node_modules: Path
) -> None:
    """The client takes a comment with a blank line for an event, on whose empty data `JSON.parse` fails."""
    target = "tests.end_to_end.test_fetch:with_heartbeats"
    async with process("trio-sse", target, cwd=ROOT) as server, browse() as browser:
        page = await browser.open(f"http://127.0.0.1:{server.port}/", CDN(node_modules))
        assert (await page.evaluate(RAW)).count("\n:\n") > 5
        await ask(page, "Tea?")
        await page.until(f"document.querySelector('output').value === {ANSWER!r}")
        await ask(page, "Tea?", token="wrong")
        await page.until("document.querySelector('output').value === '[Unauthorized]'")
