"""The examples of chats, with models that do what a test needs, and write when they stop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import trio

from examples import ai_sdk
from trio_sse.errors import HTTPError

__all__ = ("ai_sdk_app",)


class Scripted:
    """A model that does what the last message says: it answers, fails, or goes on until it is stopped."""

    async def reply(self, messages: list[Any]) -> AsyncGenerator[str]:
        text = messages[-1].text
        try:
            yield "Well, "
            match text:
                case "crash":
                    raise LookupError("secret")
                case "overload":
                    raise HTTPError("There is too much to do.", status=529)
                case "stop":
                    await trio.sleep_forever()
            yield f"you said {text}."
        finally:
            print(f"after {text}")


ai_sdk_app = ai_sdk.app.override(ai_sdk.Model, Scripted())
