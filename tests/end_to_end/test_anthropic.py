"""The example of Anthropic's Messages API, under Anthropic's own clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
import trio

from .limits import within
from .programs import TESTS, Program, process

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|anthropic)\\.:ResourceWarning")
"""On Trio the client leaves the parts of a stream that it has left to the garbage collector."""

REPLY = "Well, you said {}."


@asynccontextmanager
async def serving() -> AsyncIterator[Program]:
    async with process("trio-sse", "tests.end_to_end.llm_apps:anthropic_app", cwd=TESTS.parent) as server:
        yield server


def options(server: Program) -> dict[str, Any]:
    return {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "local", "max_retries": 0, "timeout": 5}


def saying(text: str) -> dict[str, Any]:
    return {"model": "scripted", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}


def check(message: Any, said: str) -> None:
    assert [block.text for block in message.content] == [REPLY.format(said)]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)


# -- the blocking client


def ask_blocking(client: anthropic.Anthropic) -> None:
    check(client.messages.create(**saying("hello")), "hello")
    with client.messages.stream(**saying("think")) as stream:
        assert list(stream.text_stream) == ["Well, ", "you said think."]
        check(stream.get_final_message(), "think")
    with client.messages.with_streaming_response.create(**saying("think"), stream=True) as response:
        assert "ping" in [event.event for event in anthropic.Stream.raw_events(response.http_response)]
    with client.messages.stream(**saying("stop")) as stream:
        assert next(iter(stream.text_stream)) == "Well, "


@within(20)
async def test_the_blocking_client_gets_whole_messages_and_streams() -> None:
    async with serving() as server:
        with anthropic.Anthropic(**options(server)) as client:
            await trio.to_thread.run_sync(ask_blocking, client)
        await server.line_with("^after stop$")


# -- the async client, on Trio


async def first_text(client: anthropic.AsyncAnthropic, said: str) -> str:
    async with client.messages.stream(**saying(said)) as stream:
        return await anext(aiter(stream.text_stream))


async def streamed(client: anthropic.AsyncAnthropic, said: str) -> list[str]:
    async with await client.messages.create(**saying(said), stream=True) as stream:
        return [event.type async for event in stream]


@within(20)
async def test_the_async_client_gets_whole_messages_and_streams() -> None:
    async with serving() as server, anthropic.AsyncAnthropic(**options(server)) as client:
        check(await client.messages.create(**saying("hello")), "hello")
        async with client.messages.stream(**saying("think")) as stream:
            check(await stream.get_final_message(), "think")
        delta = "content_block_delta"
        whole = ["message_start", "content_block_start", delta, delta, "content_block_stop", "message_delta"]
        assert await streamed(client, "think") == [*whole, "message_stop"]
        assert await first_text(client, "stop") == "Well, "
        await server.line_with("^after stop$")


@within(20)
async def test_errors_are_those_that_the_client_knows() -> None:
    async with serving() as server, anthropic.AsyncAnthropic(**options(server)) as client:
        create: Callable[..., Any] = client.messages.create
        with pytest.raises(anthropic.AuthenticationError) as refused:
            await client.with_options(api_key="wrong").messages.create(**saying("hello"))
        assert refused.value.type == "authentication_error"
        with pytest.raises(anthropic.BadRequestError, match="Expected length >= 1"):
            await create(**saying("hello") | {"messages": []}, stream=True)
        with pytest.raises(anthropic.NotFoundError, match="There is nothing at this path"):
            await client.models.list()
        with pytest.raises(anthropic.OverloadedError, match="too much to do"):
            await create(**saying("overload"))
        with pytest.raises(anthropic.APIStatusError, match="too much to do") as overloaded:
            await streamed(client, "overload")
        assert overloaded.value.type == "overloaded_error"
        with pytest.raises(anthropic.APIStatusError, match="Internal Server Error") as failed:
            await streamed(client, "crash")
        assert failed.value.body == {
            "type": "error",
            "error": {"type": "api_error", "message": "Internal Server Error"},
        }
