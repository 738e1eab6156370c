"""The ring: the newest entries of an engine, of all topics, as one process has received them.

Owns the rule by which a reader may be served from it: the ring must contain the reader's position, named by the same
run. Then it has all that comes after. It is a cache of the end of the log: what it does not have, the engine has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

import attrs

from ._engine import Entry
from ._log import after_offset, merge
from ._names import Selection
from ._position import Position

__all__ = ("MAX_ENTRIES", "Ring")

MAX_ENTRIES: Final = 1000
MAX_BYTES: Final = 4 << 20


@attrs.define(eq=False)
class Ring:
    """The newest entries, without a hole.

    Attributes:
        start: The position before the oldest entry.
        head: The position of the newest one; `start` if there is none.
        max_entries: The most entries.
        max_bytes: The most bytes of entries.
    """

    start: Position
    head: Position
    max_entries: int = MAX_ENTRIES
    max_bytes: int = MAX_BYTES
    _entries: deque[Entry] = attrs.field(factory=deque[Entry])
    _by_topic: dict[str, deque[Entry]] = attrs.field(factory=dict[str, deque[Entry]])
    _size: int = 0

    def reset(self, head: Position) -> None:
        """Begin again, empty, at a position."""
        self.start = self.head = head
        self._entries.clear()
        self._by_topic.clear()
        self._size = 0

    def add(self, entry: Entry) -> bool:
        """Add the entry that comes next; False if it does not, so that there would be a hole."""
        if not self.is_next(entry):
            return False
        self.head = entry.position
        self._entries.append(entry)
        self._size += len(entry.stored.body)
        same = self._by_topic.get(entry.topic)
        if same is None:
            same = self._by_topic[entry.topic] = deque()
        same.append(entry)
        while len(self._entries) > self.max_entries or self._size > self.max_bytes:
            self._drop()
        return True

    def is_next(self, entry: Entry) -> bool:
        """Whether nothing can be between the newest entry and this one."""
        return entry.position.offset == self.head.offset + 1

    def contains(self, position: Position) -> bool:
        """Whether a reader that is at this position may be served."""
        at = position.offset - self.start.offset
        if not 0 <= at <= len(self._entries):
            return False
        return position == (self._entries[at - 1].position if at else self.start)

    def after(self, position: Position, selection: Selection, limit: int) -> list[Entry]:
        """The oldest entries of a selection after a position that the ring contains."""
        if selection.patterns:
            rest = islice(self._entries, position.offset - self.start.offset, None)
            return list(islice((entry for entry in rest if selection.matches(entry.topic)), limit))
        found = (self._by_topic[name] for name in selection.names if name in self._by_topic)
        return merge([self._of_topic(entries, position.offset, limit) for entries in found], limit)

    @staticmethod
    def _of_topic(entries: deque[Entry], offset: int, limit: int) -> Iterator[Entry]:
        if entries[-1].position.offset == offset + 1:  # what a subscriber that is not behind asks for
            return iter((entries[-1],))
        return after_offset(entries, offset, limit)

    def _drop(self) -> None:
        entry = self._entries.popleft()
        self.start = entry.position
        self._size -= len(entry.stored.body)
        same = self._by_topic[entry.topic]
        same.popleft()
        if not same:
            del self._by_topic[entry.topic]
