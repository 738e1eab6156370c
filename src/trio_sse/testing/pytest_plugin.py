"""The pytest plugin: fixtures. Tests that do not use them are not affected.

Owns only the fixtures. They work with pytest-trio, which takes its clock from `sse_clock`, and without it, through
`run_trio`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
from trio.testing import MockClock

from ._client import TestClient
from ._leaks import no_leaks

__all__ = ("run_trio", "sse_client", "sse_clock")

T = TypeVar("T")


@pytest.fixture
def sse_clock() -> MockClock:
    """A clock that jumps to the next deadline when all tasks wait, for pytest-trio or `trio.run(main, clock=…)`."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def sse_client() -> Callable[..., TestClient]:
    """The class `TestClient`: `async with sse_client(app) as client:`."""
    return TestClient


@pytest.fixture
def run_trio(sse_clock: MockClock) -> Callable[..., Any]:
    """Runs an async function in virtual time, from a test that is not async: `run_trio(main, *args)`.

    The test fails if the function leaves something behind (see `no_leaks`).
    """

    def run(function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return trio.run(partial(_without_leaks, function, *args), clock=sse_clock)

    return run


async def _without_leaks(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    with no_leaks():
        return await function(*args)
