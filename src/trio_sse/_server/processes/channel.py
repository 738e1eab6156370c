"""What passes between a master and a worker: one byte each way, and signals that come early."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ("CUT", "READY", "note_early")

READY, CUT = b"r", b"c"


@contextmanager
def note_early(*numbers: int) -> Generator[set[int]]:
    """Note signals that come before Trio listens for them, and ignore those that come when it no longer does.

    By default they would end the process there, which may have ended in order otherwise.
    """
    early: set[int] = set()
    for number in numbers:
        signal.signal(number, lambda number, _: early.add(number))
    try:
        yield early
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
