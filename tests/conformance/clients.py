"""The clients that are held against the table here, and where they differ from it.

Owns the ways to run a client. Must not know the scripts but by name.
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

from .parsers import seen
from .parsing import Event
from .scripts import Asked, Reply, Script, disagreement

__all__ = ("LIKE_A_BROWSER", "OURS", "RETRIES", "Follow", "hold", "problems", "read_all", "run_in_memory")

Follow: TypeAlias = Callable[[str], Iterable[Sequence[str]]]
"""An adapter: follows the URL until the stream is over for good, and gives the type, data and last id of each event."""

# Without a delay of its own, so that each wait is one that the server has asked for.
RETRIES: Final = Retry(delay=0, jitter=min)
LIKE_A_BROWSER: Final = attrs.evolve(RETRIES, statuses=())

OURS: Final[Mapping[str, tuple[Retry, Mapping[str, str]]]] = MappingProxyType(
    {
        "trio_sse.client like a browser": (LIKE_A_BROWSER, {}),
        "trio_sse.client": (
            RETRIES,
            dict.fromkeys(
                (
                    *(f"the status {status} is the end at once" for status in (429, 500, 502, 503, 504)),
                    "503 is the end after events",
                ),
                "on purpose: what is temporary is tried again, for a program has nobody who reloads a page",
            ),
        ),
    }
)


async def read_all(source: EventSource) -> list[Event]:
    """Follow with our client until the stream is over for good."""
    events: list[Event] = []
    try:
        async with source:
            async for event in source:
                events.append(seen(event))
    except ConnectionFailed:
        pass  # a browser's EventSource is closed then, as at any other end
    return events


async def run_in_memory(script: Script, retry: Retry) -> str | None:
    """Hold our client against a script, over a transport in memory; how it differs."""
    # One more reply, so that a request too many is seen.
    server = Server(*map(answer, script.replies), Answer((), 204, {}))
    events = await read_all(server.source(retry=retry))
    requests = zip(server.times, server.requests, strict=True)
    asked = [Asked(time, {k.decode().lower(): v for k, v in request.headers.raw}) for time, request in requests]
    return disagreement(script, events, asked)


def answer(reply: Reply) -> Answer:
    """A reply for the server in memory."""
    steps: tuple[Step, ...] = reply.body
    if reply.cut:
        steps = (*steps, httpx2.ReadError("as the script says"))
    return Answer(steps, reply.status, reply.headers)


def hold(found: Mapping[str, str | None], differences: Mapping[str, str]) -> None:
    """Fail the test if the outcomes of scripts are not as they are known to be."""
    wrong = problems(found, differences)
    if wrong:
        pytest.fail("\n\n".join(f"{name}: {told:.1500}" for name, told in wrong.items()), pytrace=False)


def problems(found: Mapping[str, str | None], differences: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the outcomes of scripts, by name: a difference that is not known, and one that is gone."""
    wrong = {name: told for name, told in found.items() if told is not None and name not in differences}
    gone = {name: "it no longer differs" for name in differences if found.get(name) is None}
    return wrong | gone
