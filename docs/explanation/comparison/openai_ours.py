"""An endpoint like OpenAI's, with trio-sse."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal
from uuid import uuid4

import attrs
import trio

from trio_sse import App, Events, EventStream, NotFound, Post, Request, Response
from trio_sse.auth import bearer, fixed_secrets
from trio_sse.errors import HTTPException

KEY = os.environ.get("API_KEY", "sk-example")


@attrs.frozen
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@attrs.frozen
class StreamOptions:
    include_usage: bool = False


@attrs.frozen
class Chat:
    model: str
    messages: list[Message] = attrs.field(validator=attrs.validators.min_len(1))
    stream: bool = False
    stream_options: StreamOptions | None = None


class Model:
    names = ("parrot",)

    async def reply(self, messages: list[Message]) -> AsyncGenerator[str]:
        for word in messages[-1].content.split():
            await trio.sleep(0.1)
            yield f"{word} "


def head(chat: Chat, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": chat.model,
    }


def usage(chat: Chat, words: int) -> dict[str, int]:
    asked = sum(len(message.content.split()) for message in chat.messages)
    return {
        "prompt_tokens": asked,
        "completion_tokens": words,
        "total_tokens": asked + words,
    }


async def chunks(chat: Chat, model: Model) -> Events:
    start, count = head(chat, "chat.completion.chunk"), 0

    def chunk(
        delta: dict[str, str], finish_reason: str | None = None
    ) -> dict[str, Any]:
        return start | {
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        }

    yield {"data": chunk({"role": "assistant", "content": ""})}
    async with aclosing(model.reply(chat.messages)) as words:
        async for word in words:
            count += 1
            yield {"data": chunk({"content": word})}
    yield {"data": chunk({}, "stop")}
    if chat.stream_options and chat.stream_options.include_usage:
        yield {"data": start | {"choices": [], "usage": usage(chat, count)}}
    yield {"data": "[DONE]"}


async def complete(body: Chat, model: Model) -> EventStream | dict[str, Any]:
    if body.model not in model.names:
        raise NotFound(f"The model {body.model!r} does not exist.")
    if body.stream:
        return EventStream(chunks(body, model))
    words = [word async for word in model.reply(body.messages)]
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return head(body, "chat.completion") | {
        "choices": [choice],
        "usage": usage(body, len(words)),
    }


def error_response(error: HTTPException, _request: Request) -> Response:
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    content = {
        "message": error.detail or error.title,
        "type": kind,
        "param": None,
        "code": None,
    }
    return Response({"error": content}, status=error.status)


known = bearer(fixed_secrets({KEY: "you"}))
route = (
    Post("/v1/chat/completions")
    .use(caller=known)
    .body(Chat, max_size=10_000_000)
    .handle(complete)
)
app = App(error_response=error_response, error_event=None).provide(Model).add(route)
