"""The request: what a client sent, read from the ASGI scope.

Owns `Request`, and the reading of the Last-Event-ID header and of the query string. Pure: no I/O, no Trio.
It does not know routes, and it does not read the body.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

from .._ground.text import NOT_IN_A_HEADER, escape
from ..errors import BadRequest
from ..wire import MAX_ID_SIZE
from .headers import Cookies, Headers, QueryParams
from .paths import raw_path_of

__all__ = ("Request",)


class Request:
    """A request.

    What every request is asked for is read at once, in one pass over its headers; each property when it is first used.

    Attributes:
        scope: The ASGI scope, for what has no attribute here.
        method: The method, upper case.
        path: The decoded path, as the server passes it. Routing uses the raw path.
        raw_path: The path as it was sent, percent-encoded: routes are found by it.
        accept: All Accept headers as one, or None without any.
        last_event_id: The id of the last event that a reconnecting client received. None when the client sent none, or
            a text that cannot be an id: not UTF-8, over `MAX_ID_SIZE` bytes, or with a control character. Such a
            client starts from the beginning, since an error status would end its EventSource.
    """

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        accept: list[bytes] = []
        last_event_ids: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"accept":
                accept.append(value)
            elif name == b"last-event-id":
                last_event_ids.append(value)
        self.scope: Final = scope
        self.method: Final[str] = scope["method"]
        self.path: Final[str] = scope["path"]
        self.raw_path: Final[bytes] = scope.get("raw_path") or raw_path_of(self.path)
        self.accept: Final = b",".join(accept).decode("latin-1") if accept else None
        self.last_event_id: Final = event_id(last_event_ids[0]) if last_event_ids else None

    @property
    def http_version(self) -> str:
        """`1.0`, `1.1`, `2` or `3`."""
        return str(self.scope.get("http_version", "1.1"))

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and port of the connection's other end, if the server knows it. Behind a proxy this is the
        proxy."""
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
        """The cookies, by name. Where a name comes twice, the first one counts."""
        return Cookies.parse(self.headers.get_all("cookie"))

    def __repr__(self) -> str:
        return f"<Request {escape(self.method)} {escape(self.path)}>"


def event_id(raw: bytes) -> str | None:
    """The id in a Last-Event-ID header, or None if it cannot be one."""
    try:
        text = raw.decode("utf-8") if len(raw) <= MAX_ID_SIZE else ""
    except UnicodeDecodeError:
        return None
    return text if text and not NOT_IN_A_HEADER.search(text) else None
