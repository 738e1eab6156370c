"""Clients to check against the table of scripts, and their known differences from it.

Owns the ways to run a client. Must not know the content of the scripts, only their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs
import httpx2
import pytest

from client.scripted import Answer, Server, Step
from trio_sse.client import ConnectionFailed, EventSource, Retry

from .parsers import as_event
from .parsing import Event
from .scripts import Asked, Reply, Script, disagreement

__all__ = ("LIKE_A_BROWSER", "OURS", "RETRIES", "Follow", "check", "problems", "read_all", "run_in_memory")

Follow: TypeAlias = Callable[[str], Iterable[Sequence[str]]]
"""An adapter: reads from a URL until the stream has ended for good, and returns each event's type, data and last id."""

# Without a default delay, so that the server determines each delay.
RETRIES: Final = Retry(delay=0, jitter=min)
LIKE_A_BROWSER: Final = attrs.evolve(RETRIES, statuses=())

OURS: Final[Mapping[str, tuple[Retry, Mapping[str, str]]]] = MappingProxyType(
    {
        "trio_sse.client like a browser": (LIKE_A_BROWSER, {}),
        "trio_sse.client": (
            RETRIES,
            dict.fromkeys(
                (
                    *(f"the status {status} ends the stream at once" for status in (429, 500, 502, 503, 504)),
                    "503 ends the stream after events",
                ),
                "by design: it retries after a temporary error, because a program has no user who reloads a page",
            ),
        ),
    }
)


async def read_all(source: EventSource) -> list[Event]:
    """Read with `trio_sse.client` until the stream has ended for good."""
    events: list[Event] = []
    try:
        async with source:
            async for event in source:
                events.append(as_event(event))
    except ConnectionFailed:
        pass  # a browser closes its EventSource in this case too
    return events


async def run_in_memory(script: Script, retry: Retry) -> str | None:
    """Run `trio_sse.client` against a script in memory. Return how it differs from the script, or None."""
    # One more reply, so that an extra request is recorded.
    server = Server(*map(answer, script.replies), Answer((), 204, {}))
    events = await read_all(server.source(retry=retry))
    requests = zip(server.times, server.requests, strict=True)
    asked = [Asked(time, {k.decode().lower(): v for k, v in request.headers.raw}) for time, request in requests]
    return disagreement(script, events, asked)


def answer(reply: Reply) -> Answer:
    """Convert a reply for the in-memory server."""
    steps: tuple[Step, ...] = reply.body
    if reply.cut:
        steps = (*steps, httpx2.ReadError("cut, as the script says"))
    return Answer(steps, reply.status, reply.headers)


def check(found: Mapping[str, str | None], differences: Mapping[str, str]) -> None:
    """Fail the test unless exactly the known scripts differ."""
    wrong = problems(found, differences)
    if wrong:
        pytest.fail("\n\n".join(f"{name}: {told:.1500}" for name, told in wrong.items()), pytrace=False)


def problems(found: Mapping[str, str | None], differences: Mapping[str, str]) -> dict[str, str]:
    """Return unknown differences, and known differences that have disappeared, by the names of the scripts."""
    wrong = {name: told for name, told in found.items() if told is not None and name not in differences}
    gone = {name: "it no longer differs" for name in differences if found.get(name) is None}
    return wrong | gone
