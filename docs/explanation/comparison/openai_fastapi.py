"""An endpoint like OpenAI's, with FastAPI and sse-starlette."""

import json
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import uuid4

import anyio
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse
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


def check_key(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
    if not secrets.compare_digest(credentials.credentials.encode(), KEY.encode()):
        raise HTTPException(401, "The credentials are not valid.", headers={"WWW-Authenticate": "Bearer"})


def error_content(status: int, message: str) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(error_content(status, message), status, headers)


@app.exception_handler(StarletteHTTPException)
async def answer_http_error(_request: Request, error: StarletteHTTPException) -> JSONResponse:
    return error_response(error.status_code, error.detail, error.headers)


@app.exception_handler(RequestValidationError)
async def answer_invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    [first, *_] = error.errors()
    place = ".".join(map(str, first["loc"]))
    return error_response(400 if first["type"] == "json_invalid" else 422, f"{first['msg']} - at {place}")


@app.exception_handler(Exception)
async def answer_internal_error(_request: Request, _error: Exception) -> JSONResponse:
    return error_response(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase)


def head(chat: Chat, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": chat.model}


def usage(chat: Chat, words: int) -> dict[str, int]:
    asked = sum(len(message.content.split()) for message in chat.messages)
    return {"prompt_tokens": asked, "completion_tokens": words, "total_tokens": asked + words}


async def chunks(chat: Chat, model: Model) -> AsyncIterator[dict[str, str]]:
    start, count = head(chat, "chat.completion.chunk"), 0

    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, str]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"data": json.dumps(start | {"choices": [choice]})}

    try:
        yield chunk({"role": "assistant", "content": ""})
        async with aclosing(model.reply(chat.messages)) as words:
            async for word in words:
                count += 1
                yield chunk({"content": word})
        yield chunk({}, "stop")
        if chat.stream_options and chat.stream_options.include_usage:
            yield {"data": json.dumps(start | {"choices": [], "usage": usage(chat, count)})}
        yield {"data": "[DONE]"}
    except HTTPException as error:
        yield {"data": json.dumps(error_content(error.status_code, error.detail))}
        raise
    except Exception:
        yield {"data": json.dumps(error_content(500, HTTPStatus.INTERNAL_SERVER_ERROR.phrase))}
        raise


@app.post("/v1/chat/completions", dependencies=[Depends(check_key)], response_model=None)
async def complete(chat: Chat, model: Annotated[Model, Depends()]) -> EventSourceResponse | dict[str, Any]:
    if chat.model not in model.names:
        raise HTTPException(404, f"The model {chat.model!r} does not exist.")
    if chat.stream:
        return EventSourceResponse(chunks(chat, model))
    words = [word async for word in model.reply(chat.messages)]
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return head(chat, "chat.completion") | {"choices": [choice], "usage": usage(chat, len(words))}
