"""Parsers to check against the table of streams, each with an adapter, and their known differences from it.

Owns the adapters that need only Python. Must not know the content of the cases, only their names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import attrs
import httpx
import httpx_sse
import pytest
import trio
from trio.testing import MockClock

from client.scripted import Server, streaming
from trio_sse.client import ConnectionFailed, Retry
from trio_sse.wire import Decoder

from .parsing import Event, Parse, Parsed, disagreement

__all__ = ("PARSERS", "Parser", "load", "of_our_client", "of_our_decoder", "parsed_by_httpx_sse", "parsers")

NONE_ASKED: Final = 123.0


@attrs.frozen
class Parser:
    """A parser and its known differences.

    Attributes:
        parse: The adapter.
        differences: The reasons of the known differences, by the names of the cases.
    """

    parse: Parse
    differences: Mapping[str, str] = MappingProxyType({})

    def check(self, name: str, stream: bytes, expected: Parsed, clause: str = "") -> None:
        """Fail the test if the result is wrong, or if it is right in a case that is a known difference."""
        problem = self.verdict(name, disagreement(self.parse, stream, expected))
        if problem is not None:
            pytest.fail("\n".join((name, clause, problem)), pytrace=False)

    def verdict(self, case: str, disagreement: str | None) -> str | None:
        """Return what is wrong with the result of a case, or None if it is right or a known difference."""
        if case not in self.differences:
            return disagreement
        if disagreement is not None:
            return None
        return f"it no longer differs in {case!r} ({self.differences[case]}): remove this from the table"


def of_our_decoder(chunks: Sequence[bytes]) -> Parsed:
    """Parse with `trio_sse.wire.Decoder`."""
    decoder = Decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return Parsed([as_event(event) for event in events], decoder.retry, decoder.last_event_id or "")


def of_our_client(chunks: Sequence[bytes]) -> Parsed:
    """Parse with `trio_sse.client.EventSource`, over an in-memory transport."""
    return trio.run(partial(_read_with_our_client, chunks), clock=MockClock(autojump_threshold=0))


async def _read_with_our_client(chunks: Sequence[bytes]) -> Parsed:
    """Read until the stream ends. The delay before the next attempt is then the reconnection time."""
    waits: list[float] = []

    def stop(_error: ConnectionFailed, seconds: float) -> None:
        waits.append(seconds)
        raise EOFError

    events: list[Event] = []
    retry = Retry(delay=NONE_ASKED, max_asked=1e300, jitter=min)
    async with Server(streaming(*chunks)).source(retry=retry, on_retry=stop) as source:
        try:
            while True:
                events.append(as_event(await anext(source)))
        except EOFError:
            asked = None if waits == [NONE_ASKED] else round(waits[0] * 1000)
            return Parsed(events, asked, source.last_event_id or "")


def as_event(event: Any) -> Event:
    """Convert an event of this library."""
    return Event(event.event or "message", event.data, event.id or "")


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


def parsed_by_httpx_sse(chunks: Sequence[bytes]) -> Parsed:
    """Parse with the package httpx-sse, from an in-memory response."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Chunks(chunks))
    found = list(httpx_sse.EventSource(response).iter_sse())
    retries = [event.retry for event in found if event.retry is not None]
    events = [Event(event.event, event.data, event.id) for event in found]
    return Parsed(events, retries[-1] if retries else None, events[-1].last_event_id if events else "")


def parsers(config: pytest.Config) -> Mapping[str, Parser]:
    """Return the parsers of this module, or only the one that the command line names."""
    named = config.getoption("--sse-parser", None)
    return {named: Parser(load(named))} if named else PARSERS


def load(name: str) -> Callable[..., Any]:
    """Import the object that the command line names as `package.module:name`."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


HTTPX_SSE_DIFFERENCES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("a leading BOM is dropped", "a BOM in a value is text"),
        "it keeps the byte order mark, so that the first line is an unknown field",
    ),
    **dict.fromkeys(
        (
            "an event without data is not dispatched",
            "a name without data is discarded",
            "an id does not turn a comment into an event",
            "an id without data is kept",
            "an id without data counts for the next event",
            "an id with NUL is ignored",
            "digits are a reconnection time",
            "a reconnection time without its line end is discarded",
            "an id alone counts for what follows",
            "a name alone is not an event",
        ),
        "a blank line yields an event without data after a name, a retry or an id, also the id of an earlier event",
    ),
    "an empty id without data resets": "without an id it yields no event that could show the reset",
    "a reconnection time needs no blank line": "it reports a reconnection time with an event only",
    **dict.fromkeys(
        (
            "a negative number is not a reconnection time",
            "a number with a plus is not a reconnection time",
            "a number after two spaces is not a reconnection time",
            "a number before a space is not a reconnection time",
            "a number before a tab is not a reconnection time",
            "a number with an underscore is not a reconnection time",
            "a number in Arabic digits is not a reconnection time",
            "a number in fullwidth digits is not a reconnection time",
        ),
        "it accepts all text that Python's int() accepts",
    ),
    "5000 digits do not break the parser": "int() refuses so many digits, and the field is ignored",
}

PARSERS: Final[Mapping[str, Parser]] = {
    "trio_sse.wire.Decoder": Parser(of_our_decoder),
    "trio_sse.client": Parser(of_our_client),
    "httpx-sse": Parser(parsed_by_httpx_sse, HTTPX_SSE_DIFFERENCES),
}
