"""Text from outside the program, in messages and logs."""

from __future__ import annotations

import pytest

from trio_sse._ground.escape import escape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("größe ✓", "größe ✓"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\\tb"),
        ("\x7f\x9b\x00", "\\x7f\\x9b\\x00"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\ud800", "\\ud800"),
        ("\\x1b", "\\x1b"),
    ],
)
def test_what_cannot_be_printed_is_an_escape(text: str, expected: str) -> None:
    assert escape(text) == expected
    assert escape(expected) == expected
