"""The reader: a cursor of one subscriber, and what it gets next.

Owns where a subscriber begins, what it is told of what it has missed, and what becomes of one that is slow. It is a
position and not a queue: history, live events, a slow subscriber and one that comes back are read in the same way, from
the ring, or from the engine where the ring does not reach back far enough. It is registered only while its task waits.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs
import trio

from ..errors import TooSlow
from ..wire import Gap
from ._engine import Entry, Loss
from ._hub import Hub, Waiter
from ._names import Selection
from ._position import Position, read_id

__all__ = ("LAG", "Ended", "Item", "Reader", "Reading", "Since", "Slow")

PAGE: Final = 100
"""How many entries are read at a time."""

LAG: Final = 1000
"""The events by which a subscriber may be behind before its policy counts."""

Since: TypeAlias = Literal["now", "oldest"] | int
"""Where a subscriber without an id begins: with what comes, with all that is kept, or with the last events."""

Slow: TypeAlias = Literal["drop_oldest", "latest", "disconnect"]
"""What becomes of a subscriber that is too far behind."""


class Ended:
    """Comes after the last event of topics that have all ended."""


Item: TypeAlias = Entry | Gap | Ended
_END: Final = "\0"
"""The key of the end of a topic, which none of its events has."""


def _check_since(_options: object, _field: object, since: object) -> None:
    whole = isinstance(since, int) and not isinstance(since, bool) and since > 0
    if not whole and since not in ("now", "oldest"):
        raise ValueError(f"since is 'now', 'oldest', or a number of events above 0, not {since!r}")


def _check_slow(_options: object, _field: object, slow: object) -> None:
    if slow not in ("drop_oldest", "latest", "disconnect"):
        raise ValueError(f"slow is 'drop_oldest', 'latest' or 'disconnect', not {slow!r}")


def _check_lag(_options: object, _field: object, lag: object) -> None:
    if isinstance(lag, bool) or not isinstance(lag, int) or lag < 1:
        raise ValueError(f"lag is a number of events above 0, not {lag!r}")


@attrs.frozen
class Reading:
    """How a subscriber reads.

    Attributes:
        after: The id after which to go on, which a client has sent; None or "" to begin as `since` says.
        since: Where to begin without an id.
        slow: What to do when it is behind by more than `lag`.
        lag: How many events it may be behind.
    """

    after: str | None = None
    since: Since = attrs.field(default="now", validator=_check_since)
    slow: Slow = attrs.field(default="drop_oldest", validator=_check_slow)
    lag: int = attrs.field(default=LAG, validator=_check_lag)


class Reader:
    """A cursor.

    Args:
        hub: The hub.
        selection: What it is subscribed to.
        options: How it reads.

    Attributes:
        position: The position up to which everything has been handed out.
    """

    def __init__(self, hub: Hub, selection: Selection, options: Reading) -> None:
        self.position = hub.ring.head
        self.selection = selection
        self._hub = hub
        self._waiter = Waiter(selection)
        self._options = options
        self._limit = PAGE if options.slow == "drop_oldest" else options.lag + 1
        self._floor = 0
        self._ended: set[str] = set()
        self._begun = False
        self._live = False
        self._first: list[Item] = []

    async def begin(self) -> None:
        """Find the position at which to begin, if that has not been done."""
        if self._begun:
            return
        text, since = self._options.after, self._options.since
        after = read_id(text) if text else None
        last = 0 if after is not None or since == "now" else None if since == "oldest" else since
        start = await self._hub.start(self.selection, last)
        self._begun = True
        self._ended |= start.ended
        if after is not None:
            self.position = after
            return
        if since != "now":
            self.position, self._floor = start.position, start.floor
        if text:
            here = str(self.position)
            self._first.append(Gap("malformed", None, here, self.selection.all, here))

    async def next(self) -> list[Item]:
        """Wait for what comes next: at least one item, in order. Cancelled, it has handed out nothing.

        Raises:
            TooSlow: It is too far behind.
        """
        if not self._begun:
            await self.begin()
        if not (self._live and self._waits):
            await trio.lowlevel.checkpoint()
        while True:
            items = await (self._wait() if self._live and self._waits else self._read())
            if items:
                return items

    @property
    def _waits(self) -> bool:
        """Whether there is nothing more to read."""
        return self._hub.is_at_head(self.position) and not self._has_ended

    async def _wait(self) -> list[Item]:
        """Wait for the next entry. If it is the only one, as is usual, it need not be looked for."""
        waiter = self._waiter
        await self._hub.wait(waiter, self.position)
        if waiter.before is not None:
            self.position = waiter.before
        entry = waiter.entry
        if entry is None or entry.is_end or self._hub.ring.head is not entry.position:
            return []
        self.position = entry.position
        return [entry]

    async def _read(self) -> list[Item]:
        """What there is after the position, without waiting for more."""
        before, items = self.position, self._first
        try:
            entries, loss = await self._page()
            items = [*items, *self._told(loss)]
            if len(entries) == self._limit and self._options.slow != "drop_oldest":
                items += await self._when_slow(before, entries)
            else:
                items += self._noted(entries)
        except BaseException:
            self.position = before
            raise
        self._live = self._live or len(entries) < self._limit
        self._first = []
        return items or ([Ended()] if self._has_ended else [])

    async def _page(self) -> tuple[list[Entry], Loss | None]:
        """Read a page, and go on to its end."""
        found = self._hub.take(self.position, self.selection, self._limit)
        if found is not None:
            entries, self.position = found
            return entries, None
        page = await self._hub.read(self.position, self.selection, self._limit)
        self.position = page.through
        forgiven = page.loss is not None and page.loss.reason == "trimmed" and page.loss.to.offset <= self._floor
        return list(page.entries), None if forgiven else page.loss

    def _told(self, loss: Loss | None) -> list[Item]:
        if loss is None:
            return []
        after = None if loss.after is None else str(loss.after)
        return [Gap(loss.reason, after, str(loss.to), self.selection.all, str(loss.resume))]

    def _noted(self, entries: list[Entry]) -> list[Item]:
        """The entries without the ends of topics, which are noted."""
        ends = {entry.topic for entry in entries if entry.is_end}
        self._ended |= ends
        return [entry for entry in entries if not entry.is_end] if ends else [*entries]

    @property
    def _has_ended(self) -> bool:
        return bool(self._ended) and not self.selection.patterns and self._ended.issuperset(self.selection.names)

    # -- slow subscribers

    async def _when_slow(self, before: Position, entries: list[Entry]) -> list[Item]:
        """Do what the policy says of a subscriber that is behind by more than it may."""
        if self._options.slow == "latest":
            return await self._latest(before, entries)
        if self._live:
            raise TooSlow(", ".join(self.selection.all), str(before), str(self.position))
        return self._noted(entries)  # it has only begun, or has come back, and is not slow

    async def _latest(self, before: Position, entries: list[Entry]) -> list[Item]:
        """The newest entry of each key, of all up to the head, and how many that leaves out."""
        newest, losses, count = dict[tuple[str, str | None], Entry](), list[Item](), 0
        while True:
            for entry in entries:
                count += 1
                row = entry.topic, _END if entry.is_end else entry.stored.key
                newest.pop(row, None)  # so that it comes in its order
                newest[row] = entry
            if len(entries) < self._limit:
                break
            entries, loss = await self._page()
            losses += self._told(loss)
        at, dropped = str(before), count - len(newest)
        told = [Gap("slow", at, str(self.position), self.selection.all, at, dropped)] if dropped else []
        return [*losses, *told, *self._noted([*newest.values()])]
