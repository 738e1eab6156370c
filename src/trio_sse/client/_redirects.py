"""Redirects: the request that follows a response with a `Location`.

Owns the rules for it: for the method those of WHATWG Fetch, "HTTP-redirect fetch", and which parts may be sent to
another origin. It does not send requests, and does not know connections or events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import httpx2

from ._errors import ConnectionFailed
from ._subscription import label_of

__all__ = ("MAX_REDIRECTS", "Redirects")

MAX_REDIRECTS: Final = 20
"""The limit of WHATWG Fetch."""

SENT_ANYWHERE: Final = frozenset(
    {b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"user-agent"}
)
"""The headers that are also sent to another origin: they describe the client, not the user."""

DESCRIBE_THE_BODY: Final = frozenset(
    {
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-location",
        b"content-type",
        b"transfer-encoding",
    }
)

MADE_FOR_EACH_REQUEST: Final = frozenset({b"cookie", b"host"})


class Redirects:
    """The redirects of one attempt.

    The server that redirects chooses the next URL. So what the user has provided for one origin is not sent to another:
    credentials, cookies that are not bound to a domain, the user's own headers, the id of the last event (which may
    reveal what the user has read), and the body. The name of a header does not tell whether its value is secret, so
    only the headers in `SENT_ANYWHERE` are sent. The same applies after a redirect back to the first origin, because
    the second server has chosen that URL. A change from `http` to `https` on the same host, with the default ports,
    does not count as another origin: it only makes the connection to the same server safer.

    Args:
        label: The source's name in errors.
        client: The client whose cookies are sent.
        request: The first request.
        own_cookies: Whether the user has given a `Cookie` header, which replaces the client's cookies.
    """

    def __init__(self, label: str, client: httpx2.AsyncClient, request: httpx2.Request, own_cookies: bool) -> None:
        self._label = label
        self._client = client
        self._own_cookies = own_cookies
        self.request = request
        self.at_home = True

    def follow(self, status: int, location: httpx2.URL) -> None:
        """Replace `request` with the one to the location of a redirect.

        Raises:
            ConnectionFailed: The location is not an HTTP URL, or the request has a body that must not be sent there.
        """
        last = self.request
        if location.scheme not in ("http", "https"):
            raise ConnectionFailed(self._label, f"redirected to {label_of(location)}, which is not an HTTP URL")
        self.at_home = self.at_home and _same_server(last.url, location)
        method = _method_after(status, last.method)
        content = last.content if method == last.method else b""
        if content and not self.at_home:
            raise ConnectionFailed(
                self._label,
                f"redirected ({status}) to {label_of(location)}: the request's body is not sent to another origin; "
                "use that URL if you trust it",
            )
        self.request = httpx2.Request(
            method,
            self._with_user(location),
            headers=list(self._headers(last, location, keep_body=method == last.method)),
            cookies=self._cookies(),
            content=content or None,
            extensions=last.extensions,
        )

    def _headers(self, last: httpx2.Request, location: httpx2.URL, *, keep_body: bool) -> Iterable[tuple[bytes, bytes]]:
        same_origin = last.url.origin == location.origin
        for name, value in last.headers.raw:
            key = name.lower()
            if not self.at_home:
                kept = key in SENT_ANYWHERE
            elif key in MADE_FOR_EACH_REQUEST:
                kept = same_origin if key == b"host" else self._own_cookies
            else:
                kept = keep_body or key not in DESCRIBE_THE_BODY
            if kept:
                yield name, value

    def _cookies(self) -> httpx2.Cookies:
        """The client's cookies. httpx2 sends those that match the domain; one without a domain would match all."""
        if self.at_home:
            return self._client.cookies
        bound = httpx2.Cookies()
        for cookie in self._client.cookies.jar:
            if cookie.domain:
                bound.jar.set_cookie(cookie)
        return bound

    def _with_user(self, location: httpx2.URL) -> httpx2.URL:
        """The location, with the user and password of the last URL if it has none."""
        userinfo = self.request.url.userinfo
        if self.at_home and userinfo and not location.userinfo:
            return location.copy_with(userinfo=userinfo)
        return location


def _method_after(status: int, method: str) -> str:
    """The method of the next request. If it changes, the body is dropped."""
    if status in (301, 302) and method == "POST":
        return "GET"
    if status == 303 and method not in ("GET", "HEAD"):
        return "GET"
    return method


def _same_server(url: httpx2.URL, location: httpx2.URL) -> bool:
    """Whether the location has the same origin, or the same host with HTTPS in place of HTTP."""
    here, there = url.origin, location.origin
    upgrade = ("http", here.host, 80, "https", 443) == (here.scheme, there.host, here.port, there.scheme, there.port)
    return here == there or upgrade
