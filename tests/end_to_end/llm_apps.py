"""The examples of chats, with models that do what a test needs, and write when they stop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import attrs
import trio

from examples import ai_sdk, anthropic_api
from trio_sse.errors import HTTPError

__all__ = ("ai_sdk_app", "anthropic_app")


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
                case "think":
                    await trio.sleep(0.3)
            yield f"you said {text}."
        finally:
            print(f"after {text}")


anthropic_api.PINGS = attrs.evolve(anthropic_api.PINGS, heartbeat=0.05)  # so that there is one while it thinks

ai_sdk_app = ai_sdk.app.override(ai_sdk.Model, Scripted())
anthropic_app = anthropic_api.app.override(anthropic_api.Model, Scripted())
