"""Headers, query parameters and cookies: what a request carries by name.

Owns these three mappings, and which of their values a repr hides. Pure: no I/O, no Trio. It does not know requests or
responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

from .._ground.text import ascii_lower, strip_blanks

__all__ = ("MASK", "TOKEN", "Cookies", "Headers", "QueryParams", "shown")

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header (RFC 9110, 5.6.2) or of a cookie (RFC 6265, 4.1.1)."""

MASK: Final = "[secure]"
"""What a repr shows in place of a credential, as httpx does."""

_MAY_BE_SECRET: Final = re.compile(
    r"auth|cookie|token|secret|passw|pwd|key|session|signature|credential|code|jwt|otp|(?:^|[^a-z])(?:sid|sig|pin)(?:$|[^a-z])",
    re.IGNORECASE,
)
"""Names whose values a repr masks. httpx masks the two Authorization headers; an application's own keys, codes and
tokens are as dangerous in a log, and a value that is masked without need does no harm there."""


class _MultiMapping(Mapping[str, str]):
    """An immutable mapping in which a name may have several values. `mapping[name]` is the first one.

    A repr masks the values that may be secret, because reprs end up in logs and in error reports.
    """

    __slots__ = ("_items",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, list[str]] = {}
        for name, value in pairs:
            self._items.setdefault(self._key(name), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._items[self._key(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def get_all(self, name: str) -> tuple[str, ...]:
        """All values of a name, in order; an empty tuple if there is none."""
        return tuple(self._items.get(self._key(name), ()))

    def __eq__(self, other: object) -> bool:
        """Whether all values are equal; compared with a plain mapping, whether the first values are."""
        return self._items == other._items if isinstance(other, _MultiMapping) else dict(self) == other

    __hash__ = None  # type: ignore[assignment]  # like every mapping

    @staticmethod
    def _key(name: str) -> str:
        return name

    def __repr__(self) -> str:
        items = {name: [shown(name, value) for value in values] for name, values in self._items.items()}
        return f"{type(self).__name__}({items!r})"


class Headers(_MultiMapping):
    """The headers of a request: an immutable mapping. Names are lower case; a lookup ignores case.

    `headers[name]` is the first value of a name, `headers.get_all(name)` all of them. The repr masks credentials.
    """

    __slots__ = ()

    @classmethod
    def decode(cls, raw: Iterable[tuple[bytes, bytes]]) -> Self:
        """The headers of an ASGI message. Each byte becomes one character (latin-1), so that no value is refused."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)

    @staticmethod
    def _key(name: str) -> str:
        return ascii_lower(name)


class QueryParams(_MultiMapping):
    """The parameters of a query string: an immutable mapping.

    `query[name]` is the first value of a name, `query.get_all(name)` all of them. The repr masks what may be secret.
    """

    __slots__ = ()


class Cookies(dict[str, str]):
    """The cookies of a request, by name. The repr masks all values, since any cookie may be a session."""

    __slots__ = ()

    @classmethod
    def parse(cls, values: Iterable[str]) -> Self:
        """The cookies of all Cookie headers. Where a name comes twice, the first one counts."""
        # Only blanks are stripped: a sibling domain may set "\xa0__Host-session", which browsers store and send, and
        # which must not pass for "__Host-session".
        cookies = cls()
        for pair in ";".join(values).split(";"):
            name, found, value = (strip_blanks(part) for part in pair.partition("="))
            if found:
                cookies.setdefault(name, _unquote(value))
        return cookies

    def __repr__(self) -> str:
        return f"Cookies({dict.fromkeys(self, MASK)!r})"


def _unquote(value: str) -> str:
    """A cookie's value without the double quotes that may surround it (RFC 6265, 4.1.1)."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value


def shown(name: str, value: str) -> str:
    """A value as a repr or a message shows it: masked if its name says that it may be secret."""
    return MASK if _MAY_BE_SECRET.search(name) else value
