"""Text from outside the program: `lower` and `strip` for ASCII alone, characters that have no place in it, escapes."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse._ground.text import CONTROL, NOT_IN_A_HEADER, SURROGATE, ascii_lower, escape, strip_blanks


@given(st.text() | st.text(st.sampled_from("aAzZ\u212a\u0130\u00c0\u00df"), max_size=5))
def test_only_ascii_letters_become_lower_case(text: str) -> None:
    wanted = "".join(each.lower() if each in string.ascii_uppercase else each for each in text)
    assert ascii_lower(text) == wanted


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\x0b", "\x0c", "\x1c", "\x1f", "\r", "\n", "\u2003", "\u3000"])
def test_only_spaces_and_tabs_are_stripped(blank: str) -> None:
    assert f"{blank}a{blank}".strip() == "a"
    assert strip_blanks(f" \t{blank}a{blank}\t ") == f"{blank}a{blank}"


def test_the_control_characters_are_those_of_unicode() -> None:
    controls = {chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"}
    assert {chr(code) for code in range(0x110000) if CONTROL.search(chr(code))} == controls


def test_a_header_may_have_tabs_and_what_is_not_ascii() -> None:
    refused = {chr(code) for code in range(0x110000) if NOT_IN_A_HEADER.search(chr(code))}
    assert refused == {*map(chr, range(32)), "\x7f"} - {"\t"}


def test_the_surrogates_are_what_utf8_cannot_express() -> None:
    assert all(SURROGATE.search(chr(code)) for code in (0xD800, 0xDBFF, 0xDC00, 0xDFFF))
    assert not any(SURROGATE.search(chr(code)) for code in (0xD7FF, 0xE000, 0x1F600))


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
