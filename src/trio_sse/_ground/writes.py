"""Writes: what holds for each write to a client, by the app and by the server alike."""

from __future__ import annotations

from typing import Final

__all__ = ("time_for",)

PIECE: Final = 64 * 1024
"""Bytes of a write for which a time-out counts once."""


def time_for(seconds: float, size: int) -> float:
    """How long a write of so many bytes may take, where one of up to 64 KiB may take `seconds`."""
    return seconds * max(1, -(-size // PIECE))
