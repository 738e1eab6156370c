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

__all__ = (
    "NOTHING_HERE",
    "NO_VALUES",
    "Path",
    "PathParams",
    "is_rest",
    "is_value",
    "read_rest",
    "request_segments",
    "to_path",
)

NOTHING_HERE: Final = "There is nothing at this path."
"""What a 404 says, whether no route has the path or a parameter does not fit its type."""

NO_VALUES: Final = frozenset(("", ".", ".."))
"""Segments that no path parameter matches. Clients resolve dot segments before they send a request, also where the dots
are percent-encoded (WHATWG URL, 4.4), so that a URL with such a value would lead elsewhere. A request that has one all
the same was not sent by a browser, and is answered like any path that no route has: with a 404."""

FOREIGN: Final = re.compile(
    r"""\{(?P<name>[^\W\d]\w*)(:(?P<kind>\w+))?\}    # FastAPI, Starlette, Litestar
    | <((?P<kind_before>\w+):)?(?P<name_after>[^\W\d]\w*)>  # Flask, Django""",
    re.VERBOSE,
)
"""A segment that is a parameter in other frameworks. Here it would be literal text, which no client sends."""

TYPES: Final = {"int": "int", "float": "float", "decimal": "Decimal", "uuid": "UUID"}
"""The annotations for the types that other frameworks write into the path."""


@attrs.frozen
class Path:
    """A parsed pattern: literal segments, and parameters.

    `:name` matches one segment. `*name`, which is the last segment, matches the rest of a path: one segment or more.

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
        _check_parameters(text, path)
        return path

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(segment[1:] for segment in self.segments if _is_parameter(segment))

    @property
    def literals(self) -> tuple[str, ...]:
        """The segments that are literal text, in order."""
        return tuple(segment for segment in self.segments if not _is_parameter(segment))

    @property
    def rest(self) -> str | None:
        """The name of the parameter that takes the rest of a path, if there is one."""
        last = self.segments[-1] if self.segments else ""
        return last[1:] if last.startswith("*") else None

    def under(self, prefix: Path) -> Path:
        """This pattern with a prefix in front of it.

        Raises:
            BuildError: Both have a parameter of the same name, or the prefix takes the rest of a path.
        """
        joined = Path(prefix.segments + self.segments)
        _check_parameters(str(joined), joined)
        return joined

    def fill(self, values: Mapping[str, str]) -> str:
        """The path with a value in place of each parameter, percent-encoded."""
        return "/" + "/".join(quote(segment, safe="") for segment in self.filled(values))

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The segments with a value in place of each parameter, as `request_segments` returns them."""
        one_each = self.segments if self.rest is None else self.segments[:-1]
        filled = tuple(values[part[1:]] if part.startswith(":") else part for part in one_each)
        return filled if self.rest is None else (*filled, *values[self.rest].split("/"))

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


def is_rest(text: str) -> bool:
    """Whether a request can have this text as the rest of its path."""
    return all(map(is_value, text.split("/")))


def read_rest(segments: tuple[str, ...]) -> str | None:
    """The rest of a path as the value of a parameter, or None if it cannot be one.

    Each segment must be one that a parameter could have, as `NO_VALUES` says. A segment with an encoded slash cannot be
    part of it either: in the text it would look like two segments, so that `..%2Fsecret` would lead out of a directory
    after all, and two paths would have the same value.
    """
    if any(segment in NO_VALUES or "/" in segment for segment in segments):
        return None
    return "/".join(segments) or None


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
    _check_foreign(text, segment)
    if _is_parameter(segment):
        sign, name = segment[0], segment[1:]
        if not name.isidentifier() or keyword.iskeyword(name):
            example = ":room" if sign == ":" else "*path"
            raise BuildError(f"path {text!r}: {segment!r} must be {sign!r} and a Python name, as in {example!r}")
    elif re.search(r"[:?#%\s]", segment) or not is_value(segment):
        raise BuildError(
            f"path {text!r}: segment {segment!r} is literal text and may not hold ':', '?', '#', '%' or white space; "
            "a parameter is a whole segment, as in '/rooms/:room', and literal text is written decoded"
        )


def _is_parameter(segment: str) -> bool:
    return segment.startswith((":", "*"))


def _check_foreign(text: str, segment: str) -> None:
    found = FOREIGN.fullmatch(segment)
    if found is None:
        return
    name, kind = found["name"] or found["name_after"], found["kind"] or found["kind_before"]
    ours = f"*{name}" if kind == "path" else f":{name}"
    hint = f", and annotate it in the handler, as in '{name}: {TYPES[kind]}'" if kind in TYPES else ""
    raise BuildError(f"path {text!r}: {segment!r} would be literal text; write the parameter as {ours!r}{hint}")


def _check_parameters(text: str, path: Path) -> None:
    for name in path.names:
        if path.names.count(name) > 1:
            raise BuildError(f"path {text!r} names the parameter {name!r} twice; give each its own name")
    for segment in path.segments[:-1]:
        if segment.startswith("*"):
            raise BuildError(f"path {text!r}: {segment!r} takes the rest of the path, so that nothing can follow it")
