"""Shows which functions of the library a request passes, and which an event passes.

    python benchmarks/request_path.py

The first list is from `App.__call__` to the first line of a handler, for a stream with one path parameter, one step and
one guard, requested as a browser's EventSource does. The second is from the handler's `yield` to the server, without a
direct writer. Functions that are written in the library count; comprehensions and what attrs generates do not.
`docs/explanation/architecture.md` shows the output.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import trio

import trio_sse
from trio_sse import SSE, App, Request

SOURCE = Path(trio_sse.__file__).parent

Calls = list[tuple[str, str]]
"""Functions in the order of their calls, each with its file, relative to the package."""


class Recorder:
    """Records the calls of the library's functions while it is on."""

    def __init__(self) -> None:
        self.calls: Calls = []

    def start(self) -> None:
        """Forget what has been recorded, and record."""
        self.calls = []
        sys.setprofile(self._record)

    def stop(self) -> Calls:
        """Record no more."""
        sys.setprofile(None)
        return self.calls

    def _record(self, frame: FrameType, event: str, _arg: object) -> None:
        file, name = Path(frame.f_code.co_filename), frame.f_code.co_qualname
        if event == "call" and file.is_relative_to(SOURCE) and not name.endswith(">"):
            self.calls.append((file.relative_to(SOURCE).as_posix(), name))


async def record(app: App, *steps: Callable[..., Any]) -> tuple[Calls, Calls]:
    """The calls of a request, and those of an event.

    Args:
        app: The app to which the route is added.
        *steps: Further steps of the route.
    """
    recorder = Recorder()
    request: Calls = []
    event: Calls = []
    gone = trio.Event()

    async def user(request: Request) -> str:
        return request.method

    async def clock(room: int, user: str) -> AsyncIterator[Any]:
        request[:] = recorder.stop()
        yield {"event": "warm-up"}
        recorder.start()
        yield {"data": {"room": room}}

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if b"room" in message.get("body", b""):
            event[:] = recorder.stop()
            gone.set()

    route = SSE("/rooms/:room").use(user=user).guard(lambda user: user == "GET")
    for step in steps:
        route = route.use(step)
    app = app.add(route.handle(clock))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/rooms/7",
        "raw_path": b"/rooms/7",
        "query_string": b"",
        "headers": [(b"host", b"example.org"), (b"accept", b"text/event-stream")],
    }
    app.check()
    recorder.start()
    await app(scope, receive, send)
    return request, event


def described(title: str, calls: Calls) -> str:
    """A heading with the counts, then a line for each visit to a file."""
    functions, files = len(set(calls)), len({file for file, _ in calls})
    moves = sum(one[0] != other[0] for one, other in itertools.pairwise(calls))
    lines = [f"{title}: {functions} functions, {files} files, {moves} moves between files"]
    for file, group in itertools.groupby(calls, key=lambda call: call[0]):
        names = dict.fromkeys(name.rpartition(".")[2] for _, name in group)
        lines.append(f"    {file.removesuffix('.py'):24} {', '.join(names)}")
    return "\n".join(lines)


def main() -> None:
    """Print both."""
    request, event = trio.run(record, App())
    print(described("a request", request))
    print(described("an event", event))


if __name__ == "__main__":
    main()
