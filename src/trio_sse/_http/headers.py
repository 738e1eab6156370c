"""Headers and other values that a request has by name.

Pure: no I/O, no Trio. It does not know requests or responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

__all__ = ("NOT_IN_A_HEADER", "TOKEN", "Values")

TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A name of a header (RFC 9110, 5.6.2), and of a cookie (RFC 6265, 4.1.1)."""


class Values(Mapping[str, str]):
    """An immutable mapping in which a name may have several values: a query string, or headers.

    `values[name]` is the first value, `values.all(name)` are all of them. Header names are lower case here and looked
    up in any case.
    """

    __slots__ = ("_fold", "_items")

    def __init__(self, pairs: Iterable[tuple[str, str]], *, fold_case: bool = False) -> None:
        self._fold = fold_case
        self._items: dict[str, list[str]] = {}
        for name, value in pairs:
            self._items.setdefault(self._key(name), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._items[self._key(name)][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a name, in order; none is an empty tuple."""
        return tuple(self._items.get(self._key(name), ()))

    def __eq__(self, other: object) -> bool:
        """Equal to other `Values` with all the same values, and to a mapping with the same first ones."""
        return self._items == other._items if isinstance(other, Values) else dict(self) == other

    __hash__ = None  # type: ignore[assignment]  # as every mapping

    def _key(self, name: str) -> str:
        return name.lower() if self._fold else name

    def __repr__(self) -> str:
        return f"Values({self._items!r})"


NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold (RFC 9110, 5.5): the control characters but for the tab."""
