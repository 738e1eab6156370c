"""Rules for each write to a client, by the app and by the server alike."""

from __future__ import annotations

from typing import Final

__all__ = ("PIECE", "WRITES_PER_TURN", "time_for")

PIECE: Final = 64 * 1024
"""Bytes of a write for which a time limit counts once."""

WRITES_PER_TURN: Final = 16
"""Writes in a row that do not wait for anything, after which other tasks get a turn of the scheduler."""


def time_for(seconds: float, size: int) -> float:
    """The seconds that a write of `size` bytes may take, where one of up to 64 KiB may take `seconds`."""
    return seconds * max(1, -(-size // PIECE))
