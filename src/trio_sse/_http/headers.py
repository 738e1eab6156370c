"""Headers, query parameters and cookies: what a request carries by name.

Pure: no I/O, no Trio. It does not know requests or responses. A repr never shows a credential, since reprs end up in
logs and in error reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

__all__ = ("MASK", "NOT_IN_A_HEADER", "TOKEN", "Cookies", "Headers", "QueryParams")

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header (RFC 9110, 5.6.2) or of a cookie (RFC 6265, 4.1.1)."""

NOT_IN_A_HEADER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""The control characters that no header may contain (RFC 9110, 5.5): all of them except the tab."""

MASK: Final = "[secure]"
"""What a repr shows in place of a credential, as httpx does."""

_MAY_BE_SECRET: Final = re.compile(r"auth|cookie|token|secret|passw|api.?key|session|signature|\bcode\b", re.IGNORECASE)
"""Names whose values a repr masks. A mask too many costs nothing; a credential in a log does."""


class _MultiMapping(Mapping[str, str]):
    """An immutable mapping in which a name may have several values. `mapping[name]` is the first one."""

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
        """All values of a name, in order; an empty tuple if there are none."""
        return tuple(self._items.get(self._key(name), ()))

    def __eq__(self, other: object) -> bool:
        """Equal to another one with all the same values, and to a plain mapping with the same first values."""
        return self._items == other._items if isinstance(other, _MultiMapping) else dict(self) == other

    __hash__ = None  # type: ignore[assignment]  # like every mapping

    @staticmethod
    def _key(name: str) -> str:
        return name

    def __repr__(self) -> str:
        shown = {name: [_shown(name, value) for value in values] for name, values in self._items.items()}
        return f"{type(self).__name__}({shown!r})"


class Headers(_MultiMapping):
    """The headers of a request: an immutable mapping. Names are lower case, and looked up in any case.

    `headers[name]` is the first value of a name, `headers.get_all(name)` all of them. The repr masks credentials.
    """

    __slots__ = ()

    @classmethod
    def decode(cls, raw: Iterable[tuple[bytes, bytes]]) -> Self:
        """The headers of an ASGI message, whose bytes stand for themselves (latin-1)."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)

    @staticmethod
    def _key(name: str) -> str:
        return name.lower()


class QueryParams(_MultiMapping):
    """The parameters of a query string: an immutable mapping.

    `query[name]` is the first value of a name, `query.get_all(name)` all of them. The repr masks what may be secret.
    """

    __slots__ = ()


class Cookies(dict[str, str]):
    """The cookies of a request, by name. The repr shows their names alone: any of them may be a session."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Cookies({dict.fromkeys(self, MASK)!r})"


def _shown(name: str, value: str) -> str:
    return MASK if _MAY_BE_SECRET.search(name) else value
