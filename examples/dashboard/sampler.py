"""One sampler for all viewers: it reads the machine's counters once a second, however many viewers there are."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from trio_sse.topics import Topic

from .machine import Reading, Sample, compare, read_machine

SECONDS_BETWEEN_SAMPLES = 1.0
SAMPLES_KEPT = 120
"""The samples that the plot shows. A slow viewer skips older ones."""


@attrs.define(eq=False)
class Sampler:
    """Takes samples, and publishes them.

    Attributes:
        topic: Where it publishes.
        read: Reads the machine's counters; tests pass their own.
    """

    topic: Topic[Sample]
    read: Callable[[], Reading] = read_machine
    _taken: int = attrs.field(default=0, init=False)
    _running: bool = attrs.field(default=False, init=False)

    def start(self, nursery: trio.Nursery) -> None:
        """Start sampling in a nursery, unless it is already running."""
        if not self._running:
            self._running = True
            nursery.start_soon(self._run)

    async def _run(self) -> None:
        last = self.read()
        while True:
            await trio.sleep(SECONDS_BETWEEN_SAMPLES)
            last, before = self.read(), last
            self._taken += 1
            await self.topic.publish(compare(self._taken, before, last))
