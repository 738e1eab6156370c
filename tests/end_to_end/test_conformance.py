"""The tables of `tests/conformance` over sockets: our server and client, and programs not written in Python."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from conformance.clients import OURS, check, read_all
from conformance.contract import contract
from conformance.encoder_cases import ENCODED, Encoded
from conformance.parser_cases import CASES
from conformance.parsers import PARSERS, Parser, of_our_decoder
from conformance.parsing import Case, Event, Parsed, chunkings
from conformance.scripts import NAMES, SCRIPTS, Player, Reply, Script, disagreement
from conformance.servers import CHECKS, EXCHANGES, Check, Exchange
from trio_sse.client import EventSource, Retry

from .chromium import Browser
from .limits import within
from .programs import TESTS, Program, running
from .requirements import needs
from .serving import Certificate, serving

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

CONFORMANCE = TESTS / "conformance"
ALL: tuple[Case | Encoded, ...] = (*CASES, *ENCODED)

# -- known differences, by the names of cases and scripts

EVENTSOURCE_PARSER: Mapping[str, str] = {
    "the BOM's bytes as Latin-1 text are not a BOM": "it also removes the bytes of the mark from decoded text",
    **dict.fromkeys(
        (
            "a CR at the very end of the stream ends its line",
            "a CRLF and a CR at the very end are a blank line",
            "a sequence cut short by a line end does not swallow it",
        ),
        "it holds a CR at the end of a chunk, and the event that it completes, until the next chunk",
    ),
    **dict.fromkeys(
        (
            "an id without data is kept",
            "an id without data counts for the next event",
            "an empty id without data resets",
            "an id alone counts for what follows",
        ),
        "it reports ids with events only, and discards the id of a block without data",
    ),
}
NPM_EVENTSOURCE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "a broken stream is requested again with its last id",
            "an id outlives its connection",
            "an id with NUL is not sent back",
        ),
        "it sets an event's lastEventId to the id of the event's block",
    ),
    "an id without an event is sent back": "eventsource-parser reports ids with events only",
    "an id is sent back in UTF-8": "fetch rejects a header outside Latin-1, so every further attempt fails",
    "the content type Text/Event-Stream is that of a stream": "it compares the content type case-sensitively",
    "the content type text/event-stream2 ends the stream at once": "it compares the start of the content type only",
}
CHROMIUM_PARSER: Mapping[str, str] = {
    "a BOM alone on the first line leaves a blank line": "it loses the LF directly after the mark",
}
CHROMIUM: Mapping[str, str] = {
    "the content type text/event-stream; charset=iso-8859-1 is that of a stream": "it accepts no charset but UTF-8",
}


# -- parsers


@pytest.fixture(scope="module")
def eventsource_parser(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Parser:
    """The npm package; one process parses all streams, split in all ways."""
    ways = {case.stream: list(chunkings(case.stream)) for case in ALL}
    asked = [
        {"stream": base64.b64encode(stream).decode(), "cuts": [list(map(len, chunks)) for chunks in cuts]}
        for stream, cuts in ways.items()
    ]
    given = tmp_path_factory.mktemp("streams") / "streams.json"
    given.write_text(json.dumps(asked))
    module = (node_modules / "eventsource-parser/dist/index.js").as_uri()
    command = [needs("node"), str(CONFORMANCE / "eventsource_parser.mjs"), module, str(given)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    found: dict[tuple[bytes, ...], Parsed] = {}
    for cuts, results in zip(ways.values(), json.loads(done.stdout), strict=True):
        found |= {chunks: parsed(result) for chunks, result in zip(cuts, results, strict=True)}
    return Parser(lambda chunks: found[tuple(chunks)], EVENTSOURCE_PARSER)


def parsed(result: Mapping[str, Any]) -> Parsed:
    events = [Event(*event) for event in result["events"]]
    return Parsed(events, result["retry"], result["lastEventId"])


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_npm_eventsource_parser_reads_as_the_standard_says(case: Case | Encoded, eventsource_parser: Parser) -> None:
    eventsource_parser.check(case.name, case.stream, case.expected)


@within(60)
async def test_chromium_reads_as_the_standard_says(browse: Browse) -> None:
    """Compares the events only: the id and the delay would show in the next connection only."""
    scripts = [Script(name=case.name, clause="", replies=(Reply((case.stream,)),), ids=()) for case in ALL]
    names = sorted({event.type for case in ALL for event in case.expected.events})
    async with serving(with_page(Player(scripts))) as server, browse() as browser:
        results = await followed_by_chromium(browser, server.url, len(scripts), names, once=True)
    found = {
        case.name: None if result == case.expected.events else f"it returns {result}"
        for case, result in zip(ALL, results, strict=True)
    }
    check(found, CHROMIUM_PARSER)


async def followed_by_chromium(
    browser: Browser, url: str, count: int, names: Sequence[str], *, once: bool = False
) -> list[tuple[Event, ...]]:
    """Return the events that a page's EventSource dispatches for /0, /1, …"""
    tab = await browser.open(f"{url}/page")
    options = {"urls": [f"/{n}" for n in range(count)], "names": names, "once": once}
    source = base64.b64encode((CONFORMANCE / "follow.mjs").read_bytes()).decode()
    module = f"import('data:text/javascript;base64,{source}')"
    results = await tab.evaluate(f"{module}.then(({{follow}}) => follow(EventSource, {json.dumps(options)}))")
    return [tuple(Event(*event) for event in result) for result in results]


def with_page(player: Player) -> Any:
    """The player, and an empty page at every other path."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"].strip("/").isdigit():
            await player(scope, receive, send)
            return
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<!doctype html><title>Conformance</title>"})

    return app


# -- our server


@within(20)
@pytest.mark.parametrize("question", [*EXCHANGES, *CHECKS], ids=lambda question: question.name)
async def test_our_server_answers_as_the_standards_say(
    question: Exchange | Check, protocol: str, trusted: Certificate | None
) -> None:
    async with serving(contract(), certificate=trusted) as server:
        connect = partial(
            httpx.Client,
            base_url=server.url,
            http1=protocol == "http/1.1",
            http2=protocol == "h2",
            verify=trusted.context() if trusted else True,
        )
        await trio.to_thread.run_sync(question.check, connect)


# -- clients


@within(30)
@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
async def test_our_client_does_as_the_standard_says(
    ours: tuple[Retry, Mapping[str, str]], trusted: Certificate | None
) -> None:
    """Runs all scripts at once, each over separate connections."""
    retry, differences = ours
    player = Player(SCRIPTS)
    context = trusted.context() if trusted else None
    results: dict[int, list[Event]] = {}

    async def follow(number: int, url: str) -> None:
        results[number] = await read_all(EventSource(url, retry=retry, ssl_context=context))

    async with serving(player, certificate=trusted) as server, trio.open_nursery() as nursery:
        for number in range(len(SCRIPTS)):
            nursery.start_soon(follow, number, f"{server.url}/{number}")
    found = {script.name: disagreement(script, results[n], player.asked[n]) for n, script in enumerate(SCRIPTS)}
    check(found, differences)


@within(60)
async def test_npm_eventsource_does_as_the_standard_says(node_modules: Path) -> None:
    player = Player(SCRIPTS)
    async with serving(player) as server:
        urls = [f"{server.url}/{number}" for number in range(len(SCRIPTS))]
        module = (node_modules / "eventsource/dist/index.js").as_uri()
        options = json.dumps({"urls": urls, "names": NAMES})
        async with running(needs("node"), str(CONFORMANCE / "npm_follow.mjs"), module, options) as program:
            results = json.loads(await program.line())
    found = {s.name: disagreement(s, results[n], player.asked[n]) for n, s in enumerate(SCRIPTS)}
    check(found, NPM_EVENTSOURCE)


@within(60)
async def test_chromium_does_as_the_standard_says(browse: Browse) -> None:
    player = Player(SCRIPTS)
    async with serving(with_page(player)) as server, browse() as browser:
        results = await followed_by_chromium(browser, server.url, len(SCRIPTS), NAMES)
    found = {s.name: disagreement(s, results[n], player.asked[n]) for n, s in enumerate(SCRIPTS)}
    check(found, CHROMIUM)


# -- the command line that the documentation shows


@asynccontextmanager
async def pytest_running(*arguments: str) -> AsyncIterator[Program]:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    async with running(*command, cwd=TESTS.parent) as program:
        yield program


@within(60)
async def test_a_server_is_named_on_the_command_line() -> None:
    async with (
        serving(contract()) as server,
        pytest_running("tests/conformance/test_servers.py", "--sse-url", server.url) as program,
    ):
        assert await program.wait() == 0, program.text
    questions = len(EXCHANGES) + len(CHECKS)
    assert f"{questions} passed, {questions} skipped" in program.text


@within(60)
async def test_a_server_that_does_not_serve_the_contract_fails() -> None:
    async with (
        serving(with_page(Player(()))) as server,
        pytest_running("tests/conformance/test_servers.py", "--sse-url", server.url, "-k", "HTTP/1.1") as program,
    ):
        assert await program.wait() == 1
    assert re.search(rf"{len(EXCHANGES) + len(CHECKS)} failed", program.text), program.text


@within(60)
async def test_a_parser_is_named_on_the_command_line() -> None:
    """It fails where it differs, and nowhere else."""
    name = "conformance.parsers:parsed_by_httpx_sse"
    async with pytest_running("tests/conformance/test_parsers.py", "--sse-parser", name) as program:
        assert await program.wait() == 1
    differing = {case.name for case in CASES} & set(PARSERS["httpx-sse"].differences)
    failed = {line.partition(" - ")[0] for line in program.output if line.startswith("FAILED")}
    assert failed == {
        f"FAILED tests/conformance/test_parsers.py::test_a_stream_is_read_as_the_standard_says[{name}-{case}]"
        for case in differing
    }


@within(60)
async def test_a_client_is_named_on_the_command_line() -> None:
    """A client that treats every response as a stream, and never reconnects."""
    arguments = ("--sse-client", "end_to_end.test_conformance:asks_once", "-k", "204 or 404")
    async with pytest_running("tests/conformance/test_given_client.py", *arguments) as program:
        assert await program.wait() == 1
    failed = {line.partition("[")[2].partition("]")[0] for line in program.output if line.startswith("FAILED")}
    assert failed == {
        "events are returned and 204 ends the stream",
        "the status 404 ends the stream at once",
        "204 ends the stream after events",
        "404 ends the stream after events",
    }
    assert "1 passed" in program.text, "204 ends the stream at once"


def asks_once(url: str) -> Iterator[tuple[str, str, str]]:
    headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
    yield from of_our_decoder([httpx.get(url, headers=headers, trust_env=False).content]).events
