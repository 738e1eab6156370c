"""Checks of values that users pass as options.

Owns the checks that several rooms share. It raises nothing: the caller knows the name of its option.
"""

from __future__ import annotations

import math

__all__ = ("is_positive",)


def is_positive(value: object) -> bool:
    """Whether a value is a number above 0, which may be infinite. True and False do not count as numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= math.inf
