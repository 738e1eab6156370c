"""The parsers that are held against the table here, each behind an adapter, and where they differ from it.

Owns the adapters that need nothing but Python. Must not know the cases but by name.
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
    """A parser and what is known of it.

    Attributes:
        parse: The adapter.
        differences: Why it differs, by the name of the case.
    """

    parse: Parse
    differences: Mapping[str, str] = MappingProxyType({})

    def hold(self, name: str, stream: bytes, expected: Parsed, clause: str = "") -> None:
        """Fail the test if it does not give what is expected; or if it does, where it is known not to."""
        problem = self.verdict(name, disagreement(self.parse, stream, expected))
        if problem is not None:
            pytest.fail("\n".join((name, clause, problem)), pytrace=False)

    def verdict(self, case: str, disagreement: str | None) -> str | None:
        """What is wrong with the outcome of a case; None if it is right, or wrong as it is known to be."""
        if case not in self.differences:
            return disagreement
        if disagreement is not None:
            return None
        return f"it no longer differs in {case!r} ({self.differences[case]}); take that out of the table"


def of_our_decoder(chunks: Sequence[bytes]) -> Parsed:
    """`trio_sse.wire.Decoder`."""
    decoder = Decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return Parsed([seen(event) for event in events], decoder.retry, decoder.last_event_id or "")


def of_our_client(chunks: Sequence[bytes]) -> Parsed:
    """`trio_sse.client.EventSource`, over a transport in memory."""
    return trio.run(partial(_read_with_our_client, chunks), clock=MockClock(autojump_threshold=0))


async def _read_with_our_client(chunks: Sequence[bytes]) -> Parsed:
    """Read until the stream has ended; the wait before the next attempt is then the reconnection time."""
    waits: list[float] = []

    def stop(_error: ConnectionFailed, seconds: float) -> None:
        waits.append(seconds)
        raise EOFError

    events: list[Event] = []
    retry = Retry(delay=NONE_ASKED, max_asked=1e300, jitter=min)
    async with Server(streaming(*chunks)).source(retry=retry, on_retry=stop) as source:
        try:
            while True:
                events.append(seen(await anext(source)))
        except EOFError:
            asked = None if waits == [NONE_ASKED] else round(waits[0] * 1000)
            return Parsed(events, asked, source.last_event_id or "")


def seen(event: Any) -> Event:
    """One of our events as a page would see it."""
    return Event(event.event or "message", event.data, event.id or "")


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


def parsed_by_httpx_sse(chunks: Sequence[bytes]) -> Parsed:
    """The package httpx-sse, over a response in memory."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Chunks(chunks))
    found = list(httpx_sse.EventSource(response).iter_sse())
    retries = [event.retry for event in found if event.retry is not None]
    events = [Event(event.event, event.data, event.id) for event in found]
    return Parsed(events, retries[-1] if retries else None, events[-1].last_event_id if events else "")


def parsers(config: pytest.Config) -> Mapping[str, Parser]:
    """Those that are known here, or the one that the command line names."""
    named = config.getoption("--sse-parser", None)
    return {named: Parser(load(named))} if named else PARSERS


def load(name: str) -> Callable[..., Any]:
    """What `package.module:name` on a command line stands for."""
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
            "a name without data is forgotten",
            "an id makes no event of a comment",
            "an id without data is kept",
            "an id without data counts for the next event",
            "an id with NUL is ignored",
            "digits are a reconnection time",
            "a reconnection time without its line end is discarded",
            "an id alone counts for what follows",
            "a reconnection time alone is no event",
            "a name alone is no event",
        ),
        "a blank line gives an event without data, where there is a name, a retry, or an id (be it an earlier event's)",
    ),
    "an empty id without data resets": "with no id left there is no event that could tell of it",
    "a reconnection time needs no blank line": "a reconnection time is told with an event only",
    **dict.fromkeys(
        (
            "a negative number is no reconnection time",
            "a number with a plus is no reconnection time",
            "a number after two spaces is no reconnection time",
            "a number before a space is no reconnection time",
            "a number before a tab is no reconnection time",
            "a number with an underscore is no reconnection time",
            "a number in Arabic digits is no reconnection time",
            "a number in fullwidth digits is no reconnection time",
        ),
        "it takes whatever Python's int() takes",
    ),
    "5000 digits break nothing": "int() refuses so many digits, and the field is ignored",
}

PARSERS: Final[Mapping[str, Parser]] = {
    "trio_sse.wire.Decoder": Parser(of_our_decoder),
    "trio_sse.client": Parser(of_our_client),
    "httpx-sse": Parser(parsed_by_httpx_sse, HTTPX_SSE_DIFFERENCES),
}
