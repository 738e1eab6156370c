"""The response that a plain handler may return.

Owns `Response`: its checks, its headers and its body. Pure: no I/O, no Trio. It does not know how a response is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from .._ground.text import NOT_IN_A_HEADER, ascii_lower
from .headers import shown

__all__ = ("Response",)

WITHOUT_CONTENT = frozenset({204, 304})
"""Statuses whose response ends with its headers (RFC 9110, 6.4.1)."""


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    items: Any = getattr(headers, "items", None)
    pairs: Any = headers if items is None else items()
    return tuple((ascii_lower(name), value) for name, value in pairs)


def _shown_pairs(headers: tuple[tuple[str, str], ...]) -> str:
    return repr(tuple((name, shown(name, value)) for name, value in headers))


def _check_content(_response: object, _field: object, content: object) -> None:
    if isinstance(content, str):
        content.encode()


def _check_status(response: Response, _field: object, status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"a response has a status from 200 to 599, not {status!r}")
    if (status in WITHOUT_CONTENT or status == 205) and response.content not in (b"", ""):  # RFC 9110, 15.3.6
        raise ValueError(f"a {status} response has no content")


def _check_headers(_response: object, _field: object, headers: tuple[tuple[str, str], ...]) -> None:
    # After a line break, the rest of a value would be read as further headers.
    for name, value in headers:
        if not name or NOT_IN_A_HEADER.search(name + value):
            raise ValueError(
                f"header {name!r}: {shown(name, value)!r} cannot be sent; a header has no control characters"
            )
        (name + value).encode("latin-1")


@attrs.frozen
class Response:
    """The response of a plain handler, for a handler that needs more than a value with status 200.

    `Response(order, status=201, headers={"location": …})` has the same JSON body as the order itself. The repr masks
    headers that may be secret, such as Set-Cookie.

    Attributes:
        content: The body. Text is sent as UTF-8, bytes unchanged, anything else as JSON by the app's encoder.
        status: The HTTP status, from 200 to 599.
        media_type: The Content-Type. Without it, and without a `content-type` among the headers, it is
            `text/plain; charset=utf-8` for text, `application/octet-stream` for bytes, and `application/json` for
            other content.
        headers: Further headers: a mapping, or pairs if a name comes twice (Set-Cookie). They are kept as pairs, with
            names in lower case.

    Raises:
        ValueError: It cannot be sent: a header has a line break, there is content with status 204, …
    """

    content: object = attrs.field(default=b"", validator=_check_content)
    status: int = attrs.field(default=200, kw_only=True, validator=_check_status)
    media_type: str | None = attrs.field(default=None, kw_only=True)
    headers: tuple[tuple[str, str], ...] = attrs.field(
        default=(), kw_only=True, converter=_pairs, validator=_check_headers, repr=_shown_pairs
    )

    def encoded(self, json: Callable[[object], str | bytes]) -> Response:
        """The same response with a body of text or bytes: other content is encoded as JSON."""
        if isinstance(self.content, str | bytes):
            return self
        return attrs.evolve(self, content=json(self.content), media_type=self.media_type or "application/json")

    def body(self) -> bytes:
        """The bytes of the body.

        Raises:
            TypeError: The content is neither text nor bytes: call `encoded` first.
        """
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return self.content.encode()
        raise TypeError(f"content of type {type(self.content).__name__} has yet to be encoded")

    def header_pairs(self) -> list[tuple[bytes, bytes]]:
        """The headers for ASGI, with content type and length."""
        headers = self.headers if self.status in WITHOUT_CONTENT else (*self.headers, *self._content_headers())
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def _content_headers(self) -> Iterator[tuple[str, str]]:
        given = {name for name, _ in self.headers}
        default = "text/plain; charset=utf-8" if isinstance(self.content, str) else "application/octet-stream"
        if "content-type" not in given:
            yield "content-type", self.media_type or default
        if "content-length" not in given:
            yield "content-length", str(len(self.body()))
