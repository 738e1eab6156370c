"""The example's endpoint with a model that does what a test needs, and writes when it stops."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import trio

from examples.openai_api import Message, Model
from examples.openai_api import app as example
from trio_sse.errors import TooManyRequests

__all__ = ("app",)


class Scripted(Model):
    """A model that does what the last message says.

    `say N` sends N words, `endless` sends words for ever, `silent` sends none, `crash` fails after two words, and
    `refuse` fails so before the first one, and with words for the client.
    """

    names = ("scripted",)

    async def reply(self, messages: list[Message]) -> AsyncGenerator[str]:
        what, _, count = messages[-1].content.partition(" ")
        if what == "refuse":
            raise TooManyRequests("The model is busy.")
        print(f"asked: {messages[-1].content}")
        try:
            for number in range(int(count or 1_000_000)):
                if what == "crash" and number == 2:
                    raise LookupError("out of memory at 0x7f")
                yield f"{number} "
                await trio.sleep(3600 if what == "silent" else 0.01)
        finally:
            print(f"stopped: {time.monotonic()}")


app = example.override(Model, Scripted())
