"""The pytest plugin: fixtures, and errors without the groups that hold a single one. Other tests are not affected.

Owns the fixtures, which work with pytest-trio, which takes its clock from `sse_clock`, and without it, through
`run_trio`; and the way in which pytest is shown an error that has passed through a client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
from trio.testing import MockClock

from ._client import TestClient
from ._leaks import no_leaks
from ._ungroup import innermost, passed_the_kit

__all__ = ("pytest_pyfunc_call", "run_trio", "sse_client", "sse_clock")

T = TypeVar("T")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Raise an error that has passed through a client without the group that pytest-trio adds."""
    try:
        return (yield)
    except BaseExceptionGroup as group:
        error = innermost(group)
        if error is group or not passed_the_kit(error):
            raise
    raise error


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
        __tracebackhide__ = True
        return trio.run(partial(_without_leaks, function, *args), clock=sse_clock)

    return run


async def _without_leaks(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    __tracebackhide__ = True
    with no_leaks():
        return await function(*args)
