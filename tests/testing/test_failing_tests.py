"""A test that fails shows its own error: the assertion, and not the groups of the nurseries around it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_sse import SSE, App
from trio_sse.testing import TestClient
from trio_sse.testing._ungroup import ungroup


async def hello() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    await trio.sleep_forever()


async def failing() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    raise ValueError("mine")


APP = App().add(SSE("/").handle(hello), SSE("/failing").handle(failing))


async def test_an_error_of_the_test_is_raised_as_it_is(autojump_clock: MockClock) -> None:
    error = AssertionError("mine")
    with pytest.raises(AssertionError) as caught:
        async with TestClient(APP) as client, client.stream("/"):
            raise error
    assert caught.value is error
    assert error.__context__ is None


async def test_so_is_an_error_of_the_app(autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with TestClient(APP) as client, client.stream("/failing") as stream:
            await stream.ended()


async def test_so_is_one_with_a_cause(autojump_clock: MockClock) -> None:
    with pytest.raises(AssertionError, match="no event was received") as caught:  # noqa: PT012 - the blocks raise it
        async with TestClient(APP) as client, client.stream("/failing") as stream:
            await stream.ended()
            await stream.events(3)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_what_the_error_followed_stays_its_context(autojump_clock: MockClock) -> None:
    first = LookupError("first")
    with pytest.raises(AssertionError) as caught:  # noqa: PT012 - the blocks raise it
        async with TestClient(APP) as client, client.stream("/"):
            try:
                raise first
            except LookupError:
                raise AssertionError("second")  # noqa: B904 - that is what is tested
    assert caught.value.__context__ is first


async def test_several_errors_stay_in_a_group(autojump_clock: MockClock) -> None:
    async def crash() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            raise ValueError("of the app")

    with pytest.RaisesGroup(AssertionError, ValueError):
        async with TestClient(App().add(SSE("/").handle(crash))) as client, client.stream("/") as stream:
            await stream.event()
            raise AssertionError("of the test")


def test_groups_inside_of_a_group_are_taken_off_too() -> None:
    one, two = ValueError("one"), LookupError("two")
    cause = OSError()
    group = ExceptionGroup("outer", [ExceptionGroup("", [ExceptionGroup("", [one])]), two])
    group.__cause__ = cause
    group.add_note("noted")
    found = ungroup(group)
    assert isinstance(found, ExceptionGroup)
    assert (found.message, found.exceptions, found.__cause__) == ("outer", (one, two), cause)
    assert found.__suppress_context__
    assert ungroup(found) is found
    assert ungroup(one) is one


async def test_a_cancellation_from_outside_passes(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        async with TestClient(APP) as client, client.stream("/"):
            await trio.sleep_forever()
    assert scope.cancelled_caught


FAILING_TESTS = """
import trio
from trio_sse import SSE, App
from trio_sse.testing import TestClient

async def hello():
    yield {"data": "hello"}
    await trio.sleep_forever()

app = App().add(SSE("/").handle(hello))

async def test_it(autojump_clock):
    async with TestClient(app) as client, client.stream("/") as stream:
        assert (await stream.event()).data == "helo"

async def check():
    async with TestClient(app) as client, client.stream("/") as stream:
        assert (await stream.event()).data == "helo"

def test_it_in_the_plugin(run_trio):
    run_trio(check)

async def test_without_the_kit():
    assert "hello" == "helo"
"""


def test_pytest_shows_the_assertion_and_no_group(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FAILING_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    with_the_kit, _, without = ran.stdout.partition("test_without_the_kit")
    assert "3 failed" in ran.stdout, ran.stdout + ran.stderr
    assert "Group" not in with_the_kit
    assert with_the_kit.count("AssertionError: assert 'hello' == 'helo'") == 2
    assert "Group" in without, "tests that do not use the kit are not affected"
