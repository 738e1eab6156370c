"""`trio-sse tail`: a stream on a terminal or in a pipe.

Owns what an event looks like to a person and to a program, and how the command ends. Must not know the parsing of
arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime

import attrs
import httpx2
import msgspec
import trio

from ..client._errors import ConnectionFailed
from ..client._retry import Retry
from ..client._source import EventSource
from ..errors import DecodeError
from ..wire import ServerSentEvent

__all__ = ("Options", "as_json", "as_text", "run")

INDENT = "    "


@attrs.frozen(kw_only=True)
class Options:
    """What the command line says; see `docs/reference/cli.md`."""

    url: str
    json: bool = False
    header: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=tuple)
    last_event_id: str | None = None
    method: str | None = None
    data: str | None = None
    count: int | None = None
    reconnect: bool = True
    read_timeout: float | None = None

    def source(self) -> EventSource:
        """The source to read.

        Raises:
            ValueError: An option makes no sense.
            httpx2.InvalidURL: Nor does the URL.
        """
        return EventSource(
            self.url,
            method=self.method,
            headers=dict(self.header),
            content=self.data,
            last_event_id=self.last_event_id,
            read_timeout=self.read_timeout,
            retry=Retry() if self.reconnect else Retry(max_attempts=1, after_end=False),
            on_open=lambda: tell("connected"),
            on_retry=lambda error, seconds: tell(f"{error}; trying again in {seconds:.1f} s"),
        )


def run(options: Options) -> int:
    """Print a stream until it is over; the result is the process's exit status."""
    try:
        source = options.source()
    except (ValueError, httpx2.InvalidURL) as error:
        tell(str(error))
        return 2
    try:
        trio.run(_print_events, source, options)
    except (ConnectionFailed, DecodeError) as error:
        tell(str(error))
        return 1
    except BrokenPipeError:
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


async def _print_events(source: EventSource, options: Options) -> None:
    show = as_json if options.json else as_text
    printed = 0
    async with source:
        async for event in source:
            # Blocking on purpose: a pipe that is full is to hold the stream back, and there is nothing else to run.
            print(show(event, datetime.now(UTC)), flush=True)
            printed += 1
            if printed == options.count:
                return
    tell("the stream is over")


def tell(news: str) -> None:
    """Say something about the connection, beside the events."""
    print(f"trio-sse: {visible(news)}", file=sys.stderr, flush=True)


def _forget_output() -> None:
    """Whoever read our output has gone: let the interpreter's last flush go nowhere, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_json(event: ServerSentEvent, received: datetime) -> str:
    """One event as one line of ASCII for a program."""
    fields = {
        "event": event.event or "message",
        "id": event.id,
        "data": event.data,
        "retry": event.retry,
        "received": received.isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(fields)


def as_text(event: ServerSentEvent, received: datetime) -> str:
    """One event for a person: on one line if it fits, with its data indented below otherwise."""
    time = received.astimezone().strftime("%H:%M:%S.%f")[:-3]
    head = f"{time}  {event.event or 'message'}"
    if event.id:
        head += f"  #{event.id}"
    if event.retry is not None:
        head += f"  (retry {event.retry} ms)"
    line, lines = _pretty(str(event.data))
    if line is not None and len(head) + 2 + len(line) <= shutil.get_terminal_size().columns:
        return visible(f"{head}  {line}".rstrip(" "))
    return "\n".join([visible(head), *(INDENT + visible(text) for text in lines)])


def _pretty(data: str) -> tuple[str | None, list[str]]:
    """Data on one line, if they can be, and on several. JSON is laid out anew, its values are left as they came."""
    try:
        return msgspec.json.format(data, indent=0), msgspec.json.format(data, indent=2).split("\n")
    except (ValueError, RecursionError):
        return None if "\n" in data else data, data.split("\n")


def visible(text: str) -> str:
    """A stranger's text without its power over the terminal: what cannot be printed is written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
