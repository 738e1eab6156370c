"""Rules for a write to a client, which the app and the server share."""

from __future__ import annotations

from typing import Final

__all__ = ("PIECE", "WRITES_PER_TURN", "time_for")

PIECE: Final = 64 * 1024
"""The time limit of a write counts once for each piece of this many bytes."""

WRITES_PER_TURN: Final = 16
"""The number of writes after which a writer that never waits lets other tasks run."""


def time_for(seconds: float, size: int) -> float:
    """The seconds that a write of `size` bytes may take, where one of up to 64 KiB may take `seconds`."""
    return seconds * max(1, -(-size // PIECE))
