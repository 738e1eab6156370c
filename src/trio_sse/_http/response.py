"""The response that a plain handler may return. Pure: no I/O, no Trio.

Owns its checks and its headers. It does not know how a response is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from .headers import NOT_IN_A_HEADER

__all__ = ("Response",)

WITHOUT_CONTENT = frozenset({204, 304})
"""Statuses whose response ends after the headers (RFC 9110, 6.4.1)."""


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
        if not name or NOT_IN_A_HEADER.search(name + value):
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
