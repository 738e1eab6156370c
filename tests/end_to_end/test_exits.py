"""What ends a program, raised in one request: the server logs it and goes on. Ctrl-C drains the server all the same."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from trio_sse import SSE, App, Get

from .limits import within
from .programs import TESTS, process, running, server_command
from .serving import serving
from .sockets import Truncated, connected


@asynccontextmanager
async def leaving() -> AsyncIterator[None]:
    yield
    sys.exit("leaving")


def guard() -> bool:
    sys.exit("guard")


async def stream() -> AsyncIterator[Any]:
    yield {"data": "fine"}


async def exiting() -> AsyncIterator[Any]:
    yield {"data": "fine"}
    sys.exit("exiting")


async def cleaning() -> AsyncIterator[Any]:
    try:
        yield {"data": "fine"}
        await trio.sleep_forever()
    finally:
        sys.exit("cleaning")


async def in_a_task(nursery: trio.Nursery) -> AsyncIterator[Any]:
    async def task() -> None:
        sys.exit("task")

    yield {"data": "fine"}
    nursery.start_soon(task)
    await trio.sleep_forever()


def plain() -> None:
    sys.exit("plain")


async def ticking() -> AsyncIterator[Any]:
    while True:
        yield {"data": "tick"}
        await trio.sleep(0.01)


EXITING = App().add(
    SSE("/ticking").handle(ticking),
    SSE("/exiting").handle(exiting),
    SSE("/cleaning").handle(cleaning),
    SSE("/task").handle(in_a_task),
    SSE("/leaving").use(leaving).handle(stream),
    SSE("/guard").guard(guard).handle(stream),
    Get("/plain").handle(plain),
)


@within(10)
async def test_an_exit_ends_its_own_request(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(EXITING) as server, connected(server.port) as other:
        await other.get("/ticking")
        for path in ("/exiting", "/task", "/leaving"):
            async with connected(server.port) as peer:
                assert (await peer.get(path)).status == 200
                assert await peer.event() == {"data": "fine"}
                assert (await peer.event())["event"] == "stream-error"
                with pytest.raises(Truncated):
                    await peer.event()
        for path in ("/guard", "/plain"):
            async with connected(server.port) as peer:
                head = await peer.get(path)
                assert head.status == 500
                assert head.headers["content-type"] == "application/problem+json"
        async with connected(server.port) as peer:
            await peer.get("/cleaning")
            await peer.event()
        while len(exits(caplog)) < 6:
            assert await other.event() == {"data": "tick"}
        assert exits(caplog) == ["exiting", "task", "leaving", "guard", "plain", "cleaning"]


def start(app_nursery: trio.Nursery) -> None:
    app_nursery.start_soon(exit_later)


async def exit_later() -> None:
    sys.exit("background")


class Database:
    """A service that exits as it is made."""


def connect() -> Database:
    sys.exit("no database")


EXITING_IN_THE_BACKGROUND = EXITING.add(Get("/start").handle(start))
EXITING_AT_THE_START = App().provide(connect).add(Get("/").inject(database=Database).handle(lambda database: None))


@within(30)
async def test_an_exit_of_the_apps_own_task_drains_the_server() -> None:
    target = "end_to_end.test_exits:EXITING_IN_THE_BACKGROUND"
    async with process("trio-sse", target) as server, connected(server.port) as other, connected(server.port) as peer:
        await other.get("/ticking")
        assert (await peer.get("/start")).status == 204
        while "retry" not in await other.event():
            pass
        assert await server.wait() == 1
    assert "SystemExit: background" in server.text


@within(30)
async def test_an_exit_while_the_app_starts_is_a_start_that_has_failed() -> None:
    command = server_command("trio-sse", "end_to_end.test_exits:EXITING_AT_THE_START")
    async with running(*command, cwd=TESTS) as program:
        assert await program.wait() == 1
    assert "SystemExit: no database" in program.text
    assert "Running on" not in program.text


def exits(caplog: pytest.LogCaptureFixture) -> list[object]:
    """What has been passed to `sys.exit`, by the causes of the errors that have been logged."""
    errors = [record.exc_info[1] for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]
    return [error.__cause__.code for error in errors if error and isinstance(error.__cause__, SystemExit)]


@within(30)
@pytest.mark.parametrize("command", ["trio-sse", "hypercorn"])
async def test_the_process_goes_on_until_it_is_interrupted(command: str) -> None:
    target = "end_to_end.test_exits:EXITING"
    async with process(command, target, "--graceful-timeout", "1") as server, connected(server.port) as other:
        await other.get("/ticking")
        for path in ("/exiting", "/plain"):
            async with connected(server.port) as peer:
                await peer.get(path)
                await server.line_with(f"SystemExit: {path[1:]}")
        assert await other.event() == {"data": "tick"}
        server.process.send_signal(signal.SIGINT)
        assert await server.wait() == 0
    assert server.text.count("Traceback (most recent call last):") == 4, "each exit, and the error that it caused"
