"""Text from outside the program, in messages and logs: what cannot be printed is shown as an escape.

Owns that one rule. It does not know where a text comes from or where it is shown.
"""

from __future__ import annotations

__all__ = ("escape",)


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
