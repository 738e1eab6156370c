"""Text from strangers: which characters have no place in it, and how it is compared.

Owns the sets of characters, and the ASCII forms of `lower` and `strip`. Protocols define both for ASCII alone, while
`str.lower` and `str.strip` apply to all of Unicode: `"\\xa0name".strip()` is `"name"`, and the Kelvin sign in lower
case is `"k"`, so that two different texts would be taken for one. It does not know where a text comes from.
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase
from typing import Final

__all__ = ("CONTROL", "NOT_IN_A_HEADER", "SURROGATE", "ascii_lower", "strip_blanks")

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""A control character of Unicode (category Cc)."""

NOT_IN_A_HEADER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""A control character that no header may contain (RFC 9110, 5.5): all those of ASCII except the tab."""

SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""Half of a character, which UTF-8 cannot express."""

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def ascii_lower(text: str) -> str:
    """The text with `A` to `Z` in lower case, and every other character unchanged."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def strip_blanks(text: str) -> str:
    """The text without spaces and tabs at its ends: HTTP's optional white space (RFC 9110, 5.6.3)."""
    return text.strip(" \t")
