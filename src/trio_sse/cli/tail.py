"""`trio-sse tail`: prints a stream to a terminal or a pipe.

Owns the output formats, for people and for programs, and the exit status. It must not know how arguments are parsed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from typing import Final

import attrs
import httpx2
import msgspec
import trio

from .._ground.text import escape
from ..client import ConnectionFailed, EventSource, Retry
from ..errors import DecodeError
from ..wire import ServerSentEvent

__all__ = ("Options", "as_json", "as_text", "run")

INDENT = "    "

_PARAMETER: Final = re.compile(r"\b(last_event_id|max_event_size|read_timeout)\b(?:=…)?")
"""The parameters of `EventSource` that are options of this command, as its errors name them."""


@attrs.frozen(kw_only=True)
class Options:
    """The command's options; see `docs/reference/cli.md`."""

    url: str
    json: bool = False
    header: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=tuple)
    last_event_id: str | None = None
    method: str | None = None
    data: str | None = None
    count: int | None = None
    reconnect: bool = True
    read_timeout: float | None = None
    max_event_size: int = 1024 * 1024

    def source(self) -> EventSource:
        """The source to read.

        Raises:
            ValueError: An option is wrong.
            httpx2.InvalidURL: The URL is wrong.
        """
        return EventSource(
            self.url,
            method=self.method,
            headers=dict(self.header),
            content=self.data,
            last_event_id=self.last_event_id,
            read_timeout=self.read_timeout,
            max_event_size=self.max_event_size,
            retry=Retry() if self.reconnect else Retry(max_attempts=1, after_end=False),
            on_open=lambda: tell("connected"),
            on_retry=lambda error, seconds: tell(f"{error}; trying again in {seconds:.1f} s"),
        )


def run(options: Options) -> int:
    """Print a stream until it ends. Returns the exit status."""
    try:
        source = options.source()
    except (ValueError, httpx2.InvalidURL) as error:
        tell(with_flags(error))
        return 2
    try:
        trio.run(_print_events, source, options)
    except (ConnectionFailed, DecodeError) as error:
        tell(with_flags(error))
        return 1
    except BrokenPipeError:
        _discard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


async def _print_events(source: EventSource, options: Options) -> None:
    show = as_json if options.json else as_text
    printed = 0
    async with source:
        async for event in source:
            # This blocks on purpose: a full pipe must slow the stream down, and no other task is running.
            print(show(event, datetime.now(UTC)), flush=True)
            printed += 1
            if printed == options.count:
                return
    tell("the stream has ended")


def tell(news: str) -> None:
    """Print a message about the connection to the standard error."""
    print(f"trio-sse: {escape(news)}", file=sys.stderr, flush=True)


def with_flags(error: Exception) -> str:
    """An error's message that names this command's options in place of the parameters of `EventSource`."""
    return _PARAMETER.sub(lambda found: "--" + found[1].replace("_", "-"), str(error))


def _discard_output() -> None:
    """Discard what the interpreter writes when it exits, because the output has been closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_json(event: ServerSentEvent, received: datetime) -> str:
    """One event for a program: one line, in ASCII."""
    fields = {
        "event": event.event or "message",
        "id": event.id,
        "data": event.data,
        "retry": event.retry,
        "received": received.isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(fields)


def as_text(event: ServerSentEvent, received: datetime) -> str:
    """One event for a person: on one line if it fits, otherwise with its data indented below."""
    time = received.astimezone().strftime("%H:%M:%S.%f")[:-3]
    head = f"{time}  {event.event or 'message'}"
    if event.id:
        head += f"  #{event.id}"
    if event.retry is not None:
        head += f"  (retry {event.retry} ms)"
    line, lines = _pretty(str(event.data))
    if line is not None and len(head) + 2 + len(line) <= shutil.get_terminal_size().columns:
        return _visible(f"{head}  {line}".rstrip(" "))
    return "\n".join([_visible(head), *(INDENT + _visible(text) for text in lines)])


def _pretty(data: str) -> tuple[str | None, list[str]]:
    """Data on one line, if possible, and on several. JSON is indented; its values are not changed."""
    try:
        return msgspec.json.format(data, indent=0), msgspec.json.format(data, indent=2).split("\n")
    except (ValueError, RecursionError):
        return None if "\n" in data else data, data.split("\n")


def _visible(text: str) -> str:
    """Escape what could control the terminal. Tabs cannot, and they often separate columns."""
    return "\t".join(map(escape, text.split("\t")))
