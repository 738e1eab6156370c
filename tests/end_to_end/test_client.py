"""Our client reads our server over sockets, HTTP/1.1 and 2, while that is stopped, killed and started again."""

from __future__ import annotations

import contextlib
import gc
import json
import random
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import psutil
import pytest
import trio

from trio_sse import SSE, App, Done, Get, Request, Response, ServerSentEvent
from trio_sse.client import BadResponse, ConnectionFailed, ConnectionLost, EventSource, ReadyState, Retry

from .limits import within
from .programs import SCRIPTS, TESTS, Program, running
from .serving import Certificate, serving

TRIO_SSE = str(SCRIPTS / "trio-sse")


async def numbers(last_event_id: str | None) -> AsyncIterator[Any]:
    """The endless log 1, 2, 3, … from where the client left off, in writes of many sizes."""
    yield {"retry": 10}
    number = int(last_event_id or 0)
    chance = random.Random(number)
    while True:
        count = chance.randint(1, 5)
        yield [numbered(n, "x" * chance.choice((0, 10, 5_000))) for n in range(number + 1, number + count + 1)]
        number += count
        await trio.sleep(0.002)


def numbered(number: int, filling: str) -> ServerSentEvent:
    return ServerSentEvent({"number": number, "filling": filling}, "number", str(number))


app = App(reconnect_delay=(0.01, 0.05)).add(SSE("/numbers").handle(numbers))


def context(certificate: Certificate | None) -> ssl.SSLContext | None:
    return certificate.context() if certificate else None


def free_port() -> int:
    """A port that the kernel gives to no client, so that a client never connects to itself while the server is down."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Reader:
    """Reads the numbers in a task of its own.

    Attributes:
        seen: All that have come.
        errors: What went wrong with connections on the way.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.errors: list[ConnectionFailed] = []
        self._came = trio.Event()

    async def read(self, url: str, ssl_context: ssl.SSLContext | None) -> None:
        options: dict[str, Any] = {"retry": Retry(delay=0.01, max_delay=0.1), "ssl_context": ssl_context}
        async with EventSource(url, on_retry=lambda error, _: self.errors.append(error), **options) as source:
            async for event in source:
                number = json.loads(str(event.data))["number"]
                assert event.id == str(number)
                self.seen.append(number)
                self._came.set()
                self._came = trio.Event()

    async def more(self, count: int) -> None:
        """Wait for so many more."""
        target = len(self.seen) + count
        while len(self.seen) < target:
            await self._came.wait()


@asynccontextmanager
async def reading(port: int, certificate: Certificate | None) -> AsyncIterator[Reader]:
    """Read the numbers while the block lasts; at its end none may be missing or doubled."""
    reader = Reader()
    scheme = "https" if certificate else "http"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.read, f"{scheme}://127.0.0.1:{port}/numbers", context(certificate))
        yield reader
        nursery.cancel_scope.cancel()
    assert reader.seen == list(range(1, len(reader.seen) + 1))


@within(20)
async def test_no_event_is_lost_or_repeated_while_the_server_restarts(trusted: Certificate | None) -> None:
    """Twenty times: cut off in the midst of a write every other time, shut down in order at the others."""
    port, chance = free_port(), random.Random(1)
    async with reading(port, trusted) as reader:
        for life in range(20):
            with trio.CancelScope() as scope:
                async with serving(app, certificate=trusted, bind=f"127.0.0.1:{port}") as server:
                    await reader.more(chance.randint(1, 60))
                    if life % 2:
                        scope.cancel()
                    else:
                        await server.shut_down()
    assert len(reader.errors) >= 19
    assert {type(error) for error in reader.errors} == {ConnectionLost}


@within(30)
async def test_no_event_is_lost_or_repeated_while_the_servers_process_is_killed(trusted: Certificate | None) -> None:
    """Five times, with SIGKILL."""
    port, chance = free_port(), random.Random(2)
    async with reading(port, trusted) as reader:
        for _ in range(5):
            async with numbers_process(port, trusted) as program:
                await reader.more(chance.randint(1, 60))
                program.process.kill()
    assert len(reader.errors) >= 4


@asynccontextmanager
async def numbers_process(port: int, certificate: Certificate | None) -> AsyncIterator[Program]:
    options = ["--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile)] if certificate else []
    command = (TRIO_SSE, "run", "--bind", f"127.0.0.1:{port}", *options, "end_to_end.test_client:app")
    async with running(*command, cwd=TESTS) as program:
        await program.line_with("Running on")
        yield program


@within(20)
async def test_a_server_that_has_stopped_moving_is_noticed(trusted: Certificate | None) -> None:
    """Its socket stays open: only the silence tells. The next attempt is not made on the same connection."""
    errors: list[str] = []
    port = free_port()
    scheme = "https" if trusted else "http"
    async with (
        numbers_process(port, trusted) as program,
        EventSource(
            f"{scheme}://127.0.0.1:{port}/numbers",
            ssl_context=context(trusted),
            read_timeout=0.3,
            connect_timeout=0.3,
            retry=Retry(delay=0.01, max_delay=0.1),
            on_retry=lambda error, _: errors.append(error.reason),
        ) as source,
    ):
        await anext(source)
        program.process.send_signal(signal.SIGSTOP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume_after, 1.0, program)
            seen = [str((await anext(source)).id) for _ in range(500)]
    assert seen == [str(n) for n in range(2, 502)]
    assert errors[0] == "received nothing for 0.3 s"
    assert "no response within 0.3 s" in errors


async def resume_after(seconds: float, program: Program) -> None:
    await trio.sleep(seconds)
    program.process.send_signal(signal.SIGCONT)


# -- one connection


async def test_what_is_spoken_is_the_best_that_both_know(protocol: str, trusted: Certificate | None) -> None:
    async def version(request: Request) -> AsyncIterator[Any]:
        yield {"data": request.http_version}

    async with (
        serving(App().add(SSE("/version").handle(version)), certificate=trusted) as server,
        EventSource(f"{server.url}/version", ssl_context=context(trusted)) as source,
    ):
        assert (await anext(source)).data == {"http/1.1": "1.1", "h2": "2"}[protocol]


@within(10)
@pytest.mark.parametrize("way", ["left", "cancelled while reading", "failed"])
async def test_the_server_notices_at_once_that_the_reader_has_gone(way: str, trusted: Certificate | None) -> None:
    left = trio.Event()

    async def stream() -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x" * 3000}
                await trio.sleep(0.01)
        finally:
            left.set()

    async with serving(App().add(SSE("/stream").handle(stream)), certificate=trusted) as server:
        descriptors = psutil.Process().num_fds()
        with pytest.raises(LookupError) if way == "failed" else nullcontext(), trio.CancelScope() as scope:
            async with EventSource(f"{server.url}/stream", ssl_context=context(trusted)) as source:
                async for _ in source:
                    if way == "left":
                        break
                    if way == "failed":
                        raise LookupError
                    scope.deadline = min(scope.deadline, trio.current_time() + 0.1)
        with trio.fail_after(1):
            await left.wait()
            while psutil.Process().num_fds() > descriptors:  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(0.01)
        gc.collect()


@within(10)
@pytest.mark.parametrize("silent", [False, True])
async def test_another_task_closes_it_while_it_reads(silent: bool, trusted: Certificate | None) -> None:
    began, left = trio.Event(), trio.Event()

    async def stream() -> AsyncIterator[Any]:
        try:
            while True:
                yield {"data": "x" * 3000}
                await trio.sleep(60 if silent else 0.001)
        finally:
            left.set()

    async def read(source: EventSource) -> None:
        async with source:
            async for _ in source:
                began.set()

    async with serving(App().add(SSE("/stream").handle(stream)), certificate=trusted) as server:
        descriptors = psutil.Process().num_fds()
        source = EventSource(f"{server.url}/stream", ssl_context=context(trusted))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, source)
            await began.wait()
            await source.aclose()
        with trio.fail_after(1):
            await left.wait()
            while psutil.Process().num_fds() > descriptors:  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(0.01)
        assert source.ready_state is ReadyState.CLOSED
        gc.collect()


@within(10)
async def test_cancelled_waits_lose_and_repeat_nothing(trusted: Certificate | None) -> None:
    seen: list[str | None] = []
    async with (
        serving(app, certificate=trusted) as server,
        EventSource(f"{server.url}/numbers", ssl_context=context(trusted)) as source,
    ):
        for turn in range(40):
            with trio.move_on_after(0.01 + turn % 10 / 200):
                while True:
                    seen.append((await anext(source)).id)
    assert len(seen) > 50
    assert seen == [str(n) for n in range(1, len(seen) + 1)]


@within(10)
async def test_done_is_the_end(trusted: Certificate | None) -> None:
    runs = 0

    async def story() -> AsyncIterator[Any]:
        nonlocal runs
        runs += 1
        yield {"id": "1", "data": "once"}
        yield Done()

    async with (
        serving(App().add(SSE("/story").handle(story)), certificate=trusted) as server,
        EventSource(f"{server.url}/story", ssl_context=context(trusted)) as source,
    ):
        assert [event.data async for event in source] == ["once"]
        place = source.last_event_id
        async with EventSource(f"{server.url}/story", ssl_context=context(trusted), last_event_id=place) as again:
            assert again.ready_state is ReadyState.CLOSED
    assert runs == 1


@within(10)
async def test_a_question_is_posted_and_its_answer_streamed(trusted: Certificate | None) -> None:
    async def answer(body: dict[str, str]) -> AsyncIterator[Any]:
        for word in body["question"].split():
            yield {"data": word}

    app = App().add(SSE("/ask", method="POST").body(dict[str, str]).handle(answer))
    async with (
        serving(app, certificate=trusted) as server,
        EventSource(
            f"{server.url}/ask",
            json={"question": "how are you"},
            ssl_context=context(trusted),
            retry=Retry(after_end=False),
        ) as source,
    ):
        assert [event.data async for event in source] == ["how", "are", "you"]


@within(10)
async def test_redirects_and_refusals_are_understood(trusted: Certificate | None) -> None:
    def moved() -> Response:
        return Response(None, status=307, headers={"location": "/numbers"})

    async with serving(app.add(Get("/moved").handle(moved)), certificate=trusted) as server:
        async with EventSource(f"{server.url}/moved", ssl_context=context(trusted), last_event_id="41") as source:
            assert (await anext(source)).id == "42"
        with pytest.raises(BadResponse) as caught:
            async with EventSource(f"{server.url}/nowhere", ssl_context=context(trusted)):
                pass
    assert caught.value.status == 404
    assert json.loads(caught.value.body)["status"] == 404


@within(10)
async def test_a_certificate_that_nobody_vouches_for_is_final(certificate: Certificate) -> None:
    async with serving(app, certificate=certificate) as server:
        with pytest.raises(ConnectionFailed, match="certificate") as caught:
            async with EventSource(f"{server.url}/numbers"):
                pass
    assert type(caught.value) is ConnectionFailed


@within(10)
@pytest.mark.parametrize("way", ["cancelled", "too_slow", "closed"])
async def test_a_handshake_that_does_not_end_leaves_no_socket_open(way: str) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    limit = 0.1 if way == "too_slow" else 5
    async with listener, trio.open_nursery() as nursery:
        source = EventSource(f"https://127.0.0.1:{port}/", connect_timeout=limit, retry=Retry(max_attempts=1))
        nursery.start_soon(connect_in_vain, source, nursery.cancel_scope)
        stream = await listener.accept()
        async with stream:
            assert await stream.receive_some(1)
            if way == "cancelled":
                nursery.cancel_scope.cancel()
            if way == "closed":
                await source.aclose()
            with trio.CancelScope(shield=True):
                async for _ in stream:
                    pass


async def connect_in_vain(source: EventSource, scope: trio.CancelScope) -> None:
    with contextlib.suppress(ConnectionLost):
        async with source:
            pass
    scope.cancel()


# -- trio-sse tail


@asynccontextmanager
async def tailing(*arguments: str) -> AsyncIterator[Program]:
    async with running(TRIO_SSE, "tail", *arguments) as program:
        yield program


@within(15)
async def test_tail_prints_a_stream_until_it_is_interrupted() -> None:
    async with serving(app) as server, tailing(f"{server.url}/numbers", "--last-event-id", "6") as program:
        assert await program.line() == "trio-sse: connected"
        await program.line_with(r"^\d\d:\d\d:\d\d\.\d{3}  number  #7 ")
        await program.line_with(r"  #8")
        program.process.send_signal(signal.SIGINT)
        assert await program.wait() == 130
    assert "Traceback" not in program.text


@within(15)
async def test_tail_prints_json_for_programs() -> None:
    async with serving(app) as server, tailing("--json", "-n", "3", f"{server.url}/numbers") as program:
        assert await program.wait() == 0
    events = [json.loads(line) for line in program.output if line.startswith("{")]
    assert [json.loads(event["data"])["number"] for event in events] == [1, 2, 3]


@within(15)
@pytest.mark.parametrize("option", ["", "--json"])
async def test_tail_ends_in_silence_when_its_output_is_closed(option: str) -> None:
    async with serving(app) as server:
        pipeline = f"set -o pipefail; {TRIO_SSE} tail {option} {server.url}/numbers | head -n 2"
        async with running("bash", "-c", pipeline, environment={"PYTHONUNBUFFERED": ""}) as program:
            assert await program.wait() == 0
    assert "Traceback" not in program.text
    assert len([line for line in program.output if not line.startswith("trio-sse: ")]) == 2
