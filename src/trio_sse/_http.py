"""HTTP values: what a request says and what a plain handler may return. Pure: no I/O, no Trio.

Owns `Request`, `Values` (headers, query), `Response` and the reading of Accept, Cookie and Last-Event-ID. It does not
know routes or the ASGI messages of a response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from ._errors import BadRequest

__all__ = ("TOKEN", "Request", "Response", "Values")

MAX_LAST_EVENT_ID = 1024
"""Bytes of a Last-Event-ID that are believed; a longer one counts as absent."""

WITHOUT_CONTENT = frozenset({204, 304})
"""Statuses whose response ends after the headers (RFC 9110, 6.4.1)."""

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A name of a header (RFC 9110, 5.6.2), and of a cookie (RFC 6265, 4.1.1)."""

_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold (RFC 9110, 5.5): the control characters but for the tab."""


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
            self._items.setdefault(self._key(name), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._items[self._key(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a name, in order; none is an empty tuple."""
        return tuple(self._items.get(self._key(name), ()))

    def __eq__(self, other: object) -> bool:
        """Equal to other `Values` with all the same values, and to a mapping with the same first ones."""
        return self._items == other._items if isinstance(other, Values) else dict(self) == other

    __hash__ = None  # type: ignore[assignment]  # as every mapping

    def _key(self, name: str) -> str:
        return name.lower() if self._fold else name

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
        for pair in ";".join(self.headers.all("cookie")).split(";"):
            name, found, value = (part.strip() for part in pair.partition("="))
            if found:
                cookies.setdefault(name, _unquote(value))
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
        return text if text and not _NOT_IN_A_HEADER.search(text) else None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    items: Any = getattr(headers, "items", None)
    pairs: Any = headers if items is None else items()
    return tuple((name.lower(), value) for name, value in pairs)


def _check_content(_response: object, _field: object, content: object) -> None:
    if isinstance(content, str):
        content.encode()


def _check_status(response: Response, _field: object, status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"a response has a status from 200 to 599, not {status!r}")
    if (status in WITHOUT_CONTENT or status == 205) and response.content not in (b"", ""):  # RFC 9110, 15.3.6
        raise ValueError(f"a {status} response has no content")


def _check_headers(_response: object, _field: object, headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse what no header may hold: after a line break the rest would pass for headers of its own."""
    for name, value in headers:
        if not name or _NOT_IN_A_HEADER.search(name + value):
            raise ValueError(f"header {name!r}: {value!r} cannot be sent; a header holds no control characters")
        (name + value).encode("latin-1")


@attrs.frozen
class Response:
    """A response that a plain HTTP handler builds itself, where it is not just a value with status 200.

    `Response(order, status=201, headers={"location": …})` is JSON, as the order itself would be.

    Attributes:
        content: The body. Text goes out as UTF-8, bytes as they are, anything else as the app's JSON.
        status: The HTTP status, from 200 to 599.
        media_type: The Content-Type; `text/plain; charset=utf-8` for text, `application/octet-stream` for bytes and
            `application/json` for the rest, unless named here or among the headers.
        headers: Further headers; a mapping, or pairs where a name comes twice (Set-Cookie). They are kept as pairs,
            with names in lower case.

    Raises:
        ValueError: It cannot be sent: a header with a line break, content with status 204, …
    """

    content: object = attrs.field(default=b"", validator=_check_content)
    status: int = attrs.field(default=200, kw_only=True, validator=_check_status)
    media_type: str | None = attrs.field(default=None, kw_only=True)
    headers: tuple[tuple[str, str], ...] = attrs.field(
        default=(), kw_only=True, converter=_pairs, validator=_check_headers
    )

    def encoded(self, json: Callable[[object], str | bytes]) -> Response:
        """The same with a body of text or bytes: what is neither is written as JSON."""
        if isinstance(self.content, str | bytes):
            return self
        return attrs.evolve(self, content=json(self.content), media_type=self.media_type or "application/json")

    def body(self) -> bytes:
        """The content as it is sent.

        Raises:
            TypeError: It has yet to be written as JSON.
        """
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return self.content.encode()
        raise TypeError(f"content of type {type(self.content).__name__} has yet to be encoded")

    def header_pairs(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI wants them, with content type and length."""
        headers = self.headers if self.status in WITHOUT_CONTENT else (*self.headers, *self._content_headers())
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def _content_headers(self) -> Iterator[tuple[str, str]]:
        given = {name for name, _ in self.headers}
        default = "text/plain; charset=utf-8" if isinstance(self.content, str) else "application/octet-stream"
        if "content-type" not in given:
            yield "content-type", self.media_type or default
        if "content-length" not in given:
            yield "content-length", str(len(self.body()))


def accepts_event_stream(accept: str | None) -> bool:
    """Whether Accept leaves room for `text/event-stream`; its most specific range counts (RFC 9110, 12.5.1)."""
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
    """A weight from 0 to 1; what is none counts as 1, as if it were not there."""
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return weight if 0 <= weight <= 1 else 1.0


def _unquote(value: str) -> str:
    """A cookie's value without the double quotes that may stand around it (RFC 6265, 4.1.1)."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value
