"""Positions in the sequence of an engine, which clients know as ids: `k3Jx9QpL.1042`.

Owns how a position is written and read. Pure. What a position is worth is for the engine to say.

A **run** is one incarnation of the store: one that cannot prove that it is the incarnation that wrote the last entry
begins a new one. Without it a client that comes back to a store that has lost its last entries could not be told so,
because the offsets of the new ones are the same.
"""

from __future__ import annotations

import re
import secrets
import string
from typing import Final

import attrs

__all__ = ("Position", "new_run", "read_id")

MAX_ID_SIZE: Final = 128
"""The longest id that is read; longer ones are not ours."""

_ID: Final = re.compile(r"([A-Za-z0-9]{8})\.(0|[1-9][0-9]{0,17})", re.ASCII)
_LETTERS: Final = string.ascii_letters + string.digits


@attrs.frozen
class Position:
    """A place in the sequence of an engine: after the entry with this offset.

    Attributes:
        run: The run that has written this entry.
        offset: Its offset; 0 is the beginning.
    """

    run: str
    offset: int

    def __str__(self) -> str:
        return f"{self.run}.{self.offset}"


def new_run() -> str:
    """The tag of a new run."""
    return "".join(secrets.choice(_LETTERS) for _ in range(8))


def read_id(text: str) -> Position | None:
    """Read an id that a client sent; None if it is not one of ours."""
    found = _ID.fullmatch(text) if len(text) <= MAX_ID_SIZE else None
    return None if found is None else Position(found[1], int(found[2]))
