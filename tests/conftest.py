"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_left_to_the_garbage_collector() -> Iterator[None]:
    """Fail a test that leaves a generator or a coroutine unclosed: collecting it now turns that into a warning."""
    gc.freeze()  # what was there before the test need not be looked at again after it
    yield
    gc.collect()
