"""Headless Chromium, driven over its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).

Owns the browser's start and end, and the few commands that the tests need: open a page, evaluate, wait, navigate,
close; and a way to answer what a page requests from other hosts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from .programs import running
from .websockets import websocket

__all__ = ("Browser", "Page", "chromium")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
NO_BACK_FORWARD_CACHE = "--disable-features=BackForwardCache"

UNTIL = """new Promise((resolve) => {
  const look = () => {
    if (CONDITION) {
      observer.disconnect()
      resolve(true)
    }
  }
  const observer = new MutationObserver(look)
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
  look()
})"""

Listener = Callable[[dict[str, Any]], Awaitable[None]]


class Browser:
    """A running browser."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered: dict[int, trio.Event] = {}
        self._listeners: dict[tuple[str, str], Listener] = {}

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command, and wait for its answer."""
        id = next(self._ids)
        message = {"id": id, "method": method, "params": parameters}
        answered = self._answered[id] = trio.Event()
        await self._connection.send_message(json.dumps(message | ({"sessionId": session} if session else {})))
        await answered.wait()
        del self._answered[id]
        answer = self._answers.pop(id)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def on(self, event: str, session: str, listener: Listener) -> None:
        """Run a listener, in a separate task, for each event of this name in a tab."""
        self._listeners[event, session] = listener

    async def open(self, url: str, cdn: Callable[[str], bytes] | None = None) -> Page:
        """Open a page in a tab of its own, and wait until it has loaded.

        Args:
            url: Its address.
            cdn: Returns the script at a URL of another host, which is then not asked.
        """
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, target, session)
        if cdn is not None:
            await page.serve(cdn)
        await page.go_to(url)
        return page

    async def _listen(self, nursery: trio.Nursery) -> None:
        try:
            while True:
                message = json.loads(await self._connection.get_message())
                listener = self._listeners.get((message.get("method"), message.get("sessionId")))
                if message.get("id") in self._answered:
                    self._answers[message["id"]] = message
                    self._answered[message["id"]].set()
                elif listener is not None:
                    nursery.start_soon(listener, message["params"])
        except ConnectionClosed:
            for event in self._answered.values():
                event.set()


class Page:
    """A page in a tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    async def go_to(self, url: str) -> None:
        """Navigate, and wait until it has loaded."""
        answer = await self._browser.call("Page.navigate", self._session, url=url)
        assert "errorText" not in answer, answer
        await self.evaluate("new Promise(done => document.readyState === 'complete' ? done() : (onload = done))")

    @asynccontextmanager
    async def navigation(self) -> AsyncIterator[None]:
        """Wait at the end of the block until the page has loaded to which the block has led, as by sending a form."""
        loaded = trio.Event()

        async def set_loaded(_event: dict[str, Any]) -> None:
            loaded.set()

        self._browser.on("Page.loadEventFired", self._session, set_loaded)
        await self._browser.call("Page.enable", self._session)
        yield
        await loaded.wait()

    async def serve(self, cdn: Callable[[str], bytes]) -> None:
        """Answer requests by HTTPS, which no server of the tests gets without a certificate, with scripts."""

        async def answer(paused: dict[str, Any]) -> None:
            headers = {"content-type": "text/javascript", "access-control-allow-origin": "*"}
            await self._browser.call(
                "Fetch.fulfillRequest",
                self._session,
                requestId=paused["requestId"],
                responseCode=200,
                responseHeaders=[{"name": name, "value": value} for name, value in headers.items()],
                body=base64.b64encode(cdn(paused["request"]["url"])).decode(),
            )

        self._browser.on("Fetch.requestPaused", self._session, answer)
        await self._browser.call("Fetch.enable", self._session, patterns=[{"urlPattern": "https://*"}])

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript condition holds; it is looked at whenever the document changes."""
        await self.evaluate(UNTIL.replace("CONDITION", condition))

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for.

        Raises:
            AssertionError: It threw.
        """
        answer = await self._browser.call(
            "Runtime.evaluate", self._session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def show(self) -> None:
        """Bring the tab to the front. A page that is not there is hidden."""
        await self._browser.call("Page.bringToFront", self._session)

    async def close(self) -> None:
        """Close the tab."""
        assert (await self._browser.call("Target.closeTarget", targetId=self._target))["success"]


@asynccontextmanager
async def chromium(path: str, profile: Path, *, back_forward_cache: bool = False) -> AsyncIterator[Browser]:
    """Run Chromium while the block lasts.

    With its back/forward cache, it keeps a page that was left, and the streams of that page, in case the user comes
    back.

    The address comes from the line that it writes once it listens: the file DevToolsActivePort appears a little later,
    and could only be polled for.
    """
    flags = FLAGS if back_forward_cache else (*FLAGS, NO_BACK_FORWARD_CACHE)
    async with running(path, *flags, f"--user-data-dir={profile}", "about:blank") as program:
        address = (await program.line_with(r"DevTools listening on (ws://127\.0\.0\.1:\S+)"))[1]
        async with websocket(address) as connection:
            browser = Browser(connection)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(browser._listen, nursery)
                yield browser
                nursery.cancel_scope.cancel()
