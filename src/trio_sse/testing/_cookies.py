"""Cookies: what responses have set, and which of them a request sends.

Owns the rules of RFC 6265 that matter in memory: names, paths, expiry. There is one host, so Domain is ignored, and
Secure, HttpOnly and SameSite change nothing. Max-Age counts Trio's time, which may be virtual.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, MutableMapping
from email.utils import parsedate_to_datetime

import attrs
import trio

from .._ground.text import ascii_lower

__all__ = ("CookieJar",)


@attrs.frozen
class _Cookie:
    name: str
    value: str
    path: str = "/"
    deadline: float = math.inf

    @property
    def expired(self) -> bool:
        """Whether its time is over. Only a cookie that has a time limit needs Trio's clock."""
        return self.deadline < math.inf and self.deadline <= trio.current_time()

    def is_sent_to(self, path: str) -> bool:
        """Whether it belongs to a path (RFC 6265, 5.1.4)."""
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        return path == self.path or path.startswith(below)


class CookieJar(MutableMapping[str, str]):
    """The cookies of a client, by name. A cookie that is set by hand is sent to every path.

    Where cookies of one name have different paths, the mapping shows the one with the longest path.
    """

    def __init__(self, cookies: Iterable[tuple[str, str]] = ()) -> None:
        self._cookies: dict[tuple[str, str], _Cookie] = {}
        self.update(cookies)

    def __getitem__(self, name: str) -> str:
        for cookie in self._valid():
            if cookie.name == name:
                return cookie.value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self._put(_Cookie(name, value))

    def __delitem__(self, name: str) -> None:
        keys = [key for key in self._cookies if key[0] == name]
        if not keys:
            raise KeyError(name)
        for key in keys:
            del self._cookies[key]

    def __iter__(self) -> Iterator[str]:
        return iter({cookie.name: None for cookie in self._valid()})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<CookieJar with {', '.join(self) or 'no cookies'}>"

    def header_for(self, path: str) -> str:
        """The Cookie header of a request: the cookies with the longest paths come first."""
        return "; ".join(f"{each.name}={each.value}" for each in self._valid() if each.is_sent_to(path))

    def store(self, set_cookie: str, path: str) -> None:
        """Keep, replace or delete a cookie, as a response to a request of this path asks with a Set-Cookie header."""
        pair, *parts = set_cookie.split(";")
        name, found, value = (text.strip() for text in pair.partition("="))
        if not found or not name:
            return
        attributes = {
            ascii_lower(key.strip()): text.strip() for key, _, text in (each.partition("=") for each in parts)
        }
        given = attributes.get("path", "")
        cookie = _Cookie(name, value, given if given.startswith("/") else _default_path(path), _deadline(attributes))
        self._put(cookie)
        if cookie.expired:
            del self._cookies[cookie.name, cookie.path]

    def _put(self, cookie: _Cookie) -> None:
        self._cookies[cookie.name, cookie.path] = cookie

    def _valid(self) -> list[_Cookie]:
        valid = [cookie for cookie in self._cookies.values() if not cookie.expired]
        return sorted(valid, key=lambda cookie: -len(cookie.path))


def _default_path(path: str) -> str:
    """The path of a cookie that names none: the folder of the request's path (RFC 6265, 5.1.4)."""
    return path.rpartition("/")[0] or "/"


def _deadline(attributes: dict[str, str]) -> float:
    """When a cookie expires, in Trio's time. Max-Age takes precedence over Expires; what cannot be read is ignored."""
    try:
        return trio.current_time() + int(attributes["max-age"])
    except (KeyError, ValueError):
        pass
    try:
        moment = parsedate_to_datetime(attributes["expires"]).timestamp()
    except (KeyError, ValueError):
        return math.inf
    return trio.current_time() + moment - time.time()
