"""A program of the page that compares the library with FastAPI, the one that the environment names.

A model of the program writes when it has stopped, so that a test can tell that a client who leaves stops it, and fails
at the word "crash".
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from support.comparison import load

__all__ = ("app",)

Reply = Callable[[Any, Any], AsyncGenerator[str]]


def observed(reply: Reply) -> Reply:
    """The same words up to "crash", and a line on the output at the end."""

    async def wrapped(self: Any, messages: Any) -> AsyncGenerator[str]:
        try:
            async with aclosing(reply(self, messages)) as words:
                async for word in words:
                    if word == "crash ":
                        raise LookupError("out of memory at 0x7f")
                    yield word
        finally:
            print("the model has stopped")

    return wrapped


program = load(os.environ["PROGRAM"])
if hasattr(program, "Model"):
    program.Model.reply = observed(program.Model.reply)
app = program.app
