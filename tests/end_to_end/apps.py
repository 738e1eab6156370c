"""Apps for servers in processes of their own. What the tests want to know they print."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import trio

from trio_sse import SSE, Aborted, App, Get

__all__ = ("crashing", "flooding", "misbuilt", "streaming")


async def endless(name: str, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"event": "connected", "data": name}
        await trio.sleep_forever()
    finally:
        print(f"{name} left: {aborted.reason}", flush=True)


async def flood(name: str) -> AsyncIterator[Any]:
    try:
        for _ in range(400):
            yield {"data": "x" * 65_536}
            await trio.lowlevel.checkpoint()
    finally:
        print(f"{name} left", flush=True)


def hello() -> dict[str, str]:
    return {"hello": "world"}


def crash(app_nursery: trio.Nursery) -> None:
    app_nursery.start_soon(fail)


async def fail() -> None:
    raise RuntimeError("the background task has failed")


def wants_too_much(usr: str) -> None:
    """Names something that nothing provides."""


streaming = App().add(
    SSE("/endless/:name").handle(endless),
    SSE("/finishing/:name").on_shutdown("finish").handle(endless),
    Get("/hello").handle(hello),
)
flooding = App(cleanup_timeout=1).add(SSE("/flood/:name").handle(flood))
crashing = streaming.add(Get("/crash").handle(crash))
misbuilt = App().add(Get("/").use(user=hello).handle(wants_too_much))
