"""Path patterns such as `/rooms/:room/events`, and the raw request paths that they are held against.

Owns the pattern's grammar and the one place where a request path is split and percent-decoded. Knows nothing of
routes, methods or parameter types.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import attrs

from ..errors import BadRequest, BuildError

__all__ = ("CONTROL", "Path", "PathParams", "request_segments", "to_path")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@attrs.frozen
class Path:
    """A parsed pattern: literal segments, and `:name` segments that match any one segment.

    Attributes:
        segments: The pattern's segments as they were written, without the slashes.
    """

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: object) -> Path:
        """Parse a pattern.

        Raises:
            BuildError: The pattern does not follow the grammar; the message says how to write it.
        """
        if not isinstance(text, str):
            raise BuildError(f"a route begins with its path, as in Get('/rooms/:room'), not with {text!r}")
        if not text.startswith("/"):
            raise BuildError(f"path {text!r} must begin with '/'; write {'/' + text!r}")
        segments = tuple(_strip_slash(text).split("/")[1:])
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
        """This pattern behind a prefix.

        Raises:
            BuildError: Both name the same parameter.
        """
        joined = Path(prefix.segments + self.segments)
        _check_names(str(joined), joined.names)
        return joined

    def fill(self, values: Mapping[str, str]) -> str:
        """The path in which each parameter is replaced by a value, percent-encoded."""
        return "/" + "/".join(quote(segment, safe="") for segment in self.filled(values))

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The segments in which each parameter is replaced by a value, as a request for them is read."""
        return tuple(values[part[1:]] if part.startswith(":") else part for part in self.segments)

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)


class PathParams(dict[str, Any]):
    """The path parameters, as `params.room` and as `params["room"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no path parameter {name!r}; there is {', '.join(self) or 'none'}") from None


def to_path(path: str | Path) -> Path:
    """A pattern, or the text of one."""
    return path if isinstance(path, Path) else Path.parse(path)


def request_segments(raw_path: bytes, root_path: str = "") -> tuple[str, ...]:
    """Split a raw request path and percent-decode each segment once.

    Splitting comes first, so an encoded slash stays inside its segment. One trailing slash is ignored. `root_path`
    (where the app is mounted) is taken off when the path begins with it.

    Dot segments are literal text: clients resolve them before they ask (WHATWG URL, 4.4).

    Raises:
        BadRequest: A segment holds a control character or is not UTF-8, or the target is not a path (`OPTIONS *`).
    """
    if raw_path and not raw_path.startswith(b"/"):
        raise BadRequest("The request target is not a path.")
    segments = tuple(_decode(raw) for raw in _strip_slash(raw_path.decode("latin-1")).split("/")[1:])
    root = tuple(_strip_slash(root_path).split("/")[1:])
    return segments[len(root) :] if segments[: len(root)] == root else segments


def raw_path_of(path: str) -> bytes:
    """The raw path for a server that gives only the decoded one."""
    return quote(path, errors="surrogatepass").encode("ascii")


def _strip_slash(path: str) -> str:
    return path.removesuffix("/")


def _decode(raw: str) -> str:
    if "%" not in raw and raw.isascii() and raw.isprintable():
        return raw
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
    if segment.startswith(":"):
        name = segment[1:]
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BuildError(f"path {text!r}: {segment!r} must be ':' and a Python name, as in ':room'")
    elif re.search(r"[:?#%\s]", segment) or CONTROL.search(segment):
        raise BuildError(
            f"path {text!r}: segment {segment!r} is literal text and may not hold ':', '?', '#', '%' or white space; "
            "a parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded"
        )


def _check_names(text: str, names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BuildError(f"path {text!r} names the parameter {name!r} twice; give each its own name")
