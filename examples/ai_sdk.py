"""A chat for `useChat` of Vercel's AI SDK: a POST whose answer is a stream of UI message parts.

Start it from the project's root:

    trio-sse run examples.ai_sdk:app

Then talk to it, from a page with `useChat()`, or in a terminal:

    curl -N http://127.0.0.1:8000/api/chat -H "content-type: application/json" \
      -d '{"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi!"}]}]}'
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs
import trio

from trio_sse import SSE, App, Events, Request, Response, run
from trio_sse.errors import HTTPException


@attrs.frozen
class Part:
    """A part of a message; those that are not of the type `text` have no text."""

    type: str
    text: str = ""


@attrs.frozen
class Message:
    """A message of the user or of the assistant."""

    role: str
    parts: list[Part]

    @property
    def text(self) -> str:
        """All its text."""
        return "".join(part.text for part in self.parts if part.type == "text")


@attrs.frozen
class Chat:
    """What AI SDK posts, as far as this server needs it."""

    messages: list[Message] = attrs.field(validator=attrs.validators.min_len(1))


class Model:
    """Stands for a language model: it repeats the last message, word by word."""

    async def reply(self, messages: list[Message]) -> AsyncGenerator[str]:
        """The reply to a conversation, piece by piece."""
        for word in f"You said: {messages[-1].text}".split():
            await trio.sleep(0.05)
            yield f"{word} "


async def chat(body: Chat, model: Model) -> Events:
    """Stream the model's reply. If the user stops it, or closes the page, the model is cancelled too."""
    yield {"data": {"type": "start"}}
    yield {"data": {"type": "text-start", "id": "text"}}
    async with aclosing(model.reply(body.messages)) as pieces:
        async for piece in pieces:
            yield {"data": {"type": "text-delta", "id": "text", "delta": piece}}
    yield {"data": {"type": "text-end", "id": "text"}}
    yield {"data": {"type": "finish"}}
    yield {"data": "[DONE]"}


def error_part(error: HTTPException, _request: Request) -> Response:
    """An error as AI SDK shows it: the body of a response, and the last event of a stream that has failed."""
    return Response({"type": "error", "errorText": error.detail or error.title}, status=error.status)


app = (
    App(error_response=error_part, error_event=None)  # AI SDK's events have no names
    .provide(Model)
    .add(
        SSE("/api/chat", method="POST").headers({"x-vercel-ai-ui-message-stream": "v1"}).body(Chat).handle(chat),
    )
)

if __name__ == "__main__":
    run(app)
