"""Checks of values that users pass as options."""

from __future__ import annotations

import math

__all__ = ("is_positive",)


def is_positive(value: object) -> bool:
    """Whether a value is a number above 0, which may be infinite. True and False are not numbers here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= math.inf
