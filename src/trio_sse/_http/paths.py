"""Paths: patterns such as `/rooms/:room/events`, and the raw paths of requests.

Owns the grammar of patterns, the splitting and percent-decoding of request paths, and which text may be the value of a
path parameter. It does not know routes, methods or parameter types.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import attrs

from .._ground.text import CONTROL, SURROGATE
from ..errors import BadRequest, BuildError

__all__ = ("NOTHING_HERE", "NO_VALUES", "Path", "PathParams", "is_value", "request_segments", "to_path")

NOTHING_HERE: Final = "There is nothing at this path."
"""What a 404 says, whether no route has the path or a parameter does not fit its type."""

NO_VALUES: Final = frozenset(("", ".", ".."))
"""Segments that no path parameter matches. Clients resolve dot segments before they send a request, also where the dots
are percent-encoded (WHATWG URL, 4.4), so that a URL with such a value would lead elsewhere. A request that has one all
the same was not sent by a browser, and is answered like any path that no route has: with a 404."""


@attrs.frozen
class Path:
    """A parsed pattern: literal segments, and `:name` segments, each of which matches one segment.

    Attributes:
        segments: The segments as they are written in the pattern, without the slashes.
    """

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: object) -> Path:
        """Parse a pattern.

        Raises:
            BuildError: The text does not follow the grammar; the message says how to write it.
        """
        if not isinstance(text, str):
            raise BuildError(f"a route begins with its path, as in Get('/rooms/:room'), not with {text!r}")
        if not text.startswith("/"):
            raise BuildError(f"path {text!r} must begin with '/'; write {'/' + text!r}")
        segments = tuple(text.removesuffix("/").split("/")[1:])
        for segment in segments:
            _check_segment(text, segment)
        path = cls(segments)
        _check_names(text, path.names)
        return path

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(segment[1:] for segment in self.segments if segment.startswith(":"))

    def under(self, prefix: Path) -> Path:
        """This pattern with a prefix in front of it.

        Raises:
            BuildError: Both have a parameter of the same name.
        """
        joined = Path(prefix.segments + self.segments)
        _check_names(str(joined), joined.names)
        return joined

    def fill(self, values: Mapping[str, str]) -> str:
        """The path with a value in place of each parameter, percent-encoded."""
        return "/" + "/".join(quote(segment, safe="") for segment in self.filled(values))

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The segments with a value in place of each parameter, as `request_segments` returns them."""
        return tuple(values[part[1:]] if part.startswith(":") else part for part in self.segments)

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)


class PathParams(dict[str, Any]):
    """The values of the path parameters, as `params.room` and as `params["room"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no path parameter {name!r}; there is {', '.join(self) or 'none'}") from None


def to_path(path: str | Path) -> Path:
    """A parsed pattern. A text is parsed."""
    return path if isinstance(path, Path) else Path.parse(path)


def is_value(text: str) -> bool:
    """Whether a request can have this text as the value of a path parameter."""
    return text not in NO_VALUES and not CONTROL.search(text) and not SURROGATE.search(text)


def request_segments(raw_path: bytes, root_path: str = "") -> tuple[str, ...]:
    """Split a raw request path and percent-decode each segment once.

    Splitting comes first, so an encoded slash stays inside its segment. One trailing slash is ignored. `root_path`
    (where the app is mounted) is taken off when the path begins with it.

    Dot segments are returned like other segments. They match no route; `NO_VALUES` says why.

    Raises:
        BadRequest: A segment has a control character or is not UTF-8, or the target is not a path (`OPTIONS *`).
    """
    if raw_path and not raw_path.startswith(b"/"):
        raise BadRequest("The request target is not a path.")
    text = raw_path.decode("latin-1")
    raw = text.removesuffix("/").split("/")[1:]
    literal = "%" not in text and text.isascii() and text.isprintable()
    segments = tuple(raw) if literal else tuple([_decode(each) for each in raw])
    root = tuple(root_path.removesuffix("/").split("/")[1:])
    return segments[len(root) :] if segments[: len(root)] == root else segments


def raw_path_of(path: str) -> bytes:
    """The raw path, for a server that passes only the decoded one."""
    return quote(path, errors="surrogatepass").encode("ascii")


def _decode(raw: str) -> str:
    try:
        segment = unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path is not valid UTF-8.") from None
    if CONTROL.search(segment):
        raise BadRequest("The path holds a control character.")
    return segment


def _check_segment(text: str, segment: str) -> None:
    if not segment:
        raise BuildError(f"path {text!r} has an empty segment; write one '/' between segments")
    if segment in NO_VALUES:
        raise BuildError(
            f"path {text!r} has the segment {segment!r}, which clients resolve before they send a request, so that no "
            "request would match; write the path without it"
        )
    if segment.startswith(":"):
        name = segment[1:]
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BuildError(f"path {text!r}: {segment!r} must be ':' and a Python name, as in ':room'")
    elif re.search(r"[:?#%\s]", segment) or not is_value(segment):
        raise BuildError(
            f"path {text!r}: segment {segment!r} is literal text and may not hold ':', '?', '#', '%' or white space; "
            "a parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded"
        )


def _check_names(text: str, names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BuildError(f"path {text!r} names the parameter {name!r} twice; give each its own name")
