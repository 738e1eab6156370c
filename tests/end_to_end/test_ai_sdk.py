"""The example of a chat for AI SDK, under npm's `ai`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .limits import within
from .programs import TESTS, Program, process, running
from .requirements import needs

SCRIPT = str(Path(__file__).parent / "ai_sdk.mjs")

OUTCOMES: dict[str, dict[str, Any]] = {
    "hello": {"status": "ready", "error": None, "texts": ["hello", "Well, you said hello."]},
    "crash": {"status": "error", "error": "Internal Server Error", "texts": ["crash", "Well, "]},
    "overload": {"status": "error", "error": "There is too much to do.", "texts": ["overload", "Well, "]},
    "stop": {"status": "ready", "error": None, "texts": ["stop", "Well, "]},
}


@asynccontextmanager
async def chatting(path: str, *said: str) -> AsyncIterator[tuple[Program, Program]]:
    """The server and the client."""
    async with (
        process("trio-sse", "tests.end_to_end.llm_apps:ai_sdk_app", cwd=TESTS.parent) as server,
        running(needs("node"), SCRIPT, f"http://127.0.0.1:{server.port}{path}", *said) as client,
    ):
        yield server, client


@within(20)
async def test_a_chat_gets_answers_and_errors_and_can_be_stopped(node_modules: Path) -> None:
    async with chatting("/api/chat", *OUTCOMES) as (server, client):
        for text, outcome in OUTCOMES.items():
            assert json.loads(await client.line()) == outcome | {"version": "v1"}
            await server.line_with(f"^after {text}$")


@within(20)
async def test_a_chat_shows_what_is_refused_before_the_stream(node_modules: Path) -> None:
    async with chatting("/api/other", "hello") as (_, client):
        outcome = json.loads(await client.line())
    assert outcome["status"] == "error"
    assert json.loads(outcome["error"]) == {"type": "error", "errorText": "There is nothing at this path."}
