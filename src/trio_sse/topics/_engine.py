"""What an engine is: it stores entries in one sequence, and answers what comes after a position.

Owns the protocol and its values. The hub owns the rest: fan-out, cursors, policies, frames, gaps on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import attrs

from ..wire import PublishedEvent
from ..wire._published import Framed
from ._history import History
from ._names import Selection
from ._position import Position

__all__ = (
    "Engine",
    "Entry",
    "LocalEngine",
    "Loss",
    "LossReason",
    "Page",
    "Reset",
    "Start",
    "Stored",
    "Unavailable",
    "Where",
)


@attrs.frozen
class Stored:
    """What is stored of an event, before it has a position.

    Attributes:
        body: The frame without an id; empty for the end of the topic.
        key: The key of the event, or None.
        framed: The event's name and data, for an engine in this process; None where only bytes are kept.
        given: What was published, for an engine in this process.
    """

    body: bytes
    key: str | None = None
    framed: Framed | None = None
    given: Any = None


@attrs.define(eq=False)
class Entry:
    """One entry of the sequence.

    Attributes:
        position: Its place.
        topic: The name of its topic.
        stored: What is stored.
        expires: When the engine drops it, by the engine's clock.
        dropped: Whether an engine in this process has dropped it, so that the ring must not serve it either.
        event: What subscribers get, made once, for the first of them.
    """

    position: Position
    topic: str
    stored: Stored
    expires: float
    dropped: bool = attrs.field(default=False, init=False)
    event: PublishedEvent | None = attrs.field(default=None, init=False)

    @property
    def is_end(self) -> bool:
        """Whether the topic ends with it."""
        return not self.stored.body


LossReason: TypeAlias = Literal["trimmed", "diverged", "unknown"]
"""What an engine reports: see `Gap`."""


@attrs.frozen
class Loss:
    """What a reader has missed: what comes after `after`, up to `to`. A page may have a part of it.

    Attributes:
        reason: Why.
        after: The last position up to which the reader has everything; None if it cannot be known.
        to: The end of the extent.
        resume: From where to go on so that nothing else is missed: before the page's first entry.
    """

    reason: LossReason
    after: Position | None
    to: Position
    resume: Position


@attrs.frozen
class Page:
    """What comes after a position.

    Attributes:
        entries: Entries, in order.
        through: Up to where the page is complete: the position to read on from.
        loss: What the reader has missed, told before the entries; None if nothing.
        incarnation: The current run of the store.
    """

    entries: Sequence[Entry]
    through: Position
    loss: Loss | None
    incarnation: str


@attrs.frozen
class Start:
    """Where a subscriber without an id begins.

    Attributes:
        position: The position.
        floor: The offset up to which it does not matter what has been dropped: the subscriber was promised nothing.
        ended: The selected topics that have ended.
    """

    position: Position
    floor: int
    ended: frozenset[str] = frozenset()


@attrs.frozen
class Where:
    """The end of the sequence.

    Attributes:
        head: The last position.
        incarnation: The current run of the store.
    """

    head: Position
    incarnation: str


class Unavailable(Exception):
    """The store did not answer in time. What was to be stored may have been."""


class Reset(Exception):
    """The sequence cannot be continued from this position without a gap: ask again where the head is."""


class Engine(Protocol):
    """Stores entries. Each call may come from many tasks; `tail` from one at a time.

    Order: that of `append` is that of offsets, of pages and of `tail`, for all readers. Offsets are contiguous over all
    topics. What `tail` has shown, `read` shows or reports as a loss.
    """

    local: ClassVar[bool]
    """Whether only this process can see the entries. Then it is a `LocalEngine`, which has no use for `tail`."""

    async def append(self, topic: str, stored: Stored, keep: History, nonce: bytes = b"") -> Entry:
        """Store an entry, and drop what the history no longer keeps, in one atomic step.

        It returns when the entry is stored. If it is cancelled, the entry is stored once or not at all. A repetition
        with the same nonce within a minute is not stored twice.

        Raises:
            TopicEnded: The topic has ended.
            Unavailable: The store did not answer in time.
        """
        ...

    async def read(self, selection: Selection, after: Position, limit: int) -> Page:
        """Read what comes after a position, at most `limit` entries, and check the position, in one atomic step."""
        ...

    async def start(self, selection: Selection, since: int | None) -> Start:
        """The position before the last `since` entries, or before all that are kept; and which topics have ended.

        With 0 it is the head, and the history is not looked at.
        """
        ...

    async def tail(self, after: Position) -> Sequence[Entry]:
        """Wait for the entries of all topics after a position; none after 10 seconds of silence.

        Raises:
            Reset: It cannot be shown that nothing is between the position and the next entry.
            Unavailable: The store did not answer.
        """
        ...

    async def where(self) -> Where:
        """The end of the sequence."""
        ...


class LocalEngine(Engine, Protocol):
    """An engine within this process, which reports an entry in the call that stores it."""

    def where_now(self) -> Where:
        """As `where`, without waiting."""
        ...

    def listen(self, received: Callable[[Entry], object]) -> None:
        """Call a function for each entry from now on, before `append` returns."""
        ...
