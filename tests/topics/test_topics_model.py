"""No schedule of faults loses, repeats or reorders an event without telling it; and each rule is needed for that."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from support.topics_model import OPERATIONS, Violation, run_schedule, schedules
from trio_sse.topics._engine import Entry
from trio_sse.topics._hub import Hub
from trio_sse.topics._log import KeptTopic, Log
from trio_sse.topics._position import Position
from trio_sse.topics._ring import Ring

STEPS = 100_000
LENGTH = 60

BEHIND = [
    *["publish a"] * 3,
    *["pump 0", "pump 1"] * 2,
    *["snapshot", "publish a", "pump 0", "pump 1"],
    *["publish a", "pump 0"],  # which the other process has not heard of
    *["read 0"] * 5,
    *["reconnect 0", "failover", "read 0", "read 0"],
]
"""A client comes to a process that is behind, and learns before it that the store has lost its last entries."""

UNNOTICED = ["publish a", "snapshot", "publish b", "pump 0", "failover", "read 3", "read 3"]
"""A client reads what the store has lost, from a process that has not noticed that."""

KNOWN = [BEHIND, UNNOTICED]
"""Schedules that random ones seldom contain."""


def run_until(steps: int, seed: int, *, local: bool) -> None:
    """Run random schedules of so many steps together."""
    clock = MockClock()

    async def main() -> None:
        done = 0
        for schedule in schedules(seed, LENGTH):
            await run_schedule(clock, schedule, local=local)
            done += len(schedule)
            if done >= steps:
                return

    trio.run(main, clock=clock)


def test_a_store_that_fails_over_and_restarts_loses_nothing_in_silence() -> None:
    run_until(3 * STEPS // 4, 13, local=False)


def test_a_process_that_restarts_with_an_empty_history_loses_nothing_in_silence() -> None:
    run_until(STEPS // 4, 14, local=True)


@pytest.mark.parametrize("schedule", KNOWN)
def test_schedules_that_random_ones_seldom_contain(schedule: list[str]) -> None:
    clock = MockClock()

    async def main() -> None:
        await run_schedule(clock, schedule)

    trio.run(main, clock=clock)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(sorted(set(OPERATIONS))), max_size=20), st.booleans())
def test_short_schedules_lose_nothing_in_silence(schedule: list[str], local: bool) -> None:
    clock = MockClock()

    async def main() -> None:
        await run_schedule(clock, schedule, local=local)

    trio.run(main, clock=clock)


# -- the rules


def drop_without_floor(self: KeptTopic) -> None:
    self.entries.popleft()


def forget_without_gone(self: Log, topic: str) -> None:
    self.topics.pop(topic)


def new_topics_without_floor(self: Log) -> int:
    return 0


def no_runs(self: Log, tag: str) -> None:
    """The store goes on as the run that it was: an epoch that lives as long as its key."""


def reuse_an_empty_run(self: Log, tag: str) -> None:
    if self.runs[-1][1] <= self.head:
        self.runs.append((tag, self.head + 1))


def take_any(self: Ring, entry: Entry) -> bool:
    return True


def contains_by_offset(self: Ring, position: Position) -> bool:
    return self.start.offset <= position.offset <= self.head.offset


async def notice_nothing(self: Hub, incarnation: str) -> None:
    """The ring may be one of an earlier incarnation than a reader has seen."""


MUTANTS: dict[str, tuple[type[Any], str, Callable[..., Any]]] = {
    "an epoch in place of runs": (Log, "begin_run", no_runs),
    "trimming does not raise the floor": (KeptTopic, "drop", drop_without_floor),
    "a topic that is dropped does not raise gone": (Log, "_forget", forget_without_gone),
    "the floor of a new topic is not gone": (Log, "_floor_of_new", new_topics_without_floor),
    "the tag of an empty run is used again": (Log, "begin_run", reuse_an_empty_run),
    "the tail does not check that nothing is missing": (Ring, "is_next", take_any),
    "the ring is compared by offset alone": (Ring, "contains", contains_by_offset),
    "the ring is used after a read from a newer incarnation": (Hub, "_noticed", notice_nothing),
}
"""The rules of the design, each left out."""


@pytest.mark.parametrize("rule", MUTANTS)
def test_without_a_rule_the_model_finds_what_goes_wrong(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls, name, mutant = MUTANTS[rule]
    monkeypatch.setattr(cls, name, mutant)
    clock = MockClock()

    async def main() -> None:
        for schedule in chain(KNOWN, islice(schedules(15, LENGTH), 2000)):
            await run_schedule(clock, schedule)

    with pytest.raises(Violation):
        trio.run(main, clock=clock)
