"""Apps for many clients, for servers in processes of their own. What becomes of each stream is printed, a line each."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from trio_sse import SSE, Aborted, App, Get

__all__ = ("quiet", "ticking")

PADDING = "x" * 1500


def say(line: str) -> None:
    """Write a line in one piece: another process may write to the same pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Clock:
    """Wakes all streams at the same time."""

    def __init__(self) -> None:
        self.number = 0
        self.tick = trio.Event()

    async def run(self) -> None:
        while True:
            await trio.sleep(0.1)
            self.number += 1
            self.tick.set()
            self.tick = trio.Event()


@asynccontextmanager
async def clock() -> AsyncIterator[Clock]:
    async with trio.open_nursery() as nursery:
        made = Clock()
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def ticks(name: str, clock: Clock, aborted: Aborted) -> AsyncIterator[Any]:
    """Events with the time at which they were made; says how long the last one took if it was never taken."""
    number, made = 0, time.monotonic()
    try:
        while True:
            number, made = number + 1, time.monotonic()
            yield {"id": str(number), "data": {"made": made, "padding": PADDING}}
            await clock.tick.wait()
    finally:
        say(f"{name} left: {aborted.reason} after {time.monotonic() - made:.3f} s")


async def silence(name: str, aborted: Aborted) -> AsyncIterator[Any]:
    try:
        yield {"event": "connected", "data": name}
        await trio.sleep_forever()
    finally:
        say(f"{name} left: {aborted.reason}")


async def flood(name: str, aborted: Aborted) -> AsyncIterator[Any]:
    since = time.monotonic()
    try:
        while True:
            since = time.monotonic()
            yield {"data": "x" * 20_000}
    finally:
        say(f"{name} left: {aborted.reason} after {time.monotonic() - since:.3f} s")


def hello() -> str:
    return "hello"


ticking = App(send_timeout=1).provide(Clock, clock).add(SSE("/ticks/:name").inject(clock=Clock).handle(ticks))
quiet = App(send_timeout=1).add(
    SSE("/quiet/:name").heartbeat(0.5).handle(silence),
    SSE("/silent/:name").heartbeat(None).handle(silence),
    SSE("/finishing/:name").on_shutdown("finish").handle(silence),
    SSE("/flood/:name").handle(flood),
    SSE("/patient/:name").send_timeout(60).handle(flood),
    Get("/hello").handle(hello),
)
