"""The channel between a master and a worker: one byte in each direction, and signals that arrive early.

Owns the two messages, and the recording of signals that Trio does not receive yet.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ("CANCEL", "READY", "record_early_signals")

READY = b"r"
"""Sent by a worker when it accepts connections."""
CANCEL = b"c"
"""Sent by the master when a worker has to cancel the requests that are still open."""


@contextmanager
def record_early_signals(*numbers: int) -> Generator[set[int]]:
    """Record signals that arrive before Trio receives them, and ignore the ones that arrive after it has stopped.

    The default action of these signals would end the process while it shuts down. A worker receives SIGTERM more than
    once, from its master and from a service manager that signals every process.
    """
    early: set[int] = set()
    for number in numbers:
        signal.signal(number, lambda number, _: early.add(number))
    try:
        yield early
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
