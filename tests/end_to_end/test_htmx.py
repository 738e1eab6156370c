"""The example with htmx, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from .cdn import CDN
from .chromium import Browser, Page
from .limits import within
from .programs import ROOT, process

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

ENTRIES = "[...document.querySelectorAll('#entries > li')].map((entry) => entry.textContent)"


async def sign(page: Page, text: str) -> None:
    """Send the form, and wait until htmx has emptied it after the answer."""
    await page.evaluate(
        "new Promise((done) => { const form = document.forms[0];"
        f"form.onreset = () => done(); form.text.value = {text!r}; form.requestSubmit() }})"
    )


@within(30)
async def test_a_form_makes_the_list_of_every_page_grow(browse: Browse, node_modules: Path) -> None:
    async with process("trio-sse", "examples.htmx_guestbook:app", cwd=ROOT) as server, browse() as browser:
        url = f"http://127.0.0.1:{server.port}/"
        one = await browser.open(url, CDN(node_modules))
        await sign(one, "<b>Ada</b>")
        await one.until(f"{ENTRIES}.length === 1")

        other = await browser.open(url, CDN(node_modules))
        await other.until(f"{ENTRIES}.length === 1")
        await sign(other, "Eve")
        for page in (one, other):
            await page.until(f"{ENTRIES}.length === 2")
            assert await page.evaluate(ENTRIES) == ["<b>Ada</b>", "Eve"]


@within(30)
async def test_a_connection_that_is_made_again_leaves_no_entry_twice(browse: Browse, node_modules: Path) -> None:
    """After an error status, such as a proxy's 502, the extension makes a new EventSource, which knows no id."""
    async with process("trio-sse", "examples.htmx_guestbook:app", cwd=ROOT) as server, browse() as browser:
        page = await browser.open(f"http://127.0.0.1:{server.port}/", CDN(node_modules))
        await sign(page, "Ada")
        await page.until(f"{ENTRIES}.length === 1")
        await page.evaluate(
            "window.all = new Promise((resolve) =>"
            " document.body.addEventListener('htmx:sseMessage', ({ detail }) => detail.type === 'all' && resolve()));"
            "const main = document.querySelector('main'); main.replaceWith(main.cloneNode(true));"
            "htmx.process(document.querySelector('main')); all"
        )
        assert await page.evaluate(ENTRIES) == ["Ada"]
