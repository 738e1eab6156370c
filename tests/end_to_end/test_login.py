"""The example with a login, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from .chromium import Browser, Page
from .limits import within
from .programs import ROOT, process

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

PATH = "location.pathname"


async def log_in(page: Page, name: str, password: str) -> None:
    async with page.navigation():
        await page.evaluate(
            f"const form = document.forms[0]; form.name.value = {name!r}; form.password.value = {password!r};"
            "form.requestSubmit()"
        )


@within(30)
async def test_a_browser_logs_in_follows_the_stream_and_logs_out(browse: Browse) -> None:
    async with process("trio-sse", "examples.login:app", cwd=ROOT) as server, browse() as browser:
        page = await browser.open(f"http://127.0.0.1:{server.port}/")
        assert await page.evaluate(PATH) == "/login"

        await log_in(page, "ada", "wrong")
        assert "is wrong" in await page.evaluate("document.body.textContent")

        await log_in(page, "ada", "difference")
        assert await page.evaluate(PATH) == "/"
        await page.until("document.querySelector('li')?.textContent === 'ada'")
        assert await page.evaluate("document.cookie") == ""

        async with page.navigation():
            await page.evaluate("document.forms[0].requestSubmit()")
        assert await page.evaluate(PATH) == "/login"
        await page.go_to(f"http://127.0.0.1:{server.port}/")
        assert await page.evaluate(PATH) == "/login"
        kind = "fetch('/visits').then(({ status, headers }) => [status, headers.get('content-type')])"
        assert await page.evaluate(kind) == [401, "application/problem+json"]
        await page.go_to(f"http://127.0.0.1:{server.port}/nowhere")
        assert await page.evaluate("document.querySelector('h1').textContent") == "Not Found"
