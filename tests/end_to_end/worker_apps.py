"""Apps for several processes. What happened in which is told by marks: lines in a file, since no variable is shared."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import trio

from trio_sse import SSE, App, Get

__all__ = ("count", "counting", "lasting", "unstartable")


def mark(text: str) -> None:
    """Add a line to the file that the environment names; a short one is written at once or not at all."""
    with Path(os.environ["MARKS"]).open("a") as file:
        file.write(f"{text}\n")


async def count() -> AsyncIterator[Any]:
    """Counts for ever, and needs a while to clean up."""
    pid = os.getpid()
    mark(f"entered {pid}")
    try:
        yield {"event": "pid", "data": str(pid)}
        number = 0
        while True:
            yield {"data": str(number)}
            number += 1
            await trio.sleep(0.01)
    finally:
        with trio.move_on_after(5, shield=True):
            await trio.sleep(0.05)
            mark(f"left {pid}")


def fails() -> int:
    raise LookupError("no such database")


def show(number: int) -> int:
    return number


counting = App().add(SSE("/count").handle(count), Get("/pid").handle(os.getpid))
lasting = App().add(SSE("/count").on_shutdown("finish").handle(count))
unstartable = App().provide(int, fails).add(Get("/").inject(number=int).handle(show))
