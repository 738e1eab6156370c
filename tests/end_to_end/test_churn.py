"""A thousand clients come and go, each in its own way, and nothing of them is left."""

from __future__ import annotations

import gc
import inspect
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any, Literal

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_sse import SSE, Aborted, App

from .limits import within
from .serving import Server, serving
from .sockets import Peer, Truncated, connected

CYCLES = 1000
AT_ONCE = 40
SEED = 20260801

Way = Literal["fin", "rst", "half close"]
Moment = Literal["connected", "half a request", "request", "headers", "events", "stalled"]

MOMENTS: tuple[Moment, ...] = ("connected", "half a request", "request", "headers", "events", "events")
WAYS: tuple[Way, ...] = ("fin", "rst", "half close")
SMALL_BUFFER = 4096
BIG = {"data": "x" * (1024 * 1024)}  # far more than two small buffers hold: its yield cannot end before the client does


@attrs.frozen
class Cycle:
    """What one client does."""

    number: int
    moment: Moment
    way: Way
    count: int


@attrs.define
class Body:
    """What became of one handler's body."""

    yields: int = 0
    left: int = 0
    reason: str | None = None


@attrs.define
class Witness:
    """Every body that was entered, by the client's number, and who is about to be blocked at a `yield`."""

    bodies: dict[int, Body] = attrs.field(factory=dict)
    blocked: dict[int, trio.Event] = attrs.field(factory=lambda: defaultdict(trio.Event))

    def enter(self, number: str) -> Body:
        assert int(number) not in self.bodies, "a handler was started twice for one request"
        return self.bodies.setdefault(int(number), Body())

    def app(self) -> App:
        async def flowing(number: str, aborted: Aborted) -> AsyncIterator[Any]:
            body = self.enter(number)
            try:
                while True:
                    yield {"id": str(body.yields), "data": "a small event"}
                    body.yields += 1
                    if body.yields % 5 == 0:
                        await trio.lowlevel.checkpoint()
                    if body.yields == 50:
                        await trio.sleep_forever()
            finally:
                body.left += 1
                body.reason = aborted.reason

        async def flooding(number: str, aborted: Aborted) -> AsyncIterator[Any]:
            body = self.enter(number)
            try:
                while True:
                    self.blocked[int(number)].set()
                    yield BIG
                    body.yields += 1
            finally:
                body.left += 1
                body.reason = aborted.reason

        return App().add(SSE("/flowing/:number").handle(flowing), SSE("/flooding/:number").handle(flooding))


def plan(seed: int) -> list[Cycle]:
    """A third of the clients stall; the others go at a moment that is drawn."""
    rng = random.Random(seed)
    cycles = [
        Cycle(number, "stalled" if number % 3 == 0 else rng.choice(MOMENTS), rng.choice(WAYS), rng.randrange(1, 40))
        for number in range(CYCLES)
    ]
    rng.shuffle(cycles)
    return cycles


async def go_through(cycle: Cycle, server: Server, witness: Witness) -> None:
    """Be one client, from its connection to its end."""
    async with connected(server.port, receive_buffer=SMALL_BUFFER if cycle.moment == "stalled" else None) as peer:
        try:
            await reach(cycle, peer, witness)
            await leave(cycle, peer)
        except Truncated:
            pytest.fail(f"{cycle}: the server closed first")


async def reach(cycle: Cycle, peer: Peer, witness: Witness) -> None:
    """Come to the moment at which to leave."""
    match cycle.moment:
        case "half a request":
            await peer.send(b"GET /flowing/x HTTP/1.1\r\nhost: 127.0.0.1\r\nx: "[: cycle.count + 5])
        case "request":
            await peer.request("GET", f"/flowing/{cycle.number}")
            await pause(cycle.count)
        case "headers":
            await peer.get(f"/flowing/{cycle.number}")
        case "events":
            await peer.get(f"/flowing/{cycle.number}")
            for number in range(cycle.count):
                assert (await peer.event())["id"] == str(number)
        case "stalled":
            await peer.get(f"/flooding/{cycle.number}")
            await witness.blocked[cycle.number].wait()
            await pause(cycle.count)


async def pause(schedules: int) -> None:
    """Let the others run for a while: so many turns of the scheduler."""
    for _ in range(schedules):
        await trio.lowlevel.checkpoint()


async def leave(cycle: Cycle, peer: Peer) -> None:
    """Go, in one's own way."""
    match cycle.way:
        case "fin":
            peer.close()
        case "rst":
            peer.reset()
        case "half close":
            await peer.half_close()
            if cycle.moment != "stalled":  # a stalled one will not read, so its end of file never comes
                await peer.ended()


def open_generators() -> list[Any]:
    """The handlers' generators that have been started and not been closed."""
    return [
        found
        for found in gc.get_objects()
        if inspect.isasyncgen(found) and found.ag_frame is not None and found.ag_code.co_name in ("flowing", "flooding")
    ]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def come_back_to(baseline: int) -> None:
    """Wait until there are no more tasks than there were."""
    while trio.lowlevel.current_statistics().tasks_living > baseline:
        await wait_all_tasks_blocked(0.01)


@within(60)
async def test_a_thousand_clients_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    witness, cycles = Witness(), plan(SEED)
    limiter = trio.CapacityLimiter(AT_ONCE)

    async def one(cycle: Cycle) -> None:
        async with limiter:
            await go_through(cycle, server, witness)

    async with serving(witness.app(), backlog=2048) as server:
        await wait_all_tasks_blocked()
        tasks, files = trio.lowlevel.current_statistics().tasks_living, descriptors()
        async with trio.open_nursery() as nursery:
            for cycle in cycles:
                nursery.start_soon(one, cycle)
        with trio.fail_after(5):
            await come_back_to(tasks)
        assert descriptors() == files
        assert open_generators() == []
    check(cycles, witness)
    assert [record for record in caplog.records if record.exc_info] == []


def check(cycles: list[Cycle], witness: Witness) -> None:
    """Every body was left once, because its client had gone, and none went on for long."""
    bodies = witness.bodies
    assert {body.left for body in bodies.values()} == {1}
    assert {body.reason for body in bodies.values()} == {"client_gone"}
    for cycle in cycles:
        match cycle.moment:
            case "connected" | "half a request":
                assert cycle.number not in bodies
            case "stalled":
                assert bodies[cycle.number].yields <= 3, "it went on without a reader"
            case "events":
                assert cycle.number in bodies
    done = Counter((cycle.moment, cycle.way) for cycle in cycles)
    assert len(done) == len(set(MOMENTS) | {"stalled"}) * len(WAYS), "not every way of leaving was tried"
    assert sum(count for (moment, _), count in done.items() if moment == "stalled") == (CYCLES + 2) // 3
