"""The example with Datastar, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from .cdn import CDN, install_datastar
from .chromium import Browser
from .limits import within
from .programs import ROOT, process

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

FOUND = "[...document.querySelectorAll('#found > li')].map((item) => item.textContent)"
SEARCH = "const input = document.querySelector('input'); input.value = 'AR'; input.dispatchEvent(new Event('input'))"


def counts(count: int) -> str:
    """JavaScript: whether the page shows that there were so many searches."""
    return f"document.querySelector('output').textContent === '{count}'"


@pytest.fixture(scope="session")
def cdn(node_modules: Path) -> CDN:
    return CDN(node_modules, install_datastar())


@within(30)
async def test_a_search_shows_what_it_finds_and_counts_in_every_page(browse: Browse, cdn: CDN) -> None:
    """Datastar closes the stream of a hidden page, which is told the number when it is shown again."""
    async with process("trio-sse", "examples.datastar_search:app", cwd=ROOT) as server, browse() as browser:
        url = f"http://127.0.0.1:{server.port}/"
        hidden, shown = await browser.open(url, cdn), await browser.open(url, cdn)
        for page in (hidden, shown):
            await page.until(counts(0))
        await shown.evaluate(SEARCH)
        await shown.until(f"{FOUND}.length === 2 && {counts(1)}")
        assert await shown.evaluate(FOUND) == ["Darjeeling", "Earl Grey"]
        await hidden.show()
        await hidden.until(counts(1))
