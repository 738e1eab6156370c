"""The example of an API like OpenAI's, and the same program as the page of comparisons has it."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from examples import openai_api
from examples.openai_api import Message, Model, app
from trio_sse.testing import TestClient, TestResponse

ROOT = Path(__file__).parent.parent.parent
COMPARED = ROOT / "docs/explanation/comparison/openai_ours.py"

PATH = "/v1/chat/completions"
KEY = {"authorization": "Bearer sk-example"}


class Endless(Model):
    """A model that does not end by itself, and notes when it has been stopped."""

    def __init__(self) -> None:
        self.stopped: list[float] = []

    async def reply(self, messages: list[Message]) -> AsyncGenerator[str]:
        try:
            while True:
                yield "again "
                await trio.sleep(1)
        finally:
            self.stopped.append(trio.current_time())


@pytest.fixture
async def client(autojump_clock: MockClock) -> AsyncIterator[TestClient]:
    async with TestClient(app, headers=KEY) as client:
        yield client


def chat(text: str = "Pieces of eight", **fields: Any) -> dict[str, Any]:
    return {"model": "parrot", "messages": [{"role": "user", "content": text}]} | fields


def data_of(reply: TestResponse) -> list[Any]:
    lines = reply.body.decode().splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


async def test_an_answer_as_json(client: TestClient) -> None:
    reply = await client.post(PATH, chat())
    assert reply.headers["content-type"] == "application/json"
    answer = reply.json()
    assert answer["object"] == "chat.completion"
    message = {"role": "assistant", "content": "Pieces of eight "}
    assert answer["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


async def test_an_answer_as_a_stream(client: TestClient) -> None:
    reply = await client.post(PATH, chat(stream=True, stream_options=None))
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    *chunks, last = data_of(reply)
    assert last == "[DONE]"
    read = [json.loads(chunk) for chunk in chunks]
    assert len({chunk["id"] for chunk in read}) == 1
    assert {chunk["object"] for chunk in read} == {"chat.completion.chunk"}
    choices = [chunk["choices"][0] for chunk in read]
    assert [choice["delta"].get("content") for choice in choices] == ["", "Pieces ", "of ", "eight ", None]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, None, "stop"]


async def test_the_usage_is_the_last_chunk_if_it_is_asked_for(client: TestClient) -> None:
    reply = await client.post(PATH, chat(stream=True, stream_options={"include_usage": True}))
    *_, chunk, done = data_of(reply)
    assert done == "[DONE]"
    assert json.loads(chunk)["choices"] == []
    assert json.loads(chunk)["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("changes", "headers", "status"),
    [
        ({}, {"authorization": "Bearer sk-other"}, 401),
        ({"model": "gpt"}, {}, 404),
        ({"messages": []}, {}, 422),
        ({"messages": [{"role": "parrot", "content": ""}]}, {}, 422),
    ],
)
async def test_an_error_has_a_status_and_the_shape_of_openais(
    client: TestClient, stream: bool, changes: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    reply = await client.post(PATH, chat(stream=stream) | changes, headers=headers)
    assert reply.status == status
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_stops_when_the_client_goes(autojump_clock: MockClock, stream: bool) -> None:
    model = Endless()
    async with TestClient(app.override(Model, model), headers=KEY) as client:
        with trio.move_on_after(2.5):
            await client.post(PATH, chat(stream=stream))
    assert model.stopped == [pytest.approx(2.5)]


def without_docstrings(source: str) -> list[str]:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return [ast.unparse(statement) for statement in tree.body]


def test_the_page_of_comparisons_has_the_same_program() -> None:
    """But for the docstrings, the command that starts it, and what annotations need in Python before 3.14."""
    [_future, *example, main] = without_docstrings(Path(openai_api.__file__).read_text("utf-8"))
    assert main.startswith("if __name__ ==")
    compared = without_docstrings(COMPARED.read_text("utf-8"))
    assert [line.replace(", run", "") if line.startswith("from trio_sse ") else line for line in example] == compared
