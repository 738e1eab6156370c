"""The log: one contiguous sequence of entries, kept by topic, as one process has it in memory.

Owns which positions are valid, what is dropped, and what a reader of a position has missed. Pure: the caller says what
time it is. Three numbers make the answer honest, and each rises before anything below it is forgotten:

* the *floor* of a topic: the offset of the newest of its entries that have been dropped;
* `gone`: the highest offset of topics of which nothing is known any more, not even a floor. It is the floor of every
  topic that is not known;
* the first offset of each run, which says up to where the entries of the run before it have survived.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter

import attrs

from ..errors import TopicEnded
from ._engine import Entry, Loss, LossReason, Page, Start, Stored
from ._history import History
from ._names import Selection
from ._position import Position

__all__ = ("Log", "after_offset", "merge")

MAX_RUNS = 1000
"""Runs that are known; a position of an older one is of an unknown run."""

IDLE_TOPICS = 10_000
"""Topics without entries of which the floor is kept."""

OFFSET = attrgetter("position.offset")


@attrs.define(eq=False)
class KeptTopic:
    """What is kept of one topic.

    Attributes:
        entries: The entries, oldest first.
        floor: The offset of the newest entry that has been dropped.
        last: The offset of the newest entry.
        size: The bytes of the entries.
        ended: Whether nothing more may be published.
        scheduled: Whether it is among the topics whose entries are dropped by age.
    """

    floor: int
    entries: deque[Entry] = attrs.field(factory=deque[Entry])
    last: int = 0
    size: int = 0
    ended: bool = False
    scheduled: bool = False

    def add(self, entry: Entry, keep: History) -> None:
        """Add an entry, and drop what the history no longer keeps."""
        self.entries.append(entry)
        self.last = entry.position.offset
        self.size += len(entry.stored.body)
        self.ended = entry.is_end
        while len(self.entries) > keep.count or (self.size > keep.bytes and len(self.entries) > 1):
            self.drop()

    def drop(self) -> None:
        """Drop the oldest entry."""
        entry = self.entries.popleft()
        self.size -= len(entry.stored.body)
        self.floor = entry.position.offset
        entry.dropped = True

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        while self.entries and self.entries[0].expires <= now:
            self.drop()

    def after(self, offset: int, limit: int) -> Iterator[Entry]:
        """The oldest entries after an offset."""
        return after_offset(self.entries, offset, limit)


@attrs.define(eq=False)
class Log:
    """The sequence of an engine.

    Attributes:
        runs: The runs that are known, oldest first, each with the offset of its first entry.
        head: The offset of the newest entry.
        gone: The floor of topics that are not known.
        topics: What is kept of each topic.
    """

    runs: list[tuple[str, int]]
    head: int = 0
    gone: int = 0
    topics: dict[str, KeptTopic] = attrs.field(factory=dict[str, KeptTopic])
    idle_topics: int = IDLE_TOPICS
    _idle: OrderedDict[str, None] = attrs.field(factory=OrderedDict[str, None])
    _expiries: list[tuple[float, str]] = attrs.field(factory=list[tuple[float, str]])

    def begin_run(self, tag: str) -> None:
        """Begin a new run: what is stored from now on may not follow what readers of the earlier ones have seen."""
        if any(known == tag for known, _ in self.runs):
            raise ValueError(f"the run {tag!r} was there already")
        self.runs.append((tag, self.head + 1))
        if len(self.runs) > MAX_RUNS:
            del self.runs[0]
            self._forget_before(self.runs[0][1])

    @property
    def incarnation(self) -> str:
        """The current run, which may have no entries so far."""
        return self.runs[-1][0]

    def position(self, offset: int) -> Position:
        """The position of an offset, which the run names that has written its entry.

        With two names for one place a reader would not know where it is.
        """
        return Position(next((tag for tag, first in reversed(self.runs) if first <= offset), self.runs[0][0]), offset)

    # -- writing

    def append(self, topic: str, stored: Stored, keep: History, now: float) -> Entry:
        """Add an entry.

        Raises:
            TopicEnded: The topic has ended.
        """
        self._drop_expired(now)
        self.expire(topic, now)
        kept = self.topics.get(topic)
        if kept is None:
            kept = self.topics[topic] = KeptTopic(self._floor_of_new())
        elif kept.ended:
            raise TopicEnded(f"the topic {topic!r} has ended, so that nothing more can be published to it")
        self._idle.pop(topic, None)
        self.head += 1
        entry = Entry(Position(self.incarnation, self.head), topic, stored, now + keep.seconds)
        kept.add(entry, keep)
        if not kept.scheduled and not keep.is_endless:
            self._schedule(topic, kept)
        return entry

    def expire(self, topic: str, now: float) -> None:
        """Drop what is too old of a topic."""
        kept = self.topics.get(topic)
        if kept is not None and kept.entries:
            kept.expire(now)
            if not kept.entries:
                self._is_idle(topic)

    def _floor_of_new(self) -> int:
        return self.gone

    def _drop_expired(self, now: float) -> None:
        """Drop what is too old of two topics at most, so that publishing costs the same however many there are."""
        for _ in range(2):
            if not self._expiries or self._expiries[0][0] > now:
                return
            _, topic = heapq.heappop(self._expiries)
            self.expire(topic, now)
            kept = self.topics.get(topic)
            if kept is not None:
                kept.scheduled = False
                if kept.entries:
                    self._schedule(topic, kept)

    def _schedule(self, topic: str, kept: KeptTopic) -> None:
        kept.scheduled = True
        heapq.heappush(self._expiries, (kept.entries[0].expires, topic))

    def _is_idle(self, topic: str) -> None:
        """Note that a topic has no entries. Of those that have had none for the longest time nothing is kept."""
        self._idle[topic] = None
        while len(self._idle) > self.idle_topics:
            oldest, _ = self._idle.popitem(last=False)
            self._forget(oldest)

    def _forget(self, topic: str) -> None:
        self.gone = max(self.gone, self.topics.pop(topic).last)

    def _forget_before(self, offset: int) -> None:
        """Drop the entries of a run of which nothing is known any more."""
        self.gone = max(self.gone, offset - 1)
        for topic, kept in self.topics.items():
            while kept.entries and kept.entries[0].position.offset < offset:
                kept.drop()
            if not kept.entries:
                self._idle[topic] = None

    # -- reading

    def read(self, selection: Selection, after: Position, limit: int, now: float) -> Page:
        """Read what comes after a position, once it has been checked what of that is missing."""
        kept = self._selected(selection, now)
        offset, reason = self._validate(after)
        floor = self._floor(selection, kept)
        if reason is None and floor > offset:
            reason = "trimmed"
        entries = merge([topic.after(offset, limit) for topic in kept], limit)
        through = entries[-1].position if len(entries) == limit else self.position(max(self.head, offset))
        loss = None
        if reason is not None:
            loss = self._loss(reason, offset, floor, entries[0].position.offset - 1 if entries else through.offset)
        return Page(entries, through, loss, self.incarnation)

    def start(self, selection: Selection, since: int | None, now: float) -> Start:
        """The position before the last entries, or before all."""
        ended = frozenset(name for name in selection.names if name in self.topics and self.topics[name].ended)
        if since == 0:
            return Start(self.position(self.head), self.head, ended)
        kept = self._selected(selection, now)
        if since is None:
            offsets = [topic.entries[0].position.offset for topic in kept if topic.entries]
        else:
            offsets = [entry.position.offset for topic in kept for entry in islice(reversed(topic.entries), since)]
            offsets = sorted(offsets)[-since:]
        before = min(offsets, default=self.head + 1) - 1
        return Start(self.position(before), self._floor(selection, kept), ended)

    def _loss(self, reason: LossReason, offset: int, floor: int, before: int) -> Loss:
        known = None if reason == "unknown" else self.position(offset)
        end = max(offset, floor)
        return Loss(reason, known, self.position(end), self.position(min(end, before)))

    def after(self, after: Position) -> list[Entry] | None:
        """All entries after a position; None if some of them are missing, or if the position is not valid."""
        offset, reason = self._validate(after)
        found = sorted((e for topic in self.topics.values() for e in topic.after(offset, self.head)), key=OFFSET)
        whole = len(found) == self.head - offset
        return found if reason is None and whole else None

    def _validate(self, after: Position) -> tuple[int, LossReason | None]:
        """From where to read on, and why not from `after` itself."""
        lasts = [first - 1 for _, first in self.runs[1:]] + [self.head]
        for index, ((tag, first), last) in enumerate(zip(self.runs, lasts, strict=True)):
            if tag == after.run:
                covered = (first if index else 0) <= after.offset <= last
                return (after.offset, None) if covered else (min(after.offset, last), "diverged")
        return 0, "unknown"

    def _selected(self, selection: Selection, now: float) -> Sequence[KeptTopic]:
        names = [name for name in selection.names if name in self.topics]
        if selection.patterns:
            names += [name for name in self.topics if name not in selection.names and selection.by_pattern(name)]
        for name in names:
            self.expire(name, now)
        return [self.topics[name] for name in names if name in self.topics]

    def _floor(self, selection: Selection, kept: Sequence[KeptTopic]) -> int:
        known = max((topic.floor for topic in kept), default=0)
        all_known = not selection.patterns and all(name in self.topics for name in selection.names)
        return known if all_known else max(known, self.gone)


def after_offset(entries: deque[Entry], offset: int, limit: int) -> Iterator[Entry]:
    """The oldest entries after an offset."""
    begin = bisect_right(entries, offset, key=OFFSET)
    return islice(entries, begin, begin + limit)


def merge(parts: list[Iterator[Entry]], limit: int) -> list[Entry]:
    """The oldest entries of several topics, in order."""
    if len(parts) == 1:
        return list(parts[0])
    return list(islice(heapq.merge(*parts, key=OFFSET), limit))
