"""OpenAI's official clients: in Python blocking, on asyncio and on Trio, and the one of npm in node.

Owns what a test asks of each of them, as a value, and what has come of it, as another, in the same terms for all four.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import openai
import trio
import trio.from_thread
import trio.to_thread
from openai import AsyncOpenAI, OpenAI

from .programs import running
from .requirements import needs

__all__ = ("CLIENTS", "Ask", "Client", "Outcome")

KEY = "sk-example"
SCRIPT = Path(__file__).parent / "openai.mjs"


@attrs.frozen
class Ask:
    """What a client does.

    Attributes:
        text: What the user says.
        stream: Whether it asks for a stream.
        usage: Whether it asks for the usage at the end of the stream.
        model: The model.
        key: The API key.
        no_messages: Whether it sends a chat without messages.
        call: `create`, `list` (GET on the same path), `models` (a path that there is not), `malformed` (no JSON).
        abort_after: The number of chunks after which it aborts.
        timeout: For how many seconds it waits for each answer.
    """

    text: str = "say 3"
    stream: bool = False
    usage: bool = False
    model: str = "scripted"
    key: str = KEY
    no_messages: bool = False
    call: str = "create"
    abort_after: int | None = None
    timeout: float = 5

    def arguments(self) -> dict[str, Any]:
        """The body, as arguments of `chat.completions.create`."""
        messages = [] if self.no_messages else [{"role": "user", "content": self.text}]
        asked: dict[str, Any] = {"model": self.model, "messages": messages}
        asked |= {"stream": True} if self.stream else {}
        return asked | ({"stream_options": {"include_usage": True}} if self.usage else {})


@attrs.define
class Outcome:
    """What has come of it.

    Attributes:
        text: What the model has said.
        finish: The reason for which it has finished, if it has.
        usage: The total number of tokens, if it was sent.
        error: The name of the exception's class, its status and its message, without "Error code: …".
        aborted_at: When the client has aborted, or had its exception, in seconds of the machine's monotonic clock.
    """

    text: str = ""
    finish: str | None = None
    usage: int | None = None
    error: tuple[str, int | None, str] | None = None
    aborted_at: float = attrs.field(default=0.0, eq=False)

    def add(self, answer: Any) -> None:
        """Take in a chunk or a whole completion."""
        for choice in answer.choices:
            said = choice.delta if hasattr(choice, "delta") else choice.message
            self.text += said.content or ""
            self.finish = choice.finish_reason or self.finish
        if answer.usage is not None:
            self.usage = answer.usage.total_tokens

    def fail(self, error: openai.APIError) -> None:
        """Take in an exception."""
        status = getattr(error, "status_code", None)
        message = error.message.removeprefix(f"Error code: {status} - ")
        self.error, self.aborted_at = (type(error).__name__, status, message), time.monotonic()


OnChunk = Callable[[], None]
Client = Callable[[str, Sequence[Ask], OnChunk], Awaitable[list[Outcome]]]
"""Asks one thing after the other of the API at a URL, and calls a function for each chunk."""


def malformed() -> dict[str, Any]:
    return {"cast_to": object, "content": b"{", "options": {"headers": {"content-type": "application/json"}}}


# -- blocking


def ask_blocking(client: OpenAI, ask: Ask, outcome: Outcome, on_chunk: OnChunk) -> None:
    match ask.call:
        case "list":
            client.chat.completions.list()
        case "models":
            client.models.list()
        case "malformed":
            client.post("/chat/completions", **malformed())
        case _ if ask.stream:
            with client.chat.completions.create(**ask.arguments()) as stream:
                for count, chunk in enumerate(stream, 1):
                    outcome.add(chunk)
                    on_chunk()
                    if count == ask.abort_after:
                        outcome.aborted_at = time.monotonic()
                        break
        case _:
            outcome.add(client.chat.completions.create(**ask.arguments()))


def all_blocking(url: str, asks: Sequence[Ask], on_chunk: OnChunk) -> list[Outcome]:
    outcomes = [Outcome() for _ in asks]
    for ask, outcome in zip(asks, outcomes, strict=True):
        with OpenAI(base_url=url, api_key=ask.key, max_retries=0, timeout=ask.timeout) as client:
            try:
                ask_blocking(client, ask, outcome, on_chunk)
            except openai.APIError as error:
                outcome.fail(error)
    return outcomes


# -- async


async def ask_async(client: AsyncOpenAI, ask: Ask, outcome: Outcome, on_chunk: OnChunk) -> None:
    match ask.call:
        case "list":
            await client.chat.completions.list()
        case "models":
            await client.models.list()
        case "malformed":
            await client.post("/chat/completions", **malformed())
        case _ if ask.stream:
            async with await client.chat.completions.create(**ask.arguments()) as stream:
                count = 0
                async for chunk in stream:
                    outcome.add(chunk)
                    on_chunk()
                    count += 1
                    if count == ask.abort_after:
                        outcome.aborted_at = time.monotonic()
                        break
        case _:
            outcome.add(await client.chat.completions.create(**ask.arguments()))


async def all_async(url: str, asks: Sequence[Ask], on_chunk: OnChunk) -> list[Outcome]:
    outcomes = [Outcome() for _ in asks]
    for ask, outcome in zip(asks, outcomes, strict=True):
        async with AsyncOpenAI(base_url=url, api_key=ask.key, max_retries=0, timeout=ask.timeout) as client:
            try:
                await ask_async(client, ask, outcome, on_chunk)
            except openai.APIError as error:
                outcome.fail(error)
    return outcomes


# -- the four


async def blocking(url: str, asks: Sequence[Ask], on_chunk: OnChunk) -> list[Outcome]:
    """The blocking client, in a thread."""
    return await trio.to_thread.run_sync(all_blocking, url, asks, lambda: trio.from_thread.run_sync(on_chunk))


async def on_asyncio(url: str, asks: Sequence[Ask], on_chunk: OnChunk) -> list[Outcome]:
    """The async client on asyncio, in a thread."""

    def run() -> list[Outcome]:
        return asyncio.run(all_async(url, asks, lambda: trio.from_thread.run_sync(on_chunk)))

    return await trio.to_thread.run_sync(run)


async def in_node(url: str, asks: Sequence[Ask], on_chunk: OnChunk) -> list[Outcome]:
    """The client of npm, in a process of its own."""
    asked = [attrs.asdict(ask) | {"body": ask.arguments()} for ask in asks]
    outcomes: list[Outcome] = []
    async with running(needs("node"), str(SCRIPT), url, json.dumps(asked)) as program:
        while len(outcomes) < len(asks):
            found = json.loads(await program.line())
            if found == "chunk":
                on_chunk()
            else:
                error = found.pop("error")
                outcomes.append(Outcome(**found, error=None if error is None else tuple(error)))
        assert await program.wait() == 0
    return outcomes


CLIENTS: dict[str, Client] = {"blocking": blocking, "asyncio": on_asyncio, "trio": all_async, "npm": in_node}
