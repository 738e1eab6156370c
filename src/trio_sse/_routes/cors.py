"""CORS: which pages of other origins may read the app's responses, as a setting of the app (WHATWG Fetch, 3.3).

A middleware around the app would do the same, but would stand between each event and the client. The headers are sent
with every response, errors included, since a page cannot read the status of a response without them; and a request that
asks for permission first (a preflight) is answered without a route.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from .._ground.text import ascii_lower, strip_blanks
from .._http.headers import TOKEN, Headers
from .._http.hosts import normalize_origin
from .._http.response_headers import RawHeaders
from ..errors import BuildError

__all__ = ("CORS",)

ANY: Final = "*"


CLIENTS: Final = frozenset({"cache-control", "content-type", "last-event-id"})
"""What clients that stream with fetch or XMLHttpRequest set: a JSON body's type, the id to go on from, `no-cache`."""


def _origins(values: str | Iterable[str]) -> frozenset[str]:
    texts = {values} if isinstance(values, str) else set(values)
    return frozenset(_origin(text) for text in texts)


def _origin(text: str) -> str:
    origin = text if text in (ANY, "null") else normalize_origin(text)
    if origin is None:
        raise BuildError(
            f"CORS(origins=…): {text!r} is not an origin, such as https://example.org: a scheme and a host"
        )
    return origin


def _names(values: str | Iterable[str]) -> frozenset[str]:
    return frozenset(map(ascii_lower, {values} if isinstance(values, str) else values))


def _check_origins(cors: CORS, _field: object, origins: frozenset[str]) -> None:
    if not origins:
        raise BuildError("CORS(origins=()) allows nothing: name an origin, or leave CORS out")
    if ANY in origins and (cors.credentials or len(origins) > 1):
        raise BuildError(
            "CORS(origins='*') is for all sites, none of which may act for your users: name the origins for credentials"
        )


def _check_names(_cors: object, field: attrs.Attribute[frozenset[str]], names: frozenset[str]) -> None:
    wrong = [name for name in names if not TOKEN.fullmatch(name)]
    if wrong:
        raise BuildError(f"CORS({field.name}=…): {wrong[0]!r} is not the name of a header")


def _check_max_age(_cors: object, _field: object, seconds: int) -> None:
    if seconds < 0:
        raise BuildError(f"CORS(max_age=…) is a number of seconds, not {seconds!r}")


@attrs.frozen(kw_only=True)
class CORS:
    """Which pages of other origins may read the app's responses.

    Attributes:
        origins: The origins, such as `https://example.org`; `"*"` for all, without credentials.
        credentials: Whether cookies are sent with their requests, and the responses to those may be read.
        headers: The request headers that pages may set beyond those that are always allowed; `"*"` for all. The default
            is what clients of streams set: Cache-Control, Content-Type, Last-Event-ID.
        expose: The response headers that pages may read beyond those that are always readable.
        max_age: How many seconds a browser may keep a permission.
    """

    credentials: bool = False
    origins: frozenset[str] = attrs.field(converter=_origins, validator=_check_origins)
    headers: frozenset[str] = attrs.field(default=CLIENTS, converter=_names, validator=_check_names)
    expose: frozenset[str] = attrs.field(default=frozenset(), converter=_names, validator=_check_names)
    max_age: int = attrs.field(default=600, validator=_check_max_age)

    def response_headers(self, request: Headers) -> RawHeaders:
        """The headers of each response to a request with these headers."""
        vary = () if ANY in self.origins else ((b"vary", b"Origin"),)
        allowed = self._allowed(request.get("origin"))
        if allowed is None:
            return vary
        found = [*vary, (b"access-control-allow-origin", allowed.encode("latin-1"))]
        if self.credentials:
            found.append((b"access-control-allow-credentials", b"true"))
        if self.expose:
            found.append((b"access-control-expose-headers", ", ".join(sorted(self.expose)).encode()))
        return tuple(found)

    def preflight_headers(self, request: Headers, methods: str) -> RawHeaders:
        """The further headers of the answer to a preflight; none if it is not one, or if the origin is not allowed.

        Args:
            request: The request's headers.
            methods: The methods that the path has, as in the Allow header.
        """
        if "access-control-request-method" not in request or self._allowed(request.get("origin")) is None:
            return ()
        found = [
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-max-age", str(self.max_age).encode()),
        ]
        names = sorted(self.headers)
        if ANY in self.headers:  # `*` itself would be none of the requests with credentials
            names = [name for name in _asked(request) if TOKEN.fullmatch(name)]
            found.append((b"vary", b"Access-Control-Request-Headers"))
        if names:
            found.append((b"access-control-allow-headers", ", ".join(names).encode()))
        return tuple(found)

    def _allowed(self, origin: str | None) -> str | None:
        """What Access-Control-Allow-Origin says; None if the origin is not allowed."""
        if ANY in self.origins:
            return ANY
        return origin if origin in self.origins else None


def _asked(request: Headers) -> list[str]:
    """The names of the headers for which a preflight asks."""
    text = ",".join(request.get_all("access-control-request-headers"))
    return [ascii_lower(strip_blanks(name)) for name in text.split(",")]
