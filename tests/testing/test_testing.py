"""The testing kit by itself: what it sees, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App, Get, Post
from trio_sse.testing import TestClient, no_leaks


async def three() -> AsyncIterator[dict[str, Any]]:
    for number in (1, 2, 3):
        yield {"id": str(number), "data": number}


async def asgi_without_start(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.body", "body": b""})


async def asgi_that_starts_twice(_scope: Any, _receive: Any, send: Any) -> None:
    for _ in range(2):
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def asgi_that_goes_on_after_the_end(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(2):
        await send({"type": "http.response.body", "body": b""})


async def asgi_without_an_end(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (asgi_without_start, "a body before the start"),
        (asgi_that_starts_twice, "started a second time"),
        (asgi_that_goes_on_after_the_end, "after the end of the response"),
        (asgi_without_an_end, "without completing its response"),
    ],
)
async def test_what_an_app_does_against_asgi_is_an_assertion_error(
    app: Any, message: str, autojump_clock: MockClock
) -> None:
    with pytest.raises(AssertionError, match=message):
        await TestClient(app).get("/")


async def test_the_last_event_id_is_that_of_the_last_event_taken(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").handle(three))).stream("/") as stream:
        await stream.ended()
        assert stream.last_event_id is None
        await stream.events(2)
        assert stream.last_event_id == "2"
        stream.pending()
        assert stream.last_event_id == "3"


async def test_iterating_ends_with_the_response(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").handle(three))).stream("/") as stream:
        assert [event.data async for event in stream] == ["1", "2", "3"]
        assert stream.closed


async def test_an_event_that_cannot_come_any_more_fails_at_once(autojump_clock: MockClock) -> None:
    async with TestClient(App().add(SSE("/").handle(three))).stream("/") as stream:
        await stream.events(3)
        with pytest.raises(AssertionError, match="no event was received before the stream ended"):
            await stream.event()


async def test_an_event_that_does_not_come_fails_when_patience_ends(autojump_clock: MockClock) -> None:
    async def silent() -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield

    async with TestClient(App().add(SSE("/").handle(silent)), patience=100).stream("/") as stream:
        with pytest.raises(AssertionError, match="no event was received within 100 s"):
            await stream.event()
        assert trio.current_time() == 100


async def test_silence_is_broken_by_an_event_and_not_by_a_heartbeat(autojump_clock: MockClock) -> None:
    async def slow() -> AsyncIterator[dict[str, Any]]:
        await trio.sleep(60)
        yield {"data": "late"}

    async with TestClient(App().add(SSE("/").handle(slow))).stream("/") as stream:
        await stream.silent_for(59)
        with pytest.raises(AssertionError, match=r"an event was received: .*late"):
            await stream.silent_for(2)


async def test_a_header_that_is_none_is_not_sent() -> None:
    app = App().add(Get("/").handle(lambda headers: [*sorted(headers)]))
    client = TestClient(app, headers={"x-always": "1", "x-unset": None, "host": None})
    assert (await client.get("/", headers={"x-mine": "2", "x-none": None})).json() == [
        "x-always",
        "x-mine",
    ]
    assert (await client.get("/", headers={"x-always": None})).json() == []


async def test_json_and_query_are_sent_as_a_client_would(autojump_clock: MockClock) -> None:
    app = App().add(Post("/echo").handle(lambda body, query, headers: [body.decode(), dict(query), headers["x"]]))
    reply = await TestClient(app, headers={"x": "y"}).post("/echo", {"a": 1}, query={"q": "tea & milk"})
    assert reply.json() == ['{"a":1}', {"q": "tea & milk"}, "y"]


async def test_a_task_that_is_left_fails_the_test_by_name(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(AssertionError, match="left behind: task forgotten"), no_leaks():  # noqa: PT012 - both belong to the block that leaks
            nursery.start_soon(trio.sleep_forever, name="forgotten")
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_generator_that_is_not_closed_fails_the_test_by_name(autojump_clock: MockClock) -> None:
    generator = three()
    left = r"left behind: async generator three \(test_testing.py:\d+\), not closed"
    with pytest.raises(AssertionError, match=left), no_leaks():
        await anext(generator)
    await generator.aclose()  # type: ignore[attr-defined]


async def test_an_app_that_leaves_a_generator_open_fails_its_client(autojump_clock: MockClock) -> None:
    kept: list[Any] = []

    async def handler() -> int:
        kept.append(three())
        return len(await anext(kept[0]))

    with pytest.raises(AssertionError, match="async generator three"):
        async with TestClient(App().add(Get("/").handle(handler))) as client:
            await client.get("/")
    await kept[0].aclose()


def test_the_plugin_runs_a_test_in_virtual_time_without_pytest_trio(run_trio: Callable[..., Any]) -> None:
    async def an_hour() -> float:
        await trio.sleep(3600)
        return trio.current_time()

    assert run_trio(an_hour) == 3600


A_TEST = """
import trio
from trio_sse import SSE, App

async def hello():
    yield {"data": "hello"}

def test_a_stream(run_trio, sse_client, sse_clock):
    async def main():
        async with sse_client(App().add(SSE("/").handle(hello))) as client, client.stream("/") as stream:
            assert (await stream.event()).data == "hello"
            await trio.sleep(3600)
    run_trio(main)
    assert sse_clock.current_time() == 3600
"""


def test_the_plugin_works_where_there_is_no_pytest_trio(tmp_path: Path) -> None:
    (tmp_path / "pytest_trio.py").write_text("raise ImportError('not installed')")  # goes before the installed one
    (tmp_path / "test_it.py").write_text(A_TEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "test_it.py"]
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "trio_sse.testing.pytest_plugin",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


async def test_the_plugin_s_clock_works_with_pytest_trio(sse_clock: MockClock, sse_client: type[TestClient]) -> None:
    async with sse_client(App().add(SSE("/").handle(three))) as client, client.stream("/") as stream:
        await trio.sleep(3600)
        assert len(stream.pending()) == 3
