"""The engine in memory: topics within one process.

Owns `MemoryEngine`, and `MemoryTopics` and `MemoryTopic` on top of it. What a position is worth is for `_log` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import trio

from ..wire import JSONEncoder, encode_json
from ._engine import Entry, Page, Reset, Start, Stored, Where
from ._history import History
from ._hub import Hub
from ._log import Log
from ._names import Selection, check_name
from ._position import Position, new_run
from ._ring import MAX_ENTRIES
from ._topics import HubTopic, HubTopics

__all__ = ("DEFAULT_BACKLOG", "MemoryEngine", "MemoryTopic", "MemoryTopics")

E = TypeVar("E")

DEFAULT_BACKLOG = 1000
"""Events that a topic keeps, and so the most by which a subscriber may be behind."""

SILENCE = 10.0
"""Seconds after which `tail` returns if nothing is stored."""


class MemoryEngine:
    """Stores entries in memory. No call but `tail` waits, so that none is cancelled."""

    local: ClassVar[bool] = True

    def __init__(self, run: str | None = None) -> None:
        self._log = Log([(run or new_run(), 1)])
        self._listeners: list[Callable[[Entry], object]] = []
        self._stored: trio.Event | None = None

    async def append(self, topic: str, stored: Stored, keep: History, nonce: bytes = b"") -> Entry:
        """Store an entry. It is stored once, without a nonce: nothing can fail after it is."""
        entry = self._log.append(topic, stored, keep, trio.current_time())
        for received in self._listeners:
            received(entry)
        if self._stored is not None:  # made by who waits for the tail
            self._stored.set()
            self._stored = None
        return entry

    async def read(self, selection: Selection, after: Position, limit: int) -> Page:
        """Read what comes after a position."""
        return self._log.read(selection, after, limit, trio.current_time())

    async def start(self, selection: Selection, since: int | None) -> Start:
        """The position before the last `since` entries, or before all that are kept."""
        return self._log.start(selection, since, trio.current_time())

    async def tail(self, after: Position) -> Sequence[Entry]:
        """Wait for the entries of all topics after a position."""
        with trio.move_on_after(SILENCE):
            while not (entries := self._log.after(after)):
                if entries is None:
                    raise Reset
                if self._stored is None:
                    self._stored = trio.Event()
                await self._stored.wait()
            return entries
        return ()

    async def where(self) -> Where:
        """The end of the sequence."""
        return self.where_now()

    def where_now(self) -> Where:
        """The end of the sequence."""
        return Where(self._log.position(self._log.head), self._log.incarnation)

    def listen(self, received: Callable[[Entry], object]) -> None:
        """Call a function for each entry from now on."""
        self._listeners.append(received)


class MemoryTopics(HubTopics):
    """Topics within the process: `.provide(Topics, MemoryTopics)`.

    Args:
        backlog: The number of events that each topic keeps for which `keep` says nothing; none is kept for more than
            an hour, and no topic keeps more than 1 MiB.
        json: Writes data that is not text. An app's own encoder, `App(json=…)`, has to be given here as well.
    """

    def __init__(self, backlog: int = DEFAULT_BACKLOG, *, json: JSONEncoder = encode_json) -> None:
        self._serve(_hub(backlog, json, MAX_ENTRIES))


class MemoryTopic(HubTopic[E], Generic[E]):
    """A topic within the process, by itself. Topics that belong together have one `MemoryTopics`.

    Args:
        name: The name.
        backlog: The number of events that are kept.
        json: Writes data that is not text.
    """

    def __init__(self, name: str, backlog: int = DEFAULT_BACKLOG, *, json: JSONEncoder = encode_json) -> None:
        self._name = check_name(name)
        self._hub = _hub(backlog, json, min(backlog, MAX_ENTRIES))


def _hub(backlog: Any, json: JSONEncoder, ring: int) -> Hub:
    if isinstance(backlog, bool) or not isinstance(backlog, int) or backlog < 1:
        raise ValueError(f"backlog is a number of events above 0, not {backlog!r}")
    return Hub(MemoryEngine(), History(count=backlog), json, ring)
