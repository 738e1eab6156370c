"""Checks of values that users pass as options.

Owns the checks that several parts of the package share.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from ..errors import BuildError

__all__ = ("check_seconds", "is_positive")


def is_positive(value: object) -> bool:
    """Whether a value is a number above 0; infinity is. True and False are not numbers here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= math.inf


def check_seconds(_owner: object, field: attrs.Attribute[Any], value: object) -> None:
    """A validator of attrs, for a number of seconds.

    Raises:
        BuildError: The value is not a number above 0.
    """
    if not is_positive(value):
        raise BuildError(f"{field.name} is a number of seconds above 0, not {value!r}")
