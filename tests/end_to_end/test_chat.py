"""The chat, in a real browser: two tabs, and a server that is restarted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from .chromium import Browser, Page
from .limits import within
from .programs import ROOT, process

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

LINES = "[...document.querySelectorAll('#lines > li')].map((line) => line.textContent)"
NOTE_GAP = "window.gap = new Promise((resolve) => source.addEventListener('gap', resolve)); 0"
PEOPLE = "document.getElementById('people').textContent"


async def say(page: Page, text: str) -> None:
    await page.evaluate(f"document.getElementById('text').value = {text!r}; document.forms[0].requestSubmit()")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@within(30)
async def test_two_tabs_hear_each_other_and_the_later_one_gets_the_history(browse: Browse) -> None:
    async with process("trio-sse", "examples.chat:app", cwd=ROOT) as server, browse() as browser:
        url = f"http://127.0.0.1:{server.port}/"
        ada = await browser.open(f"{url}?user=ada")
        await say(ada, "Tea?")
        await ada.until(f"{LINES}.length === 1")

        bob = await browser.open(f"{url}?user=bob")
        await bob.until(f"{LINES}.length === 1")
        await say(bob, "<b>Yes</b>")
        for page in (ada, bob):
            await page.until(f"{LINES}.length === 2 && {PEOPLE} === 'ada, bob'")
            assert await page.evaluate(LINES) == ["ada: Tea?", "bob: <b>Yes</b>"]
        await bob.close()
        await ada.until(f"{PEOPLE} === 'ada'")


@within(40)
async def test_a_page_is_told_that_a_restart_has_lost_the_history(browse: Browse) -> None:
    bind = "--bind", f"127.0.0.1:{free_port()}"
    async with browse() as browser:
        async with process("trio-sse", "examples.chat:app", *bind, cwd=ROOT):
            page = await browser.open(f"http://{bind[1]}/?user=ada")
            await say(page, "before")
            await page.until(f"{LINES}.length === 1")
            await page.evaluate(NOTE_GAP)
        async with process("trio-sse", "examples.chat:app", *bind, cwd=ROOT):
            assert await page.evaluate("gap.then((event) => JSON.parse(event.data).reason)") == "unknown"
            await say(page, "after")
            await page.until(f"{LINES}.length === 1")
            assert await page.evaluate(LINES) == ["ada: after"]
