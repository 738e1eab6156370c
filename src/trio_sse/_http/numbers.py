"""Numbers: which text is a finite number.

Python reads more than numbers: `float` and `Decimal` take `nan` and `inf`, `Decimal` also `1_0`, ` 1` and the digits of
other scripts. JSON has none of these, so that they could not be sent back; and a comparison with NaN is false, so that
many a validator would accept it. Paths, queries and bodies refuse them alike.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

__all__ = ("NUMBER", "is_nonstandard_number")

NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A finite number in ASCII digits."""


def is_nonstandard_number(text: str) -> bool:
    """Whether Python would read a text as a number that is not a finite number in ASCII digits."""
    if NUMBER.fullmatch(text):
        return False
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True
