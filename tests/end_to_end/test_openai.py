"""The example of an API like OpenAI's, under OpenAI's official clients."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio

from .limits import within
from .openai_clients import CLIENTS, Ask, Client, Outcome
from .programs import TESTS, Program, process

pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|openai)\\.:ResourceWarning")
"""On Trio the client leaves the parts of a stream that it has left to the garbage collector."""

SOON = 0.1
"""Seconds within which a model has to stop after its client has gone."""

INTERNAL = "Internal Server Error"

ANSWERS = [
    (Ask(), Outcome("0 1 2 ", "stop", 5)),
    (Ask(stream=True), Outcome("0 1 2 ", "stop")),
    (Ask(stream=True, usage=True), Outcome("0 1 2 ", "stop", 5)),
]

ERRORS = [
    (Ask(call="malformed"), ("BadRequestError", 400, "The body is not JSON: Input data was truncated")),
    (Ask(key="sk-other", stream=True), ("AuthenticationError", 401, "The credentials are not valid.")),
    (Ask(model="other", stream=True), ("NotFoundError", 404, "The model 'other' does not exist.")),
    (Ask(call="models"), ("NotFoundError", 404, "There is nothing at this path.")),
    (Ask(call="list"), ("APIStatusError", 405, "This path allows OPTIONS, POST.")),
    (
        Ask(no_messages=True, stream=True),
        ("UnprocessableEntityError", 422, "The body does not fit: Expected length >= 1 - at `$.messages`"),
    ),
    (Ask("refuse"), ("RateLimitError", 429, "The model is busy.")),
    (Ask("crash"), ("InternalServerError", 500, INTERNAL)),
]

IN_STREAM = [
    (Ask("crash", stream=True), Outcome("0 1 ", error=("APIError", None, INTERNAL))),
    (Ask("refuse", stream=True), Outcome(error=("APIError", None, "The model is busy."))),
]

OF_NPM = {"APIStatusError": "APIError", "APITimeoutError": "APIConnectionTimeoutError"}
"""What npm's package calls the exceptions that have another name there."""


@pytest.fixture(params=CLIENTS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "npm":
        request.getfixturevalue("node_modules")
    return str(request.param)


@pytest.fixture
def client(name: str) -> Client:
    return CLIENTS[name]


def serving(*options: str) -> AbstractAsyncContextManager[Program]:
    return process("trio-sse", "tests.end_to_end.openai_apps:app", *options, cwd=TESTS.parent)


def url(server: Program) -> str:
    return f"http://127.0.0.1:{server.port}/v1"


def expected(name: str, error: tuple[str, int | None, str]) -> tuple[str, int | None, str]:
    return (OF_NPM.get(error[0], error[0]) if name == "npm" else error[0], *error[1:])


@within(20)
async def test_answers_and_errors_are_those_that_each_client_knows(name: str, client: Client) -> None:
    errors = [(ask, Outcome(error=expected(name, error))) for ask, error in ERRORS]
    cases = [*ANSWERS, *errors, *IN_STREAM]
    async with serving() as server:
        outcomes = await client(url(server), [ask for ask, _ in cases], lambda: None)
    assert outcomes == [outcome for _, outcome in cases]


async def stopped(server: Program) -> float:
    """When the model has stopped, which it writes."""
    return float((await server.line_with(r"^stopped: (\S+)$"))[1])


@within(20)
async def test_the_model_stops_soon_after_the_client_has_gone(name: str, client: Client) -> None:
    """A client that aborts a stream, and one that gives up waiting for a whole answer."""
    asks = [*(Ask("endless", stream=True, abort_after=count) for count in (1, 2, 5)), Ask("silent", timeout=0.5)]
    async with serving() as server:
        outcomes = await client(url(server), asks, lambda: None)
        delays = [await stopped(server) - outcome.aborted_at for outcome in outcomes]
    assert [outcome.text for outcome in outcomes] == ["", "0 ", "0 1 2 3 ", ""]
    assert outcomes[-1].error == expected(name, ("APITimeoutError", None, "Request timed out."))
    assert statistics.median(delays) < SOON, delays


class Third:
    """Waits for the third chunk of a stream."""

    def __init__(self) -> None:
        self._count = 0
        self._event = trio.Event()
        self.wait = self._event.wait

    def __call__(self) -> None:
        self._count += 1
        if self._count == 3:
            self._event.set()


async def drained(
    client: Client, ask: Ask, graceful_timeout: float = 10, end: Callable[[Program], None] = Program.terminate
) -> tuple[Outcome, int]:
    """What has come of a stream in the middle of which the server was ended, and the server's exit status."""
    third = Third()
    async with serving("--graceful-timeout", str(graceful_timeout)) as server, trio.open_nursery() as nursery:

        async def end_server() -> None:
            await third.wait()
            end(server)

        nursery.start_soon(end_server)
        [outcome] = await client(url(server), [ask], third)
        return outcome, await server.wait()


@within(20)
async def test_a_stream_finishes_while_the_server_shuts_down(client: Client) -> None:
    outcome, status = await drained(client, Ask("say 50", stream=True, usage=True))
    assert outcome == Outcome("".join(f"{number} " for number in range(50)), "stop", 52)
    assert status == 0


@within(20)
async def test_a_stream_that_takes_too_long_for_the_shutdown_is_an_error_in_the_client(client: Client) -> None:
    outcome, status = await drained(client, Ask("endless", stream=True), graceful_timeout=0.3)
    assert outcome.text.startswith("0 1 ")
    assert outcome.finish is None
    assert outcome.error == ("APIError", None, "The server is shutting down.")
    assert status == 0


@within(20)
async def test_a_stream_whose_server_dies_is_an_error_in_the_client(name: str, client: Client) -> None:
    outcome, _ = await drained(client, Ask("endless", stream=True), end=lambda server: server.process.kill())
    assert outcome.text.startswith("0 1 ")
    assert outcome.finish is None
    lost = ("TypeError", None, "terminated") if name == "npm" else ("APIConnectionError", None, "Connection error.")
    assert outcome.error == lost
