"""`trio_sse.client` does what the standard says, or differs by design, in memory."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from trio.testing import MockClock

from trio_sse.client import Retry

from .clients import OURS, check, problems, run_in_memory
from .parsing import message
from .scripts import SCRIPTS, Asked, Script, disagreement


@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_our_client_does_as_the_standard_says(
    script: Script, ours: tuple[Retry, Mapping[str, str]], autojump_clock: MockClock
) -> None:
    retry, differences = ours
    known = {name: why for name, why in differences.items() if name == script.name}
    check({script.name: await run_in_memory(script, retry)}, known)


def test_differences_are_those_of_scripts() -> None:
    assert all(set(differences) <= {script.name for script in SCRIPTS} for _, differences in OURS.values())


def test_no_two_scripts_have_one_name() -> None:
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS)


# -- the comparison itself

HEADERS = {"accept": b"text/event-stream", "cache-control": b"no-cache"}
EXAMPLE = Script(
    name="example",
    clause="",
    replies=(),
    events=(message("a", "1"),),
    ids=(None, "1"),
    waits=(0.2,),
)
RIGHT = (Asked(0.0, HEADERS), Asked(0.25, {**HEADERS, "last-event-id": b"1"}))


def test_what_is_right_is_no_disagreement() -> None:
    assert disagreement(EXAMPLE, [("message", "a", "1")], RIGHT) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (RIGHT[:1], "ids"),
        ((*RIGHT, RIGHT[1]), "ids"),
        ((RIGHT[1], RIGHT[1]), "ids"),
        ((RIGHT[0], Asked(0.1, RIGHT[1].headers)), "waits"),
        ((RIGHT[0], Asked(0.25, {**RIGHT[1].headers, "accept": b"*/*"})), "accepts"),
        ((Asked(0.0, {"accept": b"text/event-stream"}), RIGHT[1]), "cached"),
    ],
)
def test_a_disagreement_in_the_requests_is_told(asked: tuple[Asked, ...], words: str) -> None:
    assert words in str(disagreement(EXAMPLE, [("message", "a", "1")], asked))


def test_a_disagreement_in_the_events_is_told() -> None:
    assert "returns" in str(disagreement(EXAMPLE, [("message", "a", "")], RIGHT))


def test_a_difference_that_is_gone_is_told() -> None:
    assert problems({"old": "differs", "new": None}, {"old": "why"}) == {}
    assert problems({"old": None, "new": "differs"}, {"old": "why"}) == {
        "new": "differs",
        "old": "it no longer differs",
    }
