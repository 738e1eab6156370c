"""Path segments: which types the text of one can be read into, and reading it.

Owns both rules, on top of msgspec. Pure. It does not know routes: a type that cannot be read is a TypeError, which the
planner turns into a message that names the route.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from .._ground.naming import type_name
from .numbers import NUMBER
from .type_info import SCALARS, members, type_info

__all__ = ("check_segment_type", "read_segment")


def check_segment_type(wanted: Any) -> None:
    """Check that a path segment can be read into a type.

    Raises:
        TypeError: It cannot.
    """
    if not all(isinstance(member, SCALARS) for member in members(type_info(wanted))):
        raise TypeError(f"{type_name(wanted)} is not written as one piece of text")


def read_segment(text: str, wanted: Any) -> Any:
    """Read a path segment.

    A resource should have one address, so an integer is read only in its usual form (msgspec would read `1e3`), and
    `null` is not read.

    Raises:
        ValueError: It does not fit the type.
    """
    value = msgspec.convert(text, wanted, strict=False)
    if value is None or (type(value) is int and str(value) != text):
        raise ValueError(text)
    if isinstance(value, float | Decimal) and not NUMBER.fullmatch(text):  # nan, inf, `1_0`
        raise ValueError(text)
    return value
