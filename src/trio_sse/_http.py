"""HTTP values: what a request says and what a plain handler may return. Pure: no I/O, no Trio.

Owns `Request`, `Values` (headers, query), `Response` and the reading of Accept, Cookie and Last-Event-ID. It does not
know routes or the ASGI messages of a response.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import attrs

from ._errors import BadRequest

__all__ = ("Request", "Response", "Values")

MAX_LAST_EVENT_ID = 1024
"""Bytes of a Last-Event-ID that are believed; a longer one counts as absent."""


class Values(Mapping[str, str]):
    """An immutable mapping in which a name may have several values: a query string, or headers.

    `values[name]` is the first value, `values.all(name)` are all of them. Header names are lower case here and looked
    up in any case.
    """

    __slots__ = ("_fold", "_items")

    def __init__(self, pairs: Iterable[tuple[str, str]], *, fold_case: bool = False) -> None:
        self._fold = fold_case
        self._items: dict[str, list[str]] = {}
        for name, value in pairs:
            self._items.setdefault(name.lower() if fold_case else name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower() if self._fold else name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a name, in order; none is an empty tuple."""
        return tuple(self._items.get(name.lower() if self._fold else name, ()))

    def __repr__(self) -> str:
        return f"Values({self._items!r})"


class Request:
    """What the client asked, read from the ASGI scope when it is looked at.

    Attributes:
        scope: The ASGI scope, for what is not offered here.
    """

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self.scope = scope

    @property
    def method(self) -> str:
        """The method, upper case."""
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The decoded path, as the server gives it. Routing works on the raw path."""
        return str(self.scope["path"])

    @property
    def http_version(self) -> str:
        """`1.0`, `1.1`, `2` or `3`."""
        return str(self.scope.get("http_version", "1.1"))

    @property
    def client(self) -> tuple[str, int] | None:
        """The peer's address and port, where the server knows it. Behind a proxy this is the proxy."""
        client = self.scope.get("client")
        return None if client is None else (client[0], client[1])

    @cached_property
    def headers(self) -> Values:
        """The headers, by lower-case name."""
        pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.scope["headers"])
        return Values(pairs, fold_case=True)

    @cached_property
    def query(self) -> Values:
        """The query string, decoded once.

        Raises:
            BadRequest: It is not UTF-8.
        """
        try:
            text = self.scope.get("query_string", b"").decode("ascii")
            return Values(parse_qsl(text, keep_blank_values=True, errors="strict"))
        except UnicodeDecodeError:
            raise BadRequest("The query string is not valid percent-encoded UTF-8.") from None

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies, by name; the first one wins where a name comes twice."""
        cookies: dict[str, str] = {}
        for pair in "; ".join(self.headers.all("cookie")).split(";"):
            name, found, value = pair.strip().partition("=")
            if found:
                cookies.setdefault(name, value.strip('"'))
        return cookies

    @property
    def last_event_id(self) -> str | None:
        """The id after which a reconnecting client wants to go on.

        None when there is none, and when what was sent cannot be an id (not UTF-8, over `MAX_LAST_EVENT_ID` bytes, or
        with a control character): such a client starts afresh, since any error status would end its EventSource.
        """
        raw = next((value for name, value in self.scope["headers"] if name == b"last-event-id"), b"")
        try:
            text = raw.decode("utf-8") if len(raw) <= MAX_LAST_EVENT_ID else ""
        except UnicodeDecodeError:
            return None
        return text if text and text.isprintable() else None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


@attrs.frozen
class Response:
    """A response that a plain HTTP handler builds itself, for anything that is not JSON with status 200.

    Attributes:
        content: The body. Text goes out as UTF-8.
        status: The HTTP status.
        media_type: The Content-Type; `text/plain; charset=utf-8` for text and `application/octet-stream` for bytes
            unless named.
        headers: Further headers; a mapping, or pairs where a name comes twice (Set-Cookie).
    """

    content: str | bytes = b""
    status: int = attrs.field(default=200, kw_only=True)
    media_type: str | None = attrs.field(default=None, kw_only=True)
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = attrs.field(factory=dict, kw_only=True)

    def body(self) -> bytes:
        """The content as it is sent."""
        return self.content.encode("utf-8") if isinstance(self.content, str) else self.content

    def header_pairs(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI wants them, with content type and length."""
        given = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given]
        if self.status != 204:
            default = "text/plain; charset=utf-8" if isinstance(self.content, str) else "application/octet-stream"
            pairs.append((b"content-type", (self.media_type or default).encode("latin-1")))
            pairs.append((b"content-length", b"%d" % len(self.body())))
        return pairs


def accepts_event_stream(accept: str | None) -> bool:
    """Whether an Accept header leaves room for `text/event-stream` (RFC 9110, 12.5.1: the most specific range counts)."""
    if accept is None:
        return True
    ranges = dict(_media_ranges(accept))
    for name in ("text/event-stream", "text/*", "*/*"):
        if name in ranges:
            return ranges[name] > 0
    return not ranges


def asks_for_event_stream(accept: str | None) -> bool:
    """Whether an Accept header names `text/event-stream` itself."""
    return accept is not None and dict(_media_ranges(accept)).get("text/event-stream", 0.0) > 0


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name:
            yield name, next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
