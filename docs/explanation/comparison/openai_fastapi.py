"""An endpoint like OpenAI's, with FastAPI and sse-starlette."""

import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal
from uuid import uuid4

import anyio
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, JSONServerSentEvent, ServerSentEvent
from starlette.exceptions import HTTPException as StarletteHTTPException

KEY = os.environ.get("API_KEY", "sk-example")


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class StreamOptions(BaseModel):
    include_usage: bool = False


class Chat(BaseModel):
    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None


class Model:
    names = ("parrot",)

    async def reply(self, messages: list[Message]) -> AsyncGenerator[str]:
        for word in messages[-1].content.split():
            await anyio.sleep(0.1)
            yield f"{word} "


app = FastAPI()
Credentials = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


def check_key(credentials: Credentials) -> None:
    if not secrets.compare_digest(credentials.credentials.encode(), KEY.encode()):
        headers = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "The credentials are not valid.", headers)


def error_content(status: int, message: str) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None):
    return JSONResponse(error_content(status, message), status, headers)


@app.exception_handler(StarletteHTTPException)
async def answer_http_error(_request: Request, error: StarletteHTTPException):
    return error_response(error.status_code, error.detail, error.headers)


@app.exception_handler(RequestValidationError)
async def answer_invalid_request(_request: Request, error: RequestValidationError):
    [first, *_] = error.errors()
    place = ".".join(map(str, first["loc"]))
    status = 400 if first["type"] == "json_invalid" else 422
    return error_response(status, f"{first['msg']} - at {place}")


@app.exception_handler(Exception)
async def answer_internal_error(_request: Request, _error: Exception):
    return error_response(500, "Internal Server Error")


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


async def chunks(chat: Chat, model: Model) -> AsyncIterator[ServerSentEvent]:
    start, count = head(chat, "chat.completion.chunk"), 0

    def chunk(delta: dict[str, str], reason: str | None = None) -> ServerSentEvent:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return JSONServerSentEvent(start | {"choices": [choice]})

    try:
        yield chunk({"role": "assistant", "content": ""})
        async with aclosing(model.reply(chat.messages)) as words:
            async for word in words:
                count += 1
                yield chunk({"content": word})
        yield chunk({}, "stop")
        if chat.stream_options and chat.stream_options.include_usage:
            last = {"choices": [], "usage": usage(chat, count)}
            yield JSONServerSentEvent(start | last)
        yield ServerSentEvent("[DONE]")
    except HTTPException as error:
        yield JSONServerSentEvent(error_content(error.status_code, error.detail))
        raise
    except Exception:
        yield JSONServerSentEvent(error_content(500, "Internal Server Error"))
        raise


@app.post("/v1/chat/completions", dependencies=[Depends(check_key)])
async def complete(chat: Chat, model: Annotated[Model, Depends()]):
    if chat.model not in model.names:
        raise HTTPException(404, f"The model {chat.model!r} does not exist.")
    if chat.stream:
        return EventSourceResponse(chunks(chat, model))
    words = [word async for word in model.reply(chat.messages)]
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return head(chat, "chat.completion") | {
        "choices": [choice],
        "usage": usage(chat, len(words)),
    }
