"""The hub: the one reader of an engine in a process, and where its subscribers wait.

Owns publishing, the ring, and who is woken by which entry. It knows no cursors: a subscriber is a position that a
`Reader` holds, so that nothing has to be registered but a task that waits.

An engine within the process reports each entry in the call that stores it. Of any other one the hub reads the tail, in
one task: `run`.
"""

from __future__ import annotations

import random
import re
from typing import Any, Final, cast

import attrs
import trio

from ..errors import EventError
from ..wire import JSONEncoder, PublishedEvent, encode_json
from ..wire._published import frame, with_id
from ._engine import Engine, Entry, LocalEngine, Page, Reset, Start, Stored, Unavailable, Where
from ._history import History
from ._names import Selection, check_pattern, matcher, prefix_of, prefixes
from ._position import Position
from ._ring import MAX_ENTRIES, Ring

__all__ = ("Hub", "Waiter", "event_of")

MAX_EVENT: Final = 256 << 10
"""The most bytes of one event."""

BACK_OFF: Final = (0.05, 1.0)
"""The first and the longest pause, in seconds, after the store did not answer."""


@attrs.define(eq=False)
class Waiter:
    """Where one subscriber waits for the next entry of its selection, each time again.

    Attributes:
        selection: What it waits for.
        task: The task that waits; None while none does.
        live: Whether it has everything up to the head of the ring.
        before: The position before the entry that wakes a live one. That is as good as its own, and still in the ring.
        entry: The entry that wakes a live one.
    """

    selection: Selection
    task: trio.lowlevel.Task | None = None
    live: bool = False
    before: Position | None = None
    entry: Entry | None = None


class Hub:
    """Publishes to an engine, and serves what it stores.

    Args:
        engine: The engine.
        history: What topics keep for which `keep` says nothing.
        json: Writes data that is not text.
        ring: The most entries of the ring.
    """

    def __init__(
        self, engine: Engine, history: History, json: JSONEncoder = encode_json, ring: int = MAX_ENTRIES
    ) -> None:
        self.engine = engine
        self._json = json
        self._history = history
        self._rules: list[tuple[re.Pattern[str], History]] = []
        self._by_name: dict[str, dict[Waiter, None]] = {}
        self._by_pattern: dict[str, dict[str, tuple[re.Pattern[str], dict[Waiter, None]]]] = {}  # by prefix and pattern
        where = Where(Position("", 0), "")
        if engine.local:
            local = cast("LocalEngine", engine)
            where = local.where_now()
            local.listen(self._received)
        self._incarnation = where.incarnation
        self.ring = Ring(where.head, where.head, ring)

    # -- publishing

    def keep(self, pattern: str, history: History) -> None:
        """Set what the topics of a pattern keep. Of several patterns the first one that matches counts."""
        self._rules.append((matcher(check_pattern(pattern)), history))

    def history_of(self, topic: str) -> History:
        """What a topic keeps."""
        if not self._rules:
            return self._history
        return next((history for pattern, history in self._rules if pattern.fullmatch(topic)), self._history)

    async def publish(self, topic: str, event: object, key: str | None = None) -> str:
        """Store an event, and wake those who wait for it. Returns its id.

        Raises:
            EventError: It cannot be sent.
            TopicEnded: The topic has ended.
        """
        framed = frame(event, self._json)
        if len(framed.body) > MAX_EVENT:
            raise EventError("data", f"has more than {MAX_EVENT} bytes, the most that a topic takes")
        return await self._append(topic, Stored(framed.body, key, framed, event))

    async def end(self, topic: str) -> None:
        """Store the end of a topic."""
        await self._append(topic, Stored(b""))

    async def _append(self, topic: str, stored: Stored) -> str:
        entry = await self.engine.append(topic, stored, self.history_of(topic))
        # A schedule point, but no cancellation point: the event is stored, and a Cancelled would say that it is not.
        await trio.lowlevel.cancel_shielded_checkpoint()
        return str(entry.position)

    # -- reading

    def take(self, position: Position, selection: Selection, limit: int) -> tuple[list[Entry], Position] | None:
        """What follows a position, with the position up to which that is complete; None if the ring cannot say."""
        if not self.ring.contains(position):
            return None
        entries = self.ring.after(position, selection, limit)
        if entries and not self._are_kept(entries):
            return None
        return entries, entries[-1].position if len(entries) == limit else self.ring.head

    @staticmethod
    def _are_kept(entries: list[Entry]) -> bool:
        """Whether the history still has them: if not, the ring must not serve them, and the engine reports a loss."""
        now = trio.current_time()
        return not any(entry.dropped or entry.expires <= now for entry in entries)

    async def read(self, position: Position, selection: Selection, limit: int) -> Page:
        """What follows a position, from the engine."""
        page = await self.engine.read(selection, position, limit)
        await self._noticed(page.incarnation)
        return page

    async def start(self, selection: Selection, since: int | None) -> Start:
        """Where a subscriber without an id begins."""
        return await self.engine.start(selection, since)

    def is_at_head(self, position: Position) -> bool:
        """Whether a subscriber at this position is woken by what it does not have."""
        head = self.ring.head
        return position is head or position == head or position.offset > head.offset

    async def wait(self, waiter: Waiter, position: Position) -> None:
        """Wait for the next entry of a selection.

        While a task waits it is registered; Trio takes it out in the moment in which it is cancelled. This is where a
        fan-out that writes to connections itself, without waking their tasks, would keep what it needs for that.
        """
        waiter.task, waiter.live = trio.lowlevel.current_task(), position == self.ring.head
        waiter.before = waiter.entry = None
        self._put_in(waiter)

        def leave(_: object) -> trio.lowlevel.Abort:
            self._take_out(waiter)
            waiter.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    @property
    def waiting(self) -> int:
        """How many rows of waiting tasks there are."""
        return len(self._by_name) + len(self._by_pattern)

    def _put_in(self, waiter: Waiter) -> None:
        for name in waiter.selection.names:
            self._by_name.setdefault(name, {})[waiter] = None
        for pattern in waiter.selection.patterns:
            rows = self._by_pattern.setdefault(prefix_of(pattern), {})
            if pattern not in rows:
                rows[pattern] = (matcher(pattern), {})
            rows[pattern][1][waiter] = None

    def _take_out(self, waiter: Waiter) -> None:
        for name in waiter.selection.names:
            if name in self._by_name:  # or the whole row has been taken out
                self._by_name[name].pop(waiter, None)
                _drop_if_empty(self._by_name, name, self._by_name[name])
        for pattern in waiter.selection.patterns:
            prefix = prefix_of(pattern)
            rows = self._by_pattern.get(prefix, {})
            if pattern in rows:
                rows[pattern][1].pop(waiter, None)
                _drop_if_empty(rows, pattern, rows[pattern][1])
                _drop_if_empty(self._by_pattern, prefix, rows)

    def _wake(self, waiters: dict[Waiter, None], before: Position | None, entry: Entry | None) -> None:
        """Wake the tasks of a row, which has been taken out as a whole."""
        for waiter in waiters:
            if not waiter.selection.is_single:
                self._take_out(waiter)
            if waiter.live:
                waiter.before, waiter.entry = before, entry
            task, waiter.task = waiter.task, None
            if task is not None:  # or it has been woken by another row
                trio.lowlevel.reschedule(task)

    # -- what the engine tells

    def _received(self, entry: Entry) -> bool:
        """Take the next entry; False if one is missing before it."""
        before = self.ring.head
        if not self.ring.add(entry):
            return False
        waiters = self._by_name.pop(entry.topic, None)
        if waiters is not None:
            self._wake(waiters, before, entry)
        if self._by_pattern:
            self._wake_patterns(before, entry)
        return True

    def _wake_patterns(self, before: Position, entry: Entry) -> None:
        for prefix in prefixes(entry.topic):
            rows = self._by_pattern.get(prefix, {})
            for text in [text for text, (pattern, _) in rows.items() if pattern.fullmatch(entry.topic)]:
                if text in rows:  # or its tasks have been woken by another pattern
                    waiters = rows.pop(text)[1]
                    _drop_if_empty(self._by_pattern, prefix, rows)
                    self._wake(waiters, before, entry)

    async def run(self) -> None:
        """Read the tail of an engine that others write to, for as long as the app lives."""
        pause = BACK_OFF[0]
        while True:
            try:
                await self.step()
            except Unavailable:
                await trio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - nothing to guess
                pause = min(2 * pause, BACK_OFF[1])
            else:
                pause = BACK_OFF[0]

    async def step(self) -> None:
        """Take what the tail has; begin again where the head is if something is missing before it."""
        try:
            entries = await self.engine.tail(self.ring.head)
        except Reset:
            entries = None
        if entries is None or not all(map(self._received, entries)):
            await self._begin_again()

    async def _noticed(self, incarnation: str) -> None:
        """See to it that the ring is not one of an earlier incarnation of the store than a reader has seen."""
        if incarnation != self._incarnation:
            await self._begin_again()

    async def _begin_again(self) -> None:
        where = await self.engine.where()
        self._incarnation = where.incarnation
        self.ring.reset(where.head)
        while self._by_name:
            self._wake(self._by_name.popitem()[1], None, None)
        while self._by_pattern:
            for _, waiters in self._by_pattern.popitem()[1].values():
                self._wake(waiters, None, None)


def _drop_if_empty(rows: dict[str, Any], name: str, row: dict[Any, Any]) -> None:
    if not row:
        rows.pop(name, None)


def event_of(entry: Entry) -> PublishedEvent:
    """What subscribers get of an entry: made once, and framed once."""
    if entry.event is None:
        stored, id = entry.stored, str(entry.position)
        name, data = (None, None) if stored.framed is None else (stored.framed.event, stored.framed.data)
        entry.event = PublishedEvent(entry.topic, id, name, data, stored.key, with_id(stored.body, id))
    return entry.event
