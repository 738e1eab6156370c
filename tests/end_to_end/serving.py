"""A server in the test's own process, so that a test can look at its tasks, generators and descriptors."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from trio_sse import serve

__all__ = ("Certificate", "Server", "serving")


@attrs.frozen
class Certificate:
    """A certificate for 127.0.0.1 and who vouches for it, as files."""

    certfile: Path
    keyfile: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """A client's context that trusts it."""
        return ssl.create_default_context(cafile=self.authority)


@attrs.frozen
class Server:
    """A running server."""

    url: str
    _asked: trio.Event
    ended: trio.Event

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    def ask_to_stop(self) -> None:
        """Ask it to shut down."""
        self._asked.set()

    async def shut_down(self) -> None:
        """Ask it to shut down, and wait until it has."""
        self._asked.set()
        await self.ended.wait()


@asynccontextmanager
async def serving(app: Any, *, certificate: Certificate | None = None, **options: Any) -> AsyncIterator[Server]:
    """Serve an app with `trio_sse.serve` on a free port of 127.0.0.1 while the block lasts.

    Args:
        app: The app.
        certificate: Speak TLS with it, and so HTTP/2 with whom it is agreed on.
        **options: hypercorn's options.
    """
    if certificate is not None:
        options |= {"certfile": str(certificate.certfile), "keyfile": str(certificate.keyfile)}
    settings = {
        "bind": "127.0.0.1:0",
        "graceful_timeout": 0.2,
        "h2c": True,
        "errorlog": logging.getLogger("hypercorn.error"),
        **options,
    }
    asked, ended = trio.Event(), trio.Event()

    async def run(task_status: trio.TaskStatus[list[str]]) -> None:
        try:
            await serve(app, shutdown_trigger=asked.wait, task_status=task_status, **settings)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(partial(run))
        yield Server(url, asked, ended)
        asked.set()
