"""The response that a plain handler may return: `Response`, and `Redirect`.

Owns their checks, their headers and their body. Pure: no I/O, no Trio. It does not know how a response is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterator
from typing import Any, Final, Unpack
from urllib.parse import quote

import attrs

from .headers import shown
from .response_headers import HeaderItems, HeaderPairs, RawHeaders, checked, encoded
from .set_cookie import CookieAttributes, deleted_cookie, set_cookie

__all__ = ("Redirect", "Response")

WITHOUT_CONTENT = frozenset({204, 304})
"""Statuses whose response ends with its headers (RFC 9110, 6.4.1)."""

_KEPT_IN_A_URL: Final = "%/?#[]@!$&'()*+,;=:~"
"""What a Location may have unquoted: the reserved characters (RFC 3986, 2.2), and `%`, since it is quoted already."""


def _shown_pairs(headers: HeaderPairs) -> str:
    return repr(tuple((name, shown(name, value)) for name, value in headers))


def _check_content(_response: object, _field: object, content: object) -> None:
    if isinstance(content, str):
        content.encode()
    if inspect.isgenerator(content):
        raise ValueError(f"{content!r} is a synchronous generator, which would block all others: write 'async def'")


def _check_status(response: Response, _field: object, status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"a response has a status from 200 to 599, not {status!r}")
    if (status in WITHOUT_CONTENT or status == 205) and response.content not in (b"", ""):  # RFC 9110, 15.3.6
        raise ValueError(f"a {status} response has no content")


@attrs.frozen
class Response:
    """The response of a plain handler, for a handler that needs more than a value with status 200.

    `Response(order, status=201, headers={"location": …})` has the same JSON body as the order itself. The repr masks
    headers that may be secret, such as Set-Cookie.

    Attributes:
        content: The body. Text is sent as UTF-8, bytes unchanged. An async iterable of bytes or text is sent piece by
            piece, and closed by the task that reads it. Anything else is sent as JSON by the app's encoder.
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
    headers: HeaderPairs = attrs.field(default=(), kw_only=True, converter=checked, repr=_shown_pairs)

    def set_cookie(self, name: str, value: str, **attributes: Unpack[CookieAttributes]) -> Response:
        """The same response with a cookie: `return Redirect("/").set_cookie("session", token)`.

        A response is a value, so that one that several requests share cannot carry the cookie of one of them: use what
        this returns.

        Args:
            name: The cookie's name.
            value: Its value: ASCII without spaces, quotes, commas, semicolons and backslashes.
            **attributes: See `CookieAttributes`. A cookie is secure, hidden from scripts and not sent with requests
                from other sites, unless they say otherwise.

        Raises:
            ValueError: A browser would refuse the cookie, or read it in another way.
        """
        return self._with_cookie(set_cookie(name, value, **attributes))

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> Response:
        """The same response, which deletes a cookie; `path` and `domain` are those with which it was set."""
        return self._with_cookie(deleted_cookie(name, path=path, domain=domain))

    def _with_cookie(self, cookie: str) -> Response:
        headers = (*self.headers, ("set-cookie", cookie))
        return Response(self.content, status=self.status, media_type=self.media_type, headers=headers)

    def encoded(self, json: Callable[[object], str | bytes]) -> Response:
        """The same response with a body of text, bytes or pieces of them: other content is encoded as JSON."""
        if isinstance(self.content, str | bytes) or self.pieces is not None:
            return self
        return attrs.evolve(self, content=json(self.content), media_type=self.media_type or "application/json")

    @property
    def pieces(self) -> AsyncIterable[object] | None:
        """The content, if it is sent piece by piece."""
        content: Any = self.content
        return content if hasattr(content, "__aiter__") else None

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

    def header_pairs(self) -> RawHeaders:
        """The headers for ASGI, with content type and length."""
        own = self.headers if self.status in WITHOUT_CONTENT else (*self.headers, *self._content_headers())
        return encoded(own)

    def _content_headers(self) -> Iterator[tuple[str, str]]:
        given = {name for name, _ in self.headers}
        default = "text/plain; charset=utf-8" if isinstance(self.content, str) else "application/octet-stream"
        if "content-type" not in given and (self.media_type or self.content != b""):
            yield "content-type", self.media_type or default
        if "content-length" not in given and self.pieces is None:
            yield "content-length", str(len(self.body()))


class Redirect(Response):
    """Sends the client to another URL: `return Redirect("/login")`.

    Args:
        location: The URL. It may be a path, as `url` makes it; characters that a URL cannot have are quoted. Do not
            take it from the request without a check: a link to your site could then lead to any other.
        status: 303, the default, makes the client ask with GET, as after a form; 307 and 308 keep the method.
        headers: Further headers.

    Raises:
        ValueError: The status is not one of a redirect, or a header cannot be sent.
    """

    def __init__(self, location: str, *, status: int = 303, headers: HeaderItems = ()) -> None:
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"a redirect has the status 301, 302, 303, 307 or 308, not {status!r}")
        pairs = (*checked(headers), *checked([("location", quote(location, safe=_KEPT_IN_A_URL))]))
        super().__init__(status=status, headers=pairs)
