"""The request that a source repeats, each time with the id of the last event.

Owns the request as data: its method, headers and body. It does not know connections or time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final

import attrs
import httpx2

from .._ground.text import escape
from .._http.headers import TOKEN
from ..wire import encode_json

__all__ = ("NO_BODY", "NoBody", "Subscription", "header_value", "label_of")

logger = logging.getLogger("trio_sse.client")

MAX_HEADER_ID: Final = 4096
"""The longest id that is sent back, in bytes. Many servers accept 8 kB for all headers together."""


UNSENDABLE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class NoBody:
    """The type of `NO_BODY`, which means that no JSON was given. None is JSON's null."""

    def __repr__(self) -> str:
        return "NO_BODY"


NO_BODY: Final = NoBody()


def header_value(text: str) -> bytes | None:
    """A text as the value of a header, in UTF-8 (WHATWG HTML, 9.2.3); None if it cannot be sent in one.

    Control characters are not allowed (RFC 9110, 5.5), and the recipient removes blanks at the ends.
    """
    value = text.encode("utf-8", "replace")
    sendable = len(value) <= MAX_HEADER_ID and not UNSENDABLE.search(value) and value == value.strip(b" \t")
    return value if sendable else None


def label_of(url: httpx2.URL) -> str:
    """A URL as errors and log lines show it: without user, password, query and fragment, which may hold secrets."""
    return escape(str(url.copy_with(userinfo=b"", query=None, fragment=None)))


@attrs.frozen
class Subscription:
    """A request that can be sent any number of times.

    Attributes:
        url: The URL of the stream.
        method: The HTTP method.
        headers: All headers except `Last-Event-ID`, with names in lower case.
        content: The body, if there is one.
    """

    url: httpx2.URL
    method: str
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes | None

    @classmethod
    def of(
        cls,
        url: str | httpx2.URL,
        method: str | None,
        headers: Mapping[str, str | None],
        content: str | bytes | None,
        json: object,
    ) -> Subscription:
        """Check the parts of a request, and combine them.

        Raises:
            ValueError: A header cannot be sent, or `content` and `json` are both given.
            EventError: `json` cannot be written as JSON.
        """
        sent = {"accept": b"text/event-stream", "cache-control": b"no-cache"}
        if json is not NO_BODY:
            if content is not None:
                raise ValueError("pass content or json, not both")
            content = encode_json(json)
            sent["content-type"] = b"application/json"
        body = content.encode() if isinstance(content, str) else content
        given = {name.lower(): _checked(name, value) for name, value in headers.items()}
        sent |= {name: value for name, value in given.items() if value is not None}
        method = method or ("GET" if body is None else "POST")
        return cls(httpx2.URL(url), method, tuple((n.encode(), v) for n, v in sent.items()), body)

    @property
    def label(self) -> str:
        """Its URL as errors and log lines show it."""
        return label_of(self.url)

    @property
    def has_cookies(self) -> bool:
        """Whether the user has given a `Cookie` header."""
        return any(name == b"cookie" for name, _ in self.headers)

    def headers_from(self, last_event_id: str | None) -> list[tuple[bytes, bytes]]:
        """The headers of a request for the events after this id."""
        headers = list(self.headers)
        if last_event_id:
            value = header_value(last_event_id)
            if value is None:
                logger.warning(
                    "%s: the id %.80r cannot be sent in a header; requesting without it", self.label, last_event_id
                )
            else:
                headers.append((b"last-event-id", value))
        return headers


def _checked(name: str, value: str | None) -> bytes | None:
    if not TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() == "last-event-id":
        raise ValueError("pass last_event_id=… instead of the header Last-Event-ID, which changes with each event")
    if value is None:
        return None
    encoded = value.encode()
    if UNSENDABLE.search(encoded):
        raise ValueError(f"the header {name!r} has a control character in its value")
    return encoded
