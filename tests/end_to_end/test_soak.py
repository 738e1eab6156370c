"""A short soak in processes of their own: see `benchmarks/soak.py`, of which this is a quarter of a minute."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
import trio

from benchmarks.soak import (
    GONE,
    Load,
    Multiplexed,
    Plan,
    Sample,
    Server,
    compare_idle,
    has_proc,
    leave_http2,
    make_certificate,
    served,
    soak,
)
from trio_sse import AbortReason

from .limits import within

pytestmark = pytest.mark.skipif(not has_proc(), reason="the server is looked at through /proc")

PLAN = Plan(seconds=16, streams=60, seed=20260801, stay=2, warm_up=8, every=2, growth=8)
"""The memory still grows to its level in so short a time, so its bound is wide; objects are counted exactly."""

PATHS = ("/ticks", "/idle", "/rooms/1/7", "/values/3", "/working", "/failing")
CONNECTIONS, AT_ONCE = 160, 8


def test_a_sample_shows_the_streams_that_were_too_slow() -> None:
    seen = {"tasks": 1, "open": 2, "opened": 9, "events": 4, "raised": 5, "ended": {AbortReason.TOO_SLOW.value: 7}}
    assert str(Sample(0, 0, 0, seen)).split()[-2] == "7"


@within(120)
async def test_after_a_quarter_of_a_minute_of_clients_that_misbehave_the_server_holds_what_it_held_before() -> None:
    report = await soak(PLAN)
    assert report.faults == []
    assert sum(report.done.values()) > 100
    last = report.samples[-1].seen
    assert last["opened"] > 100
    assert min(last["raised"], last["events"]) > 5
    assert max(sample.seen["open"] for sample in report.samples) > PLAN.streams / 3


@within(90)
async def test_http2_connections_that_break_off_with_several_streams_leave_none_behind() -> None:
    """All streams of a connection have to be told that it has gone, by whoever finds out."""
    rng = random.Random(20260801)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificate(folder)
        async with served(folder, Plan(seconds=0, streams=AT_ONCE)) as server:
            before = await server.sample()
            load = Load(server.ports, folder / "authority.pem", rng.randrange(1 << 30), stay=1)
            limiter = trio.CapacityLimiter(AT_ONCE)
            async with trio.open_nursery() as nursery:
                for _ in range(CONNECTIONS):
                    nursery.start_soon(break_off, load, rng, limiter)
            await check_that_nothing_is_left(server, before)


async def break_off(load: Load, rng: random.Random, limiter: trio.CapacityLimiter) -> None:
    """Ask for several streams over one connection, and leave in some way before much of them has come."""
    async with limiter:
        try:
            async with load.connected(tls=True, protocol="h2") as wire:
                peer = Multiplexed(wire, starving=False)
                for _ in range(rng.randint(2, 8)):
                    await peer.ask(rng.choice(PATHS))
                await peer.read(rng.choice((0, 0.001, 0.01, 0.05)))
                if peer.open and rng.random() < 0.5:
                    await peer.reset(rng.choice(sorted(peer.open)))
                await leave_http2(load, peer)
        except GONE:
            pass  # the other end has noticed first


async def check_that_nothing_is_left(server: Server, before: Sample) -> None:
    after = await server.idle(before)
    left = await server.ask("/soak/tasks") if after.seen["tasks"] > before.seen["tasks"] else []
    assert left == []
    assert list(compare_idle(before, after)) == []
    assert after.seen["opened"] > CONNECTIONS / 2
    assert await server.end() == []
