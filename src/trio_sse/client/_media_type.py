"""The media type of a response, as browsers determine it.

Owns WHATWG Fetch's "extract a MIME type". It does not know responses, only the values of their `Content-Type` headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ("media_type",)

_PART: Final = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))*', re.DOTALL)
"""Text up to a comma outside quoted strings. The last quoted string may be unterminated."""

_ESSENCE: Final = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+/[A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t\r\n]*(?:;|\Z)", re.DOTALL)
"""A type and a subtype (MIME Sniffing, 4.4). Parameters are ignored, also invalid ones."""


def media_type(values: Iterable[bytes]) -> bytes | None:
    """The media type in lower case, without parameters; None if there is none.

    If there are several, in one header or in more, the last one that is valid and not `*/*` counts. Servers behind a
    proxy do send two.
    """
    found = None
    for part in _split(b", ".join(values)):
        match = _ESSENCE.match(part.strip(b" \t\r\n"))
        if match and match[1] != b"*/*":
            found = match[1].lower()
    return found


def _split(value: bytes) -> Iterator[bytes]:
    """The parts between the commas: Fetch's "get, decode, and split"."""
    start = 0
    while match := _PART.match(value, start):
        yield match[0]
        if match.end() == len(value):
            return
        start = match.end() + 1
