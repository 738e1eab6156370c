"""A server that follows a script, behind httpx2: answers with headers, bytes, silences and errors, and no socket.

It reads its script as httpcore2 reads a socket: through async generators within async generators, which must not be
left behind, and it knows which of its answers are still open.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import httpx2
import trio

from trio_sse.client import EventSource, Retry

HANG = float("inf")
"""A step that never ends."""

Step: TypeAlias = bytes | float | BaseException


@attrs.define(eq=False)
class Answer:
    """What the server says to one request.

    Attributes:
        steps: The body: bytes to send, seconds to wait, an error that is raised while the next are awaited.
        status: The status.
        headers: The headers, by name or as pairs; a stream's content type unless others are given.
        after: Seconds until the headers are sent.
        reason: The reason phrase; that of the status unless given.
    """

    steps: tuple[Step, ...]
    status: int = 200
    headers: Mapping[str, str] | Sequence[tuple[str, Any]] = {"content-type": "text/event-stream"}
    after: float = 0.0
    reason: bytes | None = None


def streaming(*steps: Step, **options: Any) -> Answer:
    return Answer(steps, **options)


def refusing(status: int, *steps: Step, after: float = 0.0, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(steps, status, named, after)


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, server: Server, steps: tuple[Step, ...]) -> None:
        self._server = server
        self._steps = steps
        self._closed = False
        server.open += 1

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self._inner():
                yield chunk
        except BaseException:
            await self.aclose()
            raise

    async def _inner(self) -> AsyncGenerator[bytes, None]:
        async for chunk in self._innermost():
            yield chunk

    async def _innermost(self) -> AsyncGenerator[bytes, None]:
        for step in self._steps:
            if isinstance(step, bytes):
                self._server.sent += len(step)
                yield step
            elif isinstance(step, BaseException):
                raise step
            else:
                await trio.sleep(step)
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        if not self._closed:
            with trio.CancelScope(shield=True):  # as in httpcore2
                await trio.sleep(self._server.closing)
            self._closed = True
            self._server.open -= 1


class Server(httpx2.AsyncBaseTransport):
    """Answers each request with the next answer; one for which there is none is an error of the test.

    Attributes:
        requests: The requests, with their bodies read.
        times: When each came.
        open: How many answers are being read.
        closing: The seconds that it takes to close one of them.
        sent: How many bytes have been read of all answers.
    """

    def __init__(self, *answers: Answer | Exception) -> None:
        self.requests: list[httpx2.Request] = []
        self.times: list[float] = []
        self.open = 0
        self.closing = 0.0
        self.sent = 0
        self._answers = list(answers)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        self.times.append(trio.current_time())
        assert self._answers, f"a request too many: {request.headers}"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            await trio.lowlevel.checkpoint()
            raise answer
        await trio.sleep(answer.after)
        headers: Any = list(answer.headers.items() if isinstance(answer.headers, Mapping) else answer.headers)
        extensions = {} if answer.reason is None else {"reason_phrase": answer.reason}
        stream = _Stream(self, answer.steps)
        return httpx2.Response(answer.status, headers=headers, stream=stream, extensions=extensions)

    def source(self, url: str = "http://server/stream", **options: Any) -> EventSource:
        """A source that reads from it, with jitter that is always nothing unless a `retry` is given."""
        options.setdefault("retry", Retry(jitter=min))
        options.setdefault("client", self.client())
        return EventSource(url, **options)

    def client(self, **options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self, **options)

    def ids(self) -> list[str | None]:
        """The `Last-Event-ID` of each request."""
        return [request.headers.get("last-event-id") for request in self.requests]

    def waits(self) -> list[float]:
        """The seconds between the requests."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]
