"""One sampler for all viewers: it reads the machine's counters once a second, however many viewers there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from .machine import Reading, Sample, compare, read_machine

SECONDS_BETWEEN_SAMPLES = 1.0
SAMPLES_KEPT = 120
"""The samples that the plot shows, and the most that wait for a slow viewer: it skips older ones."""


@attrs.define(eq=False)
class Sampler:
    """Takes samples and keeps the newest.

    Viewers have no queues. Each one knows the number of the last sample that it has received, and asks for newer ones.

    Attributes:
        read: Reads the machine's counters; tests pass their own.
    """

    read: Callable[[], Reading] = read_machine
    _samples: deque[Sample] = attrs.field(factory=lambda: deque(maxlen=SAMPLES_KEPT), init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _running: bool = attrs.field(default=False, init=False)

    def start(self, nursery: trio.Nursery) -> None:
        """Start sampling in a nursery, unless it is already running."""
        if not self._running:
            self._running = True
            nursery.start_soon(self._run)

    @property
    def newest(self) -> int:
        """The number of the newest sample; 0 while there is none."""
        return self._samples[-1].number if self._samples else 0

    async def newer_than(self, number: int) -> list[Sample]:
        """Wait until there are samples after a number, and return all of those that are kept, in order."""
        while self.newest <= number:
            await self._changed.wait()
        return [sample for sample in self._samples if sample.number > number]

    async def _run(self) -> None:
        try:
            last = self.read()
            while True:
                await trio.sleep(SECONDS_BETWEEN_SAMPLES)
                last, before = self.read(), last
                self._add(compare(self.newest + 1, before, last))
        finally:
            self._running = False

    def _add(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._changed.set()
        self._changed = trio.Event()
