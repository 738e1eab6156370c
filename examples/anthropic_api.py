"""The Messages API of Anthropic, for a model of your own: one POST, answered with JSON or with a stream.

Start it from the project's root:

    trio-sse run examples.anthropic_api:app

Then use Anthropic's client (`pip install anthropic`):

    client = anthropic.Anthropic(base_url="http://127.0.0.1:8000", api_key="local")
    with client.messages.stream(model="echo", max_tokens=100, messages=[{"role": "user", "content": "Hi!"}]) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import attrs
import trio

from trio_sse import App, Events, EventStream, Post, Request, Response, StreamOptions, run
from trio_sse.auth import bearer, fixed_secrets
from trio_sse.errors import HTTPException
from trio_sse.wire import EventFields

PINGS = StreamOptions(heartbeat=15, heartbeat_event="ping", heartbeat_data='{"type": "ping"}')
ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@attrs.frozen
class Block:
    """A block of a message's content; one that is not of the type `text` has no text."""

    type: str
    text: str = ""


@attrs.frozen
class InputMessage:
    """A message of the conversation so far."""

    role: str
    content: str | list[Block]

    @property
    def text(self) -> str:
        """All its text."""
        return self.content if isinstance(self.content, str) else "".join(block.text for block in self.content)


@attrs.frozen
class CreateMessage:
    """What a client posts, as far as this server needs it."""

    model: str
    max_tokens: int
    messages: list[InputMessage] = attrs.field(validator=attrs.validators.min_len(1))
    stream: bool = False


class Model:
    """Stands for a language model: it repeats the last message, word by word."""

    async def reply(self, messages: list[InputMessage]) -> AsyncGenerator[str]:
        """The reply to a conversation, piece by piece."""
        for word in f"You said: {messages[-1].text}".split():
            await trio.sleep(0.05)
            yield f"{word} "


async def create(body: CreateMessage, model: Model) -> EventStream | dict[str, Any]:
    """Answer a POST: with a stream of events if the client wants one, and with the whole message otherwise."""
    if body.stream:
        return EventStream(events(body, model), options=PINGS)
    async with aclosing(model.reply(body.messages)) as pieces:
        texts = [text async for text in pieces]
    content = [{"type": "text", "text": "".join(texts)}]
    return message(body) | {"content": content, "stop_reason": "end_turn", "usage": usage(len(texts))}


async def events(body: CreateMessage, model: Model) -> Events:
    """The message as it is made. If the client goes away, the model is cancelled."""
    count = 0
    yield event("message_start", message=message(body))
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    async with aclosing(model.reply(body.messages)) as pieces:
        async for text in pieces:
            count += 1
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage(count))
    yield event("message_stop")


def event(type: str, **fields: Any) -> EventFields:
    """An event, whose type is its name and stands in its data too."""
    return {"event": type, "data": {"type": type, **fields}}


def message(body: CreateMessage) -> dict[str, Any]:
    """A message of the assistant that has no content yet."""
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": body.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage(0),
    }


def usage(output_tokens: int) -> dict[str, int]:
    """How many tokens were read, which this model does not count, and written."""
    return {"input_tokens": 0, "output_tokens": output_tokens}


def error_object(error: HTTPException, _request: Request) -> Response:
    """An error in Anthropic's shape: the body of a response, and the last event of a stream that has failed."""
    status = 400 if error.status == 422 else error.status
    kind = ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    details = {"type": kind, "message": error.detail or error.title}
    return Response({"type": "error", "error": details}, status=status)


known_key = bearer(fixed_secrets({os.environ.get("API_KEY", "local"): "client"}))

app = (
    App(error_response=error_object, error_event="error")
    .provide(Model)
    .add(Post("/v1/messages").use(client=known_key).body(CreateMessage).handle(create))
)

if __name__ == "__main__":
    run(app)
