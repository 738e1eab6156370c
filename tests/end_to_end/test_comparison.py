"""The programs of each task of the page that compares the library with FastAPI, under the same requests.

Ours run on `trio-sse run`, those with FastAPI on uvicorn, and the client is httpx2.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import httpx2
import pytest
import trio

from support.comparison import COMPLETIONS, KEY, PAGE, QUESTION, SCENARIOS, Event, load
from trio_sse.testing import TestResponse
from trio_sse.wire import Decoder

from .limits import within
from .programs import SCRIPTS, TESTS, Program, running

UVICORN = (sys.executable, "-m", "uvicorn", "--port", "0")
SERVERS = {
    "ours": (str(SCRIPTS / "trio-sse"), "run", "--bind", "127.0.0.1:0"),
    "fastapi": UVICORN,
    "native": UVICORN,
}

PROGRAMS = sorted(path.stem for path in PAGE.with_suffix("").glob("*.py"))

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2)\\.:ResourceWarning")
"""The client leaves the parts of a stream that it has left to the garbage collector."""


class HttpEvents:
    """The events of a response, read when they are asked for."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self._chunks = response.aiter_raw()
        self._decoder = Decoder()
        self._ready: list[Event] = []

    async def next(self) -> Event | None:
        while not self._ready:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return None
            self._ready += [Event.of(event.event, str(event.data)) for event in self._decoder.feed(chunk)]
        return self._ready.pop(0)

    def pause(self) -> None:
        """Nothing is read but by `next`."""

    resume = pause


def reply(found: httpx2.Response) -> TestResponse:
    return TestResponse(found.status_code, dict(found.headers), found.content)


@attrs.frozen
class HttpTalk:
    client: httpx2.AsyncClient

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[HttpEvents]:
        method = "GET" if body is None else "POST"
        async with self.client.stream(method, path, headers=dict(headers or {}), json=body) as found:
            yield HttpEvents(found)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        return reply(await self.client.get(path, headers=dict(headers or {})))

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> TestResponse:
        return reply(await self.client.post(path, json=body, headers=dict(headers or {})))


@asynccontextmanager
async def served(name: str) -> AsyncIterator[tuple[Program, HttpTalk]]:
    """Serve a program, such as `hello_ours`."""
    command = SERVERS[name.partition("_")[2]]
    environment = {"PROGRAM": name, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"}
    async with running(*command, "end_to_end.comparison_apps:app", cwd=TESTS, environment=environment) as program:
        program.port = int((await program.line_with(r"unning on http://127\.0\.0\.1:(\d+)"))[1])
        url = f"http://127.0.0.1:{program.port}"
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
            yield program, HttpTalk(client)


@pytest.mark.parametrize("name", PROGRAMS)
@within(60)
async def test_all_programs_for_a_task_do_the_same(name: str) -> None:
    async with served(name) as (program, talk):
        await SCENARIOS[name.partition("_")[0]](talk)
    assert "Traceback" not in program.text


def asked(words: int) -> dict[str, Any]:
    """A body that asks for a stream of as many words."""
    return QUESTION | {"messages": [{"role": "user", "content": "and " * words}], "stream": True}


@pytest.mark.parametrize("side", ["ours", "fastapi"])
@within(20)
async def test_the_model_stops_when_the_client_has_gone(side: str) -> None:
    async with served(f"openai_{side}") as (program, talk):
        async with talk.stream(COMPLETIONS, KEY, asked(1000)) as events:
            await events.next()
        await program.line_with("the model has stopped")


@pytest.mark.parametrize("side", ["ours", "fastapi"])
@within(20)
async def test_a_model_that_fails_is_told_in_the_shape_of_openai(side: str) -> None:
    question = QUESTION | {"messages": [{"role": "user", "content": "one crash"}]}
    async with served(f"openai_{side}") as (_, talk):
        async with talk.stream(COMPLETIONS, KEY, question | {"stream": True}) as events:
            told = [await events.next() for _ in range(3)]
            with pytest.raises(httpx2.TransportError):  # broken off, with or without a reset
                await events.next()
        refused = await talk.post(COMPLETIONS, question, KEY)
    error = {"message": "Internal Server Error", "type": "server_error", "param": None, "code": None}
    assert (refused.status, refused.json()) == (500, {"error": error})
    assert told[-1] == Event("message", {"error": error})


# -- what only some of them do


@attrs.frozen
class End:
    """How a stream ended, in the middle of which the server got SIGTERM."""

    received: bytes
    in_order: bool
    status: int | None

    @property
    def told_when_to_reconnect(self) -> bool:
        """Whether its last line is a reconnection time."""
        return b"retry: " in self.received.splitlines()[-1]


async def shut_down(name: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> End:
    """Send SIGTERM after the second event; the status is None if the server still runs after three seconds."""
    received, in_order = b"", True
    method = "GET" if body is None else "POST"
    async with served(name) as (program, talk), talk.client.stream(method, path, json=body, headers=headers) as found:

        async def read(until: Callable[[bytes], bool]) -> None:
            nonlocal received
            async for chunk in chunks:
                received += chunk
                if until(received):
                    break

        chunks = found.aiter_raw()
        await read(lambda data: data.count(b"data:") >= 2)
        program.terminate()
        status = None
        with trio.move_on_after(3):
            try:
                await read(lambda _: False)
            except httpx2.TransportError:
                in_order = False
            status = await program.wait()
    return End(received, in_order, status)


@pytest.mark.parametrize(
    ("side", "in_order", "told", "status"),
    [("ours", True, True, 0), ("fastapi", False, False, -signal.SIGTERM), ("native", True, False, None)],
)
@within(20)
async def test_what_a_shutdown_is_for_an_event_source(
    side: str, in_order: bool, told: bool, status: int | None
) -> None:
    """With FastAPI's own streams, uvicorn waits for the end of a stream that has none."""
    end = await shut_down(f"hello_{side}", "/clock")
    assert (end.in_order, end.told_when_to_reconnect, end.status) == (in_order, told, status)


@pytest.mark.parametrize(("side", "whole"), [("ours", True), ("fastapi", False)])
@within(20)
async def test_what_a_shutdown_is_for_an_answer_that_is_being_streamed(side: str, whole: bool) -> None:
    end = await shut_down(f"openai_{side}", COMPLETIONS, asked(15), KEY)
    assert (end.in_order, b"[DONE]" in end.received) == (whole, whole)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("ours", {"HEAD": 200, "OPTIONS": 204, "GET without streams": 406, "GET /openapi.json": 404}),
        ("fastapi", {"HEAD": 405, "OPTIONS": 405, "GET without streams": 200, "GET /openapi.json": 200}),
        ("native", {"HEAD": 405, "OPTIONS": 405, "GET without streams": 200, "GET /openapi.json": 200}),
    ],
)
@within(20)
async def test_requests_that_no_program_mentions(side: str, expected: Mapping[str, int]) -> None:
    async with served(f"hello_{side}") as (_, talk):
        async with talk.client.stream("GET", "/clock", headers={"accept": "application/json"}) as found:
            statuses = {"GET without streams": found.status_code}
        for method in ("HEAD", "OPTIONS"):
            statuses[method] = (await talk.client.request(method, "/clock")).status_code
        statuses["GET /openapi.json"] = (await talk.get("/openapi.json")).status
    assert statuses == expected


@pytest.mark.parametrize("side", ["fastapi", "native"])
def test_a_client_in_memory_waits_for_the_end_of_a_stream(side: str) -> None:
    """The clock sends its first event at once; ours are read in memory, in `tests/test_comparison.py`."""

    async def read() -> None:
        transport = httpx.ASGITransport(load(f"hello_{side}").app)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
            client.stream("GET", "/clock"),
        ):
            raise AssertionError("the response has started before its end")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(), 0.5)

    asyncio.run(main())
