"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio

from trio_sse.testing._stream import TestStream


@pytest.fixture(autouse=True)
def nothing_left_to_the_garbage_collector() -> Iterator[None]:
    """Fail a test that leaves a generator or a coroutine unclosed: collecting it now turns that into a warning."""
    gc.freeze()  # what was there before the test need not be looked at again after it
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_last_send_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which the last send of a response is cancelled: stock hypercorn then loses the next request.

    Modules whose tests use apps of others have a fixture of the same name, which does nothing.
    """
    cancelled: list[TestStream] = []

    async def prepare(self: TestStream) -> None:
        self.half_close()
        try:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            cancelled.append(self)
            raise

    monkeypatch.setattr(TestStream, "_prepare_for_the_next_request", prepare)
    yield
    assert cancelled == []
