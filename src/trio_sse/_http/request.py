"""HTTP values: what a request says and what a plain handler may return. Pure: no I/O, no Trio.

Owns `Request`, `Values` (headers, query), `Response` and the reading of Accept, Cookie and Last-Event-ID. It does not
know routes or the ASGI messages of a response.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from ..errors import BadRequest
from .headers import NOT_IN_A_HEADER, Cookies, Headers, QueryParams

__all__ = ("Request",)

MAX_LAST_EVENT_ID = 1024
"""Bytes of a Last-Event-ID that are believed; a longer one counts as absent."""


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
    def headers(self) -> Headers:
        """The headers, by lower-case name."""
        return Headers.decode(self.scope["headers"])

    @cached_property
    def query(self) -> QueryParams:
        """The query string, decoded once.

        Raises:
            BadRequest: It is not UTF-8.
        """
        try:
            text = self.scope.get("query_string", b"").decode("ascii")
            return QueryParams(parse_qsl(text, keep_blank_values=True, errors="strict"))
        except UnicodeDecodeError:
            raise BadRequest("The query string is not valid percent-encoded UTF-8.") from None

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies, by name; the first one wins where a name comes twice."""
        cookies = Cookies()
        for pair in ";".join(self.headers.get_all("cookie")).split(";"):
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
        return text if text and not NOT_IN_A_HEADER.search(text) else None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


def _unquote(value: str) -> str:
    """A cookie's value without the double quotes that may stand around it (RFC 6265, 4.1.1)."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value
