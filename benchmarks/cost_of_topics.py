"""What a topic costs: CPU time of publishing, and of an event for each of 500 streams, in memory.

    python benchmarks/cost_of_topics.py

The streams are requests to an app without a server, whose `send` only counts, so that the figures show what the library
does for an event besides the system call. The ways to subscribe take turns within one run, pinned to one core. A burst
is 50 tasks that publish at once.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from trio_sse import SSE, App
from trio_sse.topics import MemoryTopics, Topics

STREAMS = 500
TOPIC = "rooms/1"
EVENT = {"event": "tick", "data": {"n": 1, "text": "x" * 40}}
ROUNDS = 5
SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


@attrs.define
class Sink:
    """Counts the events that an app sends."""

    events: int = 0

    async def send(self, message: Any) -> None:
        self.events += message.get("body", b"").count(b"event: tick\n")

    async def receive(self) -> Any:
        await trio.sleep_forever()


async def iterate(topics: Topics) -> AsyncIterator[Any]:
    async for event in topics.topic(TOPIC):
        yield event


async def subscribe(topics: Topics) -> AsyncIterator[Any]:
    async for event in topics.subscribe(TOPIC):
        yield event


WAYS = {
    "async for event in topic: yield event": SSE("/").heartbeat(None).handle(iterate),
    "async for event in topics.subscribe(…): yield event": SSE("/").heartbeat(None).handle(subscribe),
    ".topic(…)": SSE("/").heartbeat(None).topic(TOPIC),
}


async def publishing(count: int = 20_000) -> float:
    """Microseconds for a publish without subscribers."""
    topic = MemoryTopics().topic(TOPIC)
    begin = time.process_time()
    for _ in range(count):
        await topic.publish(EVENT)
    return (time.process_time() - begin) / count * 1e6


async def streaming(route: Any, burst: int, turns: int) -> float:
    """Microseconds for an event of one stream, with the publishing."""
    topics, sink = MemoryTopics(), Sink()
    app = App().provide(Topics, value=topics).add(route)
    async with app.lifespan() as state, trio.open_nursery() as nursery:
        for _ in range(STREAMS):
            nursery.start_soon(app, {**SCOPE, "state": state}, sink.receive, sink.send)
        await wait_all_tasks_blocked()
        begin = time.process_time()
        for _ in range(turns):
            async with trio.open_nursery() as publishers:
                for _ in range(burst):
                    publishers.start_soon(topics.topic(TOPIC).publish, EVENT)
            await wait_all_tasks_blocked()
        spent = time.process_time() - begin
        nursery.cancel_scope.cancel()
    assert sink.events == STREAMS * burst * turns
    return spent / sink.events * 1e6


async def memory(count: int = 10_000) -> float:
    """KiB for a topic that has one event and no subscriber."""
    topics = MemoryTopics()
    await topics.topic("warm").publish(EVENT)
    tracemalloc.start()
    for number in range(count):
        await topics.topic("rooms", number).publish(EVENT)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / count / 1024


def main() -> None:
    """Print the medians."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gc.disable()
    measured: dict[str, Callable[[], Any]] = {"publish without subscribers": publishing}
    for name, route in WAYS.items():
        measured[name] = partial(streaming, route, 1, 50)
        measured[f"{name}, bursts of 50"] = partial(streaming, route, 50, 5)
    results: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, measure in measured.items():
            results[name].append(trio.run(measure))
            gc.collect()
    for name, values in results.items():
        sys.stdout.write(f"{statistics.median(values):7.2f} µs  {name}\n")
    sys.stdout.write(f"{trio.run(memory):7.2f} KiB a topic with one event\n")


if __name__ == "__main__":
    main()
