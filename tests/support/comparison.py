"""The programs of the page that compares the library with FastAPI, and what all programs for a task have to do.

Owns the count of their lines, and the scenarios, told once for two ways to ask: in memory and through a real server.
How one asks is a `Talk`; the two of them are beside the tests.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import sys
import tokenize
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import attrs

from trio_sse.testing import TestResponse

__all__ = (
    "COMPLETIONS",
    "KEY",
    "PAGE",
    "QUESTION",
    "SCENARIOS",
    "Event",
    "Events",
    "Talk",
    "count_lines",
    "load",
    "program_named",
)

PAGE = Path(__file__).parent.parent.parent / "docs/explanation/comparison.md"
ADA = {"cookie": "session=d41d8c"}
EVE = {"cookie": "session=1f3870"}
STRANGER = {"cookie": "session=other"}
KEY = {"authorization": "Bearer sk-example"}


# -- the programs


def program_named(name: str) -> Path:
    """The file of a program, such as `hello_ours`."""
    return PAGE.with_suffix("") / f"{name}.py"


def load(name: str) -> ModuleType:
    """Import a program: each time a module of its own, with a state of its own."""
    spec = importlib.util.spec_from_file_location(name, program_named(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where annotations are looked up
    spec.loader.exec_module(module)
    return module


def count_lines(path: Path) -> tuple[int, int]:
    """The lines of a program, and those without imports; blank lines, comments and docstrings do not count."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    blank = {number for number, line in enumerate(text.splitlines(), 1) if not line.strip()}
    imports = set(_lines(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)))
    docstrings = set(_lines(_docstrings(tree)))
    code = _code_lines(text) - docstrings - blank
    return len(code), len(code - imports)


def _code_lines(text: str) -> set[int]:
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [each for each in tokenize.generate_tokens(io.StringIO(text).readline) if each.type not in silent]
    return {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}


def _docstrings(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first


def _lines(nodes: Iterator[ast.stmt]) -> Iterator[int]:
    for node in nodes:
        yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


# -- how one asks


@attrs.frozen
class Event:
    """An event as a client gets it, with its data read as JSON if it is JSON."""

    name: str
    data: Any

    @classmethod
    def of(cls, name: str | None, data: str) -> Event:
        """An event with data as text."""
        try:
            return cls(name or "message", json.loads(data))
        except json.JSONDecodeError:
            return cls(name or "message", data)


class Events(Protocol):
    """A stream that has been answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    async def next(self) -> Event | None:
        """The next event, or None at the end."""
        ...

    def pause(self) -> None:
        """Read nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class Talk(Protocol):
    """A client of the app."""

    def stream(
        self, path: str, headers: Mapping[str, str] = ..., body: Any = None
    ) -> AbstractAsyncContextManager[Events]:
        """Open a stream, by POST if there is a body; leaving the block disconnects."""
        ...

    async def get(self, path: str, headers: Mapping[str, str] = ...) -> TestResponse:
        """Ask for something that ends."""
        ...

    async def post(self, path: str, body: Any, headers: Mapping[str, str] = ...) -> TestResponse:
        """Send something as JSON."""
        ...


# -- what the programs do


async def hello(talk: Talk) -> None:
    """A clock ticks."""
    async with talk.stream("/clock") as events:
        assert events.status == 200
        assert await events.next() == Event("tick", {"count": 1})
        assert await events.next() == Event("tick", {"count": 2})
    assert (await talk.get("/elsewhere")).status == 404
    assert (await talk.post("/clock", {})).status == 405


async def guarded(talk: Talk) -> None:
    """Only members of a team may see how many watch; who has gone is no longer counted."""
    for headers in ({}, STRANGER):
        refused = await talk.get("/teams/kitchen/presence", headers)
        assert refused.status == 401
        assert refused.headers["www-authenticate"]
    assert (await talk.get("/teams/attic/presence")).status == 401
    assert (await talk.get("/teams/attic/presence", ADA)).status == 404
    assert (await talk.get("/teams/kitchen/presence", EVE)).status == 403
    async with talk.stream("/teams/kitchen/presence", ADA) as first:
        assert await first.next() == Event("watching", {"user": "ada", "count": 1})
        async with talk.stream("/teams/kitchen/presence", ADA) as second:
            assert await second.next() == Event("watching", {"user": "ada", "count": 2})
        counts = [await _count(first) for _ in range(3)]
        assert counts[-1] == 1, counts


async def _count(events: Events) -> int:
    event = await events.next()
    assert event is not None
    return int(event.data["count"])


async def broadcast(talk: Talk) -> None:
    """All who listen are told; what does not fit is refused; who falls behind is disconnected, and nobody else."""
    for wrong in ({}, {"title": ""}, {"title": "x" * 101}, {"title": 1}):
        assert (await talk.post("/notifications", wrong)).status == 422
    async with talk.stream("/notifications") as one, talk.stream("/notifications") as other:
        for events in (one, other):
            assert await events.next() == Event("connected", {})
        sent = await talk.post("/notifications", {"title": "Tea"})
        assert (sent.status, sent.json()) == (200, {"title": "Tea", "text": ""})
        for events in (one, other):
            assert await events.next() == Event("notification", {"title": "Tea", "text": ""})
        await _fall_behind(talk, slow=one, quick=other)
    assert (await talk.post("/notifications", {"title": "Nobody listens"})).status == 200


async def _fall_behind(talk: Talk, slow: Events, quick: Events) -> None:
    slow.pause()
    for number in range(300):  # more than the backlog and the buffers of the sockets hold
        notification = {"title": str(number), "text": "x" * 100_000}
        await talk.post("/notifications", notification)
        assert await quick.next() == Event("notification", notification)
    slow.resume()
    received = [event.data["title"] for event in await _all(slow)]
    assert received == [str(number) for number in range(len(received))]
    assert len(received) < 300


async def chat(talk: Talk) -> None:
    """Members of a room see who comes, what they say and who leaves, and what they have missed."""
    await _refusals_of_the_chat(talk)
    async with talk.stream("/rooms/kitchen/events", ADA) as ada:
        assert await ada.next() == Event("people", ["ada"])
        async with talk.stream("/rooms/kitchen/events", EVE) as eve:
            assert await eve.next() == Event("people", ["ada", "eve"])
            assert await ada.next() == Event("joined", {"user": "eve"})
            first = await _say(talk, 1, "Tea?")
            assert await ada.next() == await eve.next() == first
        assert await ada.next() == Event("left", {"user": "eve"})
        assert (await talk.get("/rooms/kitchen", ADA)).json() == ["ada"]
        second = await _say(talk, 2, "Anyone?")
        assert await ada.next() == second
        for last_event_id, missed in {"1": [second], "no number": [first, second]}.items():
            async with talk.stream("/rooms/kitchen/events", {**EVE, "last-event-id": last_event_id}) as eve:
                assert await eve.next() == Event("people", ["ada", "eve"])
                assert [await eve.next() for _ in missed] == missed
                assert await ada.next() == Event("joined", {"user": "eve"})
            assert await ada.next() == Event("left", {"user": "eve"})
    assert (await talk.get("/rooms/garden", EVE)).json() == []


async def _refusals_of_the_chat(talk: Talk) -> None:
    for headers in ({}, STRANGER):
        for path in ("/rooms/kitchen", "/rooms/kitchen/events", "/rooms/attic"):
            assert (await talk.get(path, headers)).status == 401
        assert (await talk.post("/rooms/kitchen/messages", {"text": "Tea?"}, headers)).status == 401
    for path in ("/rooms/attic", "/rooms/attic/events"):
        assert (await talk.get(path, ADA)).status == 404
    assert (await talk.post("/rooms/attic/messages", {"text": "Tea?"}, ADA)).status == 404
    for wrong in ({}, {"text": ""}, {"text": "x" * 1001}):
        assert (await talk.post("/rooms/kitchen/messages", wrong, ADA)).status == 422


async def _say(talk: Talk, id: int, text: str) -> Event:
    message = {"id": id, "user": "ada", "text": text}
    sent = await talk.post("/rooms/kitchen/messages", {"text": text}, ADA)
    assert (sent.status, sent.json()) == (201, message)
    return Event("message", message)


QUESTION = {"model": "parrot", "messages": [{"role": "user", "content": "What a day"}]}
COMPLETIONS = "/v1/chat/completions"


async def openai(talk: Talk) -> None:
    """An endpoint like OpenAI's: JSON or a stream, and errors in its shape."""
    for headers in ({}, {"authorization": "Bearer sk-other"}):
        refused = await talk.post(COMPLETIONS, QUESTION, headers)
        assert (refused.status, refused.headers["www-authenticate"].split()[0]) == (401, "Bearer")
        assert refused.json()["error"]["type"] == "invalid_request_error"
    for body, status in [(QUESTION | {"model": "other"}, 404), (QUESTION | {"messages": []}, 422), ({}, 422)]:
        refused = await talk.post(COMPLETIONS, body, KEY)
        assert (refused.status, set(refused.json()["error"])) == (status, {"message", "type", "param", "code"})
    whole = (await talk.post(COMPLETIONS, QUESTION, KEY)).json()
    assert (whole["object"], whole["choices"][0]["message"]["content"]) == ("chat.completion", "What a day ")
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    await _stream_of_chunks(talk, whole["usage"])


async def _stream_of_chunks(talk: Talk, usage: Mapping[str, int]) -> None:
    asked = QUESTION | {"stream": True, "stream_options": {"include_usage": True}}
    async with talk.stream(COMPLETIONS, KEY, asked) as events:
        chunks = [event.data for event in await _all(events)]
    assert chunks.pop() == "[DONE]"
    assert chunks.pop()["usage"] == usage
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "What a day "
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, None, "stop"]


async def _all(events: Events) -> list[Event]:
    found = []
    while (event := await events.next()) is not None:
        found.append(event)
    return found


SCENARIOS: Mapping[str, Callable[[Talk], Awaitable[None]]] = {
    "hello": hello,
    "guarded": guarded,
    "broadcast": broadcast,
    "openai": openai,
    "chat": chat,
}
"""What all programs for a task do, by the name of the task."""
