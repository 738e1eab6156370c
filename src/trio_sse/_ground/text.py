r"""Text from outside the program: which characters have no place in it, how it is compared, and how it is shown.

Owns the sets of characters, the ASCII forms of `lower` and `strip`, and the escapes of messages and logs. Protocols
define lower case and white space for ASCII alone, while `str.lower` and `str.strip` apply to all of Unicode:
`"\xa0name".strip()` is `"name"`, and the Kelvin sign in lower case is `"k"`, so that two different texts would be taken
for one. It does not know where a text comes from, or where it is shown.
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase
from typing import Final

__all__ = ("CONTROL", "NOT_IN_A_HEADER", "SURROGATE", "ascii_lower", "escape", "strip_blanks")

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


def escape(text: str) -> str:
    r"""The text, with each character that cannot be printed as a Python escape.

    A peer that puts ESC or a line break into a header could otherwise control the terminal that shows a message, or
    forge a line of a log. Backslashes stay as they are, so escaping a text twice changes nothing more.

    >>> escape("red: \x1b[31m, größe ✓")
    'red: \\x1b[31m, größe ✓'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
