"""A model of topics over the real hub and the real engine in memory: what no schedule of faults may lead to.

The world knows the truth: every event that has been published, and in which history of the store it is. A store that
fails over goes on from an earlier state, so histories are a tree. Clients know only what real ones do: the id of the
last thing that they were sent. After each thing that a client is sent, the model checks that nothing is lost without
a word, repeated, out of order, or told as a gap that is none.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import attrs
import trio
from trio.testing import MockClock

from trio_sse.topics._engine import Entry, Reset, Stored
from trio_sse.topics._history import History
from trio_sse.topics._hub import Hub, event_of
from trio_sse.topics._log import Log
from trio_sse.topics._memory import MemoryEngine
from trio_sse.topics._names import Selection
from trio_sse.topics._position import Position
from trio_sse.topics._reader import Ended, Reader, Reading
from trio_sse.wire import Gap

__all__ = ("OPERATIONS", "Violation", "World", "run_schedule", "schedules")

TOPICS: Final = ("a", "b", "c/x")
SELECTIONS: Final = (("a",), ("b",), ("a", "b"), ("*",), ("c/**", "a"))
SECONDS: Final = 10.0
HISTORY: Final = History(count=2, seconds=SECONDS)
LIVE: Final = 3
"""How many entries of all topics a hub can learn of by the tail."""

OPERATIONS: Final = (
    *(f"publish {topic}" for topic in TOPICS),
    *(f"read {client}" for client in range(len(SELECTIONS))),
    *(f"reconnect {client}" for client in range(len(SELECTIONS))),
    "pump 0",
    "pump 1",
    "age",
    "expire",
    "kill 0",
    "kill 1",
    "snapshot",
    "failover",
    "restart",
)


class Violation(AssertionError):
    """The model has seen something that must not be."""


@attrs.frozen(eq=False)
class Node:
    """An event in a history of the store."""

    parent: Node | None
    offset: int
    id: str
    topic: str

    def back_to(self, end: Node | None) -> Iterator[Node]:
        """This event and those before it, up to but without `end`.

        Raises:
            Violation: `end` is not before it.
        """
        node: Node | None = self
        while node is not end:
            if node is None:
                raise Violation(f"{self.id} of a history that {'nothing' if end is None else end.id} is not in")
            yield node
            node = node.parent


class SharedEngine(MemoryEngine):
    """The engine in memory as one that other processes write to: a hub learns of entries by its tail alone."""

    local: ClassVar[bool] = False

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.live: deque[Entry] = deque(maxlen=LIVE)

    async def append(self, topic: str, stored: Stored, keep: History, nonce: bytes = b"") -> Entry:
        entry = await super().append(topic, stored, keep, nonce)
        self.live.append(entry)
        return entry

    async def tail(self, after: Position) -> Sequence[Entry]:
        """What is there, without waiting; some of it only, and copies, as from another process.

        It checks the position, but not whether the stream still has the next entry: that is for the hub.
        """
        offset, reason = self._log._validate(after)
        if reason is not None:
            raise Reset
        entries = [entry for entry in self.live if entry.position.offset > offset]
        return [attrs.evolve(entry, expires=float("inf")) for entry in entries[:2]]


@attrs.define(eq=False)
class Client:
    """A client, and what the model knows of it.

    Attributes:
        topics: What it is subscribed to.
        last: The id of the last thing that it was sent.
        at: The event up to which it has everything of its topics, but for `excused`.
        excused: The offset up to which it was told of a gap.
        sent: What it has been sent.
        hub: The process that it is connected to.
        rollbacks: The rollbacks of the store when it was last known that it has nothing that the store has lost.
    """

    topics: tuple[str, ...]
    last: str
    at: Node | None
    reader: Reader
    rollbacks: int
    hub: int = 0
    excused: int = 0
    sent: set[Node] = attrs.field(factory=set)


class World:
    """A store, two processes with a hub each, and clients, which come back to the other process. In memory, one."""

    def __init__(self, clock: MockClock, *, local: bool = False) -> None:
        self.clock = clock
        self.local = local
        self.tags = 0
        self.rollbacks = 0
        self.head: Node | None = None
        self.nodes: dict[int, Node] = {}
        self.engine: Any = None
        self.new_store()
        self.hubs = self.new_hubs()
        self.saved: tuple[Log, list[Entry], Node | None] = self.copied()
        self.clients = [self.new_client(topics) for topics in SELECTIONS]

    # -- the parts

    def new_store(self) -> None:
        self.engine = (MemoryEngine if self.local else SharedEngine)(self.tag())
        self.engine._log.idle_topics = 1

    def tag(self) -> str:
        self.tags += 1
        return f"run{self.tags:05}"

    def copied(self) -> tuple[Log, list[Entry], Node | None]:
        """The state of the store, as a replica or a backup has it."""
        live = [] if self.local else self.engine.live
        return copy.deepcopy(self.engine._log), [*live], self.head

    def new_hub(self) -> Hub:
        hub = Hub(self.engine, HISTORY, ring=3)
        if not self.local:
            where = self.engine.where_now()
            hub.ring.reset(where.head)
            hub._incarnation = where.incarnation
        return hub

    def new_hubs(self) -> list[Hub]:
        return [self.new_hub()] if self.local else [self.new_hub(), self.new_hub()]

    def new_client(self, topics: tuple[str, ...]) -> Client:
        reader = self.reader(topics, None, 0)
        return Client(topics, str(reader.position), self.head, reader, self.rollbacks)

    def reader(self, topics: tuple[str, ...], after: str | None, hub: int) -> Reader:
        reader = Reader(self.hubs[hub], Selection.of(topics), Reading(after))
        reader._limit = 1
        return reader

    # -- what happens

    async def do(self, operation: str) -> None:
        verb, _, what = operation.partition(" ")
        match verb:
            case "publish":
                await self.publish(what)
            case "read":
                await self.read(self.clients[int(what)])
            case "reconnect":
                self.reconnect(self.clients[int(what)])
            case "pump" if not self.local:
                await self.hubs[int(what)].step()
            case "age":
                self.clock.jump(SECONDS / 2)
            case "expire":
                self.clock.jump(SECONDS)
                for topic in TOPICS:
                    self.engine._log.expire(topic, trio.current_time())
            case "kill" if not self.local:
                self.hubs[int(what)] = self.new_hub()
                self.reconnect_all(int(what))
            case "snapshot":
                self.saved = self.copied()
            case "failover" if not self.local:
                self.fail_over()
            case "restart":
                self.restart()

    async def publish(self, topic: str) -> None:
        number = len(self.nodes)
        entry = await self.engine.append(topic, Stored(b"data: %d\n\n" % number, given=number), HISTORY)
        self.nodes[number] = self.head = Node(self.head, entry.position.offset, str(entry.position), topic)

    def fail_over(self) -> None:
        """Go on from an earlier state of the store, without what has been stored since."""
        log, live, self.head = self.saved
        self.engine._log = copy.deepcopy(log)
        self.engine._log.begin_run(self.tag())
        self.engine.live.clear()
        self.engine.live.extend(live)
        self.rollbacks += 1

    def restart(self) -> None:
        """Restart the store: with all that it had, or, in memory, with nothing."""
        if self.local:
            self.new_store()
            self.head, self.hubs = None, self.new_hubs()
            self.rollbacks += 1
            self.reconnect_all(0)
        else:
            self.engine._log.begin_run(self.tag())

    def reconnect_all(self, hub: int) -> None:
        for client in self.clients:
            if client.hub == hub:
                self.reconnect(client)

    def reconnect(self, client: Client) -> None:
        client.hub = (client.hub + 1) % len(self.hubs)
        client.reader = self.reader(client.topics, client.last, client.hub)

    # -- what a client is sent

    async def read(self, client: Client) -> bool:
        """Let a client read, without waiting; False if there is nothing."""
        await client.reader.begin()
        items = await client.reader._read()
        for item in items:
            assert not isinstance(item, Ended)
            if isinstance(item, Gap):
                self.check_gap(client, item)
                client.last = item.id
            else:
                self.check_event(client, self.nodes[item.stored.given])
                client.last = event_of(item).id
        return bool(items)

    def check_event(self, client: Client, node: Node) -> None:
        if node in client.sent:
            raise Violation(f"{node.id} is repeated")
        if node.topic not in client.reader.selection.names and not client.reader.selection.matches(node.topic):
            raise Violation(f"{node.id} is of another topic")
        self.check_covered(client, node.parent)
        client.sent.add(node)
        client.at = node
        is_current = self.head is not None and node in self.head.back_to(None)
        client.rollbacks = self.rollbacks if is_current else -1  # of a ring that has not noticed a rollback so far

    def check_covered(self, client: Client, node: Node | None) -> None:
        """Check that a client has everything up to an event, or has been told that it has not."""
        chain = () if node is None else node.back_to(client.at)
        for each in chain:
            missing = client.reader.selection.matches(each.topic) and each not in client.sent
            if missing and each.offset > client.excused:
                raise Violation(f"{each.id} is lost in silence")

    def check_gap(self, client: Client, gap: Gap) -> None:
        after, to = (None if gap.after is None else _offset(gap.after)), _offset(gap.to)
        if client.rollbacks == self.rollbacks and gap.reason in ("diverged", "unknown", "malformed"):
            raise Violation(f"a false gap, {gap.reason}: nothing has been rolled back")
        if gap.reason == "unknown":
            client.sent.clear()
            client.at = None
        elif gap.reason == "diverged":
            client.at = self.common(client, str(gap.after))
        else:
            assert after is not None
            self.check_trimmed(client, after, to)
        client.excused = to
        if gap.reason != "trimmed":
            client.rollbacks = self.rollbacks

    def check_trimmed(self, client: Client, after: int, to: int) -> None:
        log: Log = self.engine._log
        kept = {entry.position.offset for topic in log.topics.values() for entry in topic.entries}
        chain = () if self.head is None else self.head.back_to(None)
        lost = [each.offset for each in chain if client.reader.selection.matches(each.topic)]
        if not any(after < offset <= to and offset not in kept for offset in lost) and log.gone <= after:
            raise Violation(f"a false gap, trimmed: nothing has been dropped after {after} up to {to}")

    def common(self, client: Client, id: str) -> Node | None:
        """The last event that the client and the store are said to have both.

        It is one that the client has been sent, or one of other topics after it.
        """
        mine = [] if client.at is None else [*client.at.back_to(None)]
        found = next((each for each in mine if each.id == id), None)
        if found is not None or _offset(id) == 0:
            return found
        if self.head is not None:
            found = next((each for each in self.head.back_to(None) if each.id == id), None)
        if found is None:
            raise Violation(f"{id} is in no history")
        self.check_covered(client, found)
        return found

    async def settle(self) -> None:
        """Let everything come to rest: every client has then everything, or has been told."""
        for _ in range(len(self.nodes) + 5):
            if not self.local:
                for hub in self.hubs:
                    await hub.step()
        for client in self.clients:
            for _ in range(2 * len(self.nodes) + 10):
                if not await self.read(client):
                    break
            else:
                raise Violation("a reader does not come to an end")
            self.check_rest(client)

    def check_rest(self, client: Client) -> None:
        if client.at is not None and self.head is None:
            return  # a client of a store that is new and empty is told when something comes
        if client.at is not None and self.head is not None and client.at not in self.head.back_to(None):
            return  # it is told of the rollback with what comes next
        self.check_covered(client, self.head)


def _offset(id: str) -> int:
    return int(id.partition(".")[2])


def schedules(seed: int, length: int) -> Iterator[list[str]]:
    """Random schedules, without end. What is done is often done several times in a row."""
    chance = random.Random(seed)
    while True:
        most, schedule = chance.randint(1, length), list[str]()
        while len(schedule) < most:
            schedule += [chance.choice(OPERATIONS)] * chance.randint(1, 4)
        yield schedule[:most]


async def run_schedule(clock: MockClock, schedule: Sequence[str], *, local: bool = False) -> None:
    """Run a schedule in a new world.

    Raises:
        Violation: It leads to what must not be.
    """
    world = World(clock, local=local)
    for operation in schedule:
        await world.do(operation)
    await world.settle()
