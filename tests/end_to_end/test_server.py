"""The server: how it starts, how it stops, and what a client sees when a handler fails."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx_sse
import pytest
import trio

from trio_sse import SSE, Aborted, App, Get, Post, serve

from .http2 import connected_by_http2
from .limits import within
from .programs import TESTS, process, running, server_command
from .serving import Certificate, serving
from .sockets import Truncated, connected

COMMANDS = pytest.mark.parametrize("command", ["trio-sse", "hypercorn"])


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[BaseException]:
    """The errors that have been logged with their tracebacks."""
    return [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[1]]


# -- processes


@within(30)
@COMMANDS
async def test_sigterm_ends_each_stream_and_the_process(command: str) -> None:
    async with (
        process(command, "end_to_end.apps:streaming", "--graceful-timeout", "1") as server,
        connected(server.port) as one,
        connected(server.port) as two,
    ):
        for peer, name in ((one, "one"), (two, "two")):
            assert (await peer.get(f"/endless/{name}")).status == 200
            assert (await peer.event())["data"] == name
        server.terminate()
        assert await server.wait() == 0
        if command == "trio-sse":
            for peer in (one, two):  # told when to come back, and ended in order
                assert 1000 <= int((await peer.event())["retry"]) <= 5000
                assert await peer.chunk() == b""
        else:
            await one.ended()
            with pytest.raises(Truncated):
                await two.event()  # cut, not ended in order: the client knows that there is more
    left = sorted(line for line in server.output if "left" in line)
    reason = "draining" if command == "trio-sse" else "cancelled"
    assert left == [f"one left: {reason}", f"two left: {reason}"]
    assert "Traceback" not in server.text


@within(30)
@COMMANDS
async def test_sigterm_with_nothing_open_ends_the_process(command: str) -> None:
    async with process(command, "end_to_end.apps:streaming", "--graceful-timeout", "1") as server:
        async with connected(server.port) as peer:
            assert await peer.json("/hello") == {"hello": "world"}
            assert (await peer.get("/endless/one")).status == 200
            await peer.event()
        await server.line_with("one left: client_gone")
        server.terminate()
        assert await server.wait() == 0
    assert "Traceback" not in server.text


@within(30)
async def test_a_second_sigterm_cuts_the_shutdown_short() -> None:
    async with (
        process("trio-sse", "end_to_end.apps:streaming", "--graceful-timeout", "60") as server,
        connected(server.port) as peer,
    ):
        await peer.get("/finishing/one")
        await peer.event()
        server.terminate()
        await refuses(server.port)
        server.terminate()
        assert await server.wait() == 0
    assert "one left: cancelled" in server.output


async def refuses(port: int) -> None:
    """Wait until nobody listens any more: the server has seen the signal."""
    while True:
        try:
            await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
        except OSError:
            return


@within(20)
async def test_clients_that_read_nothing_over_http2_hold_up_no_shutdown(certificate: Certificate) -> None:
    """They leave while hypercorn waits for what it has buffered for them, and will never send."""
    secure = ("--certfile", str(certificate.certfile), "--keyfile", str(certificate.keyfile))
    async with process("trio-sse", "end_to_end.apps:flooding", *secure, "--graceful-timeout", "1") as server:
        for name in ("one", "two", "three"):
            async with connected_by_http2(server.port, certificate) as peer:
                await peer.get(f"/flood/{name}")
                with trio.move_on_after(1):
                    await server.line_with(f"{name} left")
        server.terminate()
        assert await server.wait() == 0


@within(30)
async def test_a_crash_in_the_background_stops_the_server_with_a_traceback() -> None:
    async with (
        process("trio-sse", "end_to_end.apps:crashing", "--graceful-timeout", "0.2") as server,
        connected(server.port) as watching,
        connected(server.port) as peer,
    ):
        await watching.get("/endless/one")
        await watching.event()
        assert (await peer.get("/crash")).status == 204
        assert await server.wait() not in (0, None)
    assert "Traceback (most recent call last):" in server.text
    assert "RuntimeError: the background task has failed" in server.text
    assert "one left: draining" in server.output


@within(30)
async def test_a_mistake_in_the_app_is_said_before_the_server_starts() -> None:
    command = server_command("trio-sse", "end_to_end.apps:misbuilt")
    async with running(*command, cwd=TESTS) as program:
        assert await program.wait() == 1
    [line] = program.output
    assert line.startswith("trio-sse: ")
    assert "'usr'" in line
    assert "Did you mean 'user'?" in line


@within(30)
@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("end_to_end.apps:nothing", "module 'end_to_end.apps' has no 'nothing'"),
        ("end_to_end.nowhere:app", "there is no module 'end_to_end.nowhere'"),
        ("end_to_end.apps", "'end_to_end.apps' does not name an app"),
    ],
)
async def test_an_app_that_is_not_there(target: str, complaint: str) -> None:
    async with running(*server_command("trio-sse", target), cwd=TESTS) as program:
        assert await program.wait() == 1
    [line] = program.output
    assert complaint in line


# -- options


async def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no option 'graceful_timout'; did you mean 'graceful_timeout'"):
        await serve(App(), graceful_timout=1)


async def test_an_option_of_the_process_manager_is_refused() -> None:
    with pytest.raises(TypeError, match="hypercorn -k trio module:app"):
        await serve(App(), workers=4)


# -- errors


async def failing() -> AsyncIterator[Any]:
    yield {"data": "fine"}
    raise LookupError("secret")


async def ticking() -> AsyncIterator[Any]:
    while True:
        yield {"data": "tick"}
        await trio.lowlevel.checkpoint()


FAILING = App().add(SSE("/failing").handle(failing), SSE("/ticking").handle(ticking))


@within(10)
async def test_an_error_ends_its_own_stream_without_a_terminator(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(FAILING) as server, connected(server.port) as other, connected(server.port) as peer:
        await other.get("/ticking")
        await other.event()
        await peer.get("/failing")
        assert await peer.event() == {"data": "fine"}
        event = await peer.event()
        assert event["event"] == "stream-error"
        assert "secret" not in event["data"]
        with pytest.raises(Truncated):
            await peer.event()
        for _ in range(1000):
            assert await other.event() == {"data": "tick"}
        [error] = tracebacks(caplog)
        assert isinstance(error, LookupError)


@within(15)
async def test_curl_reports_a_failed_stream(curl: str) -> None:
    async with (
        serving(FAILING) as server,
        running(curl, "--silent", "--no-buffer", f"{server.url}/failing") as program,
    ):
        assert await program.frame() == {"data": "fine"}
        assert (await program.frame())["event"] == "stream-error"
        assert await program.wait() == 18, "curl's exit status for a transfer that ended too early"


@within(10)
async def test_an_error_resets_its_stream_over_http2(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(FAILING, certificate=certificate) as server,
        httpx.AsyncClient(http2=True, verify=certificate.context(), trust_env=False, timeout=5) as client,
        httpx_sse.aconnect_sse(client, "GET", f"{server.url}/failing") as source,
    ):
        assert source.response.http_version == "HTTP/2"
        events = source.aiter_sse()
        assert [(await anext(events)).event for _ in range(2)] == ["message", "stream-error"]
        with pytest.raises(httpx.RemoteProtocolError, match="StreamReset"):
            await anext(events)
    [error] = tracebacks(caplog)
    assert isinstance(error, LookupError)


# -- connections that are used again


def hello() -> dict[str, str]:
    return {"hello": "world"}


async def short() -> AsyncIterator[Any]:
    yield {"data": "all"}


SMALL = App().add(Get("/hello").handle(hello), SSE("/short").handle(short), Post("/hello").handle(hello))


@within(10)
async def test_a_connection_is_used_again() -> None:
    async with serving(SMALL) as server, connected(server.port) as peer:
        for _ in range(3):
            assert await peer.json("/hello") == {"hello": "world"}
            assert (await peer.get("/short")).status == 200
            assert await peer.event() == {"data": "all"}
            with pytest.raises(EOFError):
                await peer.event()


@within(10)
async def test_an_idle_connection_is_closed_in_time() -> None:
    """What hypercorn does after the response's end happens inside our last `send`: nothing may cut it short."""
    async with serving(SMALL, keep_alive_timeout=0.1) as server, connected(server.port) as peer:
        assert await peer.json("/hello") == {"hello": "world"}
        assert await peer.ended() == b""


@within(10)
async def test_a_small_body_that_nobody_reads_leaves_the_connection_usable() -> None:
    async with serving(SMALL) as server, connected(server.port) as peer:
        for path, status in (("/nowhere", 404), ("/short", 405), ("/hello", 200)):
            await peer.request("POST", path, b"x" * 1000)
            head = await peer.head()
            assert head.status == status
            await peer.body(head)
        assert await peer.json("/hello") == {"hello": "world"}


@within(10)
@pytest.mark.parametrize("path", ["/nowhere", "/short"])
async def test_a_response_that_does_not_wait_for_the_body_says_that_the_connection_closes(path: str) -> None:
    """Many clients send the head of a request by itself, and keep the connection unless they are told."""
    async with serving(SMALL) as server, connected(server.port) as peer:
        await peer.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n".encode())
        head = await peer.head()
        assert (head.status, head.headers["connection"]) == ({"/nowhere": 404, "/short": 405}[path], "close")
        await peer.body(head)
        assert await peer.ended() == b""


@within(5)
@pytest.mark.parametrize("path", ["/nowhere", "/short", "/hello"])
async def test_a_large_body_that_nobody_reads_wedges_nothing(path: str) -> None:
    """The connection is used again or closed, as hypercorn chooses; what may not happen is silence."""
    async with serving(SMALL) as server, connected(server.port) as peer:
        try:
            await peer.request("POST", path, b"x" * 5_000_000)
            await peer.body(await peer.head())
            assert await peer.json("/hello") == {"hello": "world"}
        except (Truncated, trio.BrokenResourceError):
            pass
        async with connected(server.port) as next_peer:
            assert await next_peer.json("/hello") == {"hello": "world"}


@within(10)
async def test_a_reset_http2_stream_ends_its_own_handler(certificate: Certificate) -> None:
    """One connection, two streams, of which the client resets one."""
    journal: list[str] = []
    ended = trio.Event()

    async def stream(name: str, aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": name}
            await trio.sleep_forever()
        finally:
            journal.append(f"{name}: {aborted.reason}")
            ended.set()

    async with (
        serving(App().add(SSE("/:name").handle(stream)), certificate=certificate) as server,
        connected_by_http2(server.port, certificate) as peer,
    ):
        one, two = await peer.get("/one"), await peer.get("/two")
        await peer.received(one, b"data: one\n\n")
        await peer.received(two, b"data: two\n\n")
        await peer.reset(one)
        await ended.wait()
        assert journal == ["one: client_gone"]
    assert journal == ["one: client_gone", "two: client_gone"]


# -- the life of the app


@within(10)
async def test_the_app_ends_after_its_last_stream(caplog: pytest.LogCaptureFixture) -> None:
    journal: list[str] = []

    async def background() -> None:
        try:
            await trio.sleep_forever()
        finally:
            journal.append("background")

    async def stream(app_nursery: trio.Nursery, aborted: Aborted) -> AsyncIterator[Any]:
        app_nursery.start_soon(background)
        try:
            yield {"data": "here"}
            await trio.sleep_forever()
        finally:
            journal.append(f"stream: {aborted.reason}")

    async with serving(App().add(SSE("/").handle(stream))) as server, connected(server.port) as peer:
        await peer.get("/")
        await peer.event()
        await server.shut_down()
    assert journal == ["stream: draining", "background"]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
