"""The headers of a response: how those from several places become one list, and how they are checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .._ground.text import NOT_IN_A_HEADER, ascii_lower
from .headers import shown

__all__ = (
    "HeaderItems",
    "HeaderPairs",
    "RawHeaders",
    "check_settable",
    "checked",
    "encoded",
    "merged",
    "without_representation",
)

HeaderItems = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers as users write them: a mapping, or pairs if a name comes twice."""

HeaderPairs = tuple[tuple[str, str], ...]
"""Headers as pairs of text, with names in lower case."""

RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Headers as ASGI has them."""

_OF_THE_CONNECTION: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "trailer"})
"""Headers that the server sets (RFC 9110, 7.6.1)."""

_OF_THE_REPRESENTATION: Final = frozenset(
    {
        *(b"cache-control", b"etag", b"expires", b"last-modified", b"accept-ranges"),
        *(b"content-type", b"content-length", b"content-encoding", b"content-language", b"content-location"),
        *(b"content-disposition", b"content-range"),
    }
)
"""Headers that describe the content of a success, and must not describe that of an error."""


def checked(headers: HeaderItems) -> HeaderPairs:
    """The headers as pairs, with names in lower case.

    Raises:
        ValueError: One cannot be sent. After a line break, the rest of a value would be read as further headers.
    """
    items: Any = getattr(headers, "items", None)
    pairs: Any = headers if items is None else items()
    found = tuple((ascii_lower(name), value) for name, value in pairs)
    for name, value in found:
        if not name or NOT_IN_A_HEADER.search(name + value):
            raise ValueError(
                f"header {name!r}: {shown(name, value)!r} cannot be sent; a header has no control characters"
            )
        (name + value).encode("latin-1")
    return found


def check_settable(headers: HeaderPairs) -> None:
    """Check headers that are set before it is known what is sent.

    Raises:
        ValueError: The server sets this header itself, or it depends on the body.
    """
    for name, _ in headers:
        if name in _OF_THE_CONNECTION or name == "content-length":
            raise ValueError(f"the server sets the header {name!r} itself")


def encoded(headers: HeaderPairs) -> RawHeaders:
    """The headers as ASGI has them."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def merged(weak: RawHeaders, strong: RawHeaders) -> RawHeaders:
    """The headers of two places. A name in both has the value of the second; cookies are kept, and Vary is joined."""
    if not weak or not strong:
        return strong or weak
    replaced = {name for name, _ in strong} - {b"set-cookie"}
    vary = [value for name, value in (*weak, *strong) if name == b"vary"]
    kept = tuple(pair for pair in weak if pair[0] not in replaced)
    if len(vary) < 2 or b"vary" not in replaced:
        return (*kept, *strong)
    names = dict.fromkeys(part.strip() for value in vary for part in value.split(b","))
    return (*kept, *(pair for pair in strong if pair[0] != b"vary"), (b"vary", b", ".join(names)))


def without_representation(headers: RawHeaders) -> RawHeaders:
    """The headers without those that describe the content."""
    return tuple(pair for pair in headers if pair[0] not in _OF_THE_REPRESENTATION)
