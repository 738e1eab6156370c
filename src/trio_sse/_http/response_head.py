"""The head of a response: its status and headers while steps and the handler may still set them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Unpack

from ..errors import ResponseStarted
from .headers import shown
from .response_headers import RawHeaders, check_settable, checked, encoded
from .set_cookie import CookieAttributes, deleted_cookie, set_cookie

__all__ = ("ResponseHead", "ResponseHeaders")


class ResponseHeaders(MutableMapping[str, str]):
    """The headers that a response is going to have. Names ignore case; `append` adds a second value of a name.

    Once the response has started, each change raises `ResponseStarted`.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._sent = False

    def __getitem__(self, name: str) -> str:
        found = [value for other, value in self._pairs if other == name.lower()]
        if not found:
            raise KeyError(name)
        return found[0]

    def __setitem__(self, name: str, value: str) -> None:
        pair = self._check(name, value)
        self._pairs = [*(other for other in self._pairs if other[0] != pair[0]), pair]

    def __delitem__(self, name: str) -> None:
        _ = self[name]
        self._check(name, "")
        self._pairs = [other for other in self._pairs if other[0] != name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def append(self, name: str, value: str) -> None:
        """Add a value, beside those that the name has."""
        self._pairs.append(self._check(name, value))

    def freeze(self) -> RawHeaders:
        """The headers as they are sent; from now on they cannot be changed."""
        self._sent = True
        return encoded(tuple(self._pairs))

    def _check(self, name: str, value: str) -> tuple[str, str]:
        if self._sent:
            raise ResponseStarted(f"the header {name!r} comes too late: the response has started")
        pairs = checked([(name, value)])
        check_settable(pairs)
        return pairs[0]

    def __repr__(self) -> str:
        return f"ResponseHeaders({[(name, shown(name, value)) for name, value in self._pairs]!r})"


class ResponseHead:
    """The status and the headers of the response to come, which steps and handlers know as `response`.

    What the handler returns goes before it: a `Response` or an `EventStream` with a header of the same name replaces
    the one that is set here. An error keeps what is set here, but for the headers that describe the content, such as
    Cache-Control.

    Attributes:
        headers: The headers.
    """

    def __init__(self) -> None:
        self.headers: ResponseHeaders = ResponseHeaders()
        self._status: int | None = None
        self._sent = False

    @property
    def status(self) -> int | None:
        """The status of a success; None while nothing has set it, which means 200, or 204 without a body."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if self._sent:
            raise ResponseStarted(f"the status {status} comes too late: the response has started")
        if not 200 <= status <= 299:
            raise ValueError(f"a success has a status from 200 to 299, not {status!r}; raise an HTTPError for others")
        self._status = status

    def set_cookie(self, name: str, value: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Set a cookie; see `CookieAttributes` for the attributes.

        Raises:
            ResponseStarted: The response has started.
            ValueError: A browser would refuse the cookie.
        """
        self.headers.append("set-cookie", set_cookie(name, value, **attributes))

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Delete a cookie; `path` and `domain` are those with which it was set."""
        self.headers.append("set-cookie", deleted_cookie(name, path=path, domain=domain))

    def freeze(self) -> RawHeaders:
        """The headers as they are sent; from now on nothing can be changed."""
        self._sent = True
        return self.headers.freeze()
