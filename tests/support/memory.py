"""An in-memory ASGI client that really streams: status and headers first, then event by event.

It plays the server's part as hypercorn does: after the client has gone, `send` drops the message in silence and
`receive` gives one `http.disconnect` and then blocks. Every wrong message of the app is an AssertionError.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from trio_sse import Decoder, ServerSentEvent


@attrs.frozen
class Reply:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Stream:
    """One request in flight, seen from the client."""

    def __init__(self, body: tuple[bytes, ...]) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.raw = bytearray()
        self.writes: list[bytes] = []
        self.complete = False
        self.error: BaseException | None = None
        self.app_has_ended = trio.Event()
        self.cut_short = False
        self._begun = False
        self._ended = False
        self.send_error: Exception | None = None
        self.receive_error: Exception | None = None
        self._decoder = Decoder()
        self._events: list[ServerSentEvent] = []
        self._incoming = list(body)
        self._gone = trio.Event()
        self._told_gone = False
        self._paused = False
        self._changed = trio.Event()

    # -- the client's acts

    def disconnect(self) -> None:
        self._gone.set()
        self._notify()

    def pause(self) -> None:
        """Stop reading: the app's next send blocks."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._notify()

    async def started(self) -> Stream:
        while self.status is None:
            assert not self.app_has_ended.is_set(), "the app ended without a response"
            await self._changed.wait()
        return self

    async def written(self, count: int) -> None:
        """Wait until the app has written so many parts of the body."""
        while len(self.writes) < count:
            assert not self.app_has_ended.is_set(), "the app has ended"
            await self._changed.wait()

    async def event(self) -> ServerSentEvent:
        while not self._events:
            assert not (self.complete or self.app_has_ended.is_set()), "the stream has ended"
            await self._changed.wait()
        return self._events.pop(0)

    async def events(self, count: int) -> list[ServerSentEvent]:
        return [await self.event() for _ in range(count)]

    def pending(self) -> list[ServerSentEvent]:
        """What has come and has not been taken."""
        taken, self._events = self._events, []
        return taken

    def claim_error(self) -> BaseException:
        """Take the error that the app ended with; one that nobody takes fails the test."""
        error, self.error = self.error, None
        assert error is not None, "the app ended without an error"
        return error

    @property
    def unread(self) -> int:
        """Chunks of the request body that the app has not taken."""
        return len(self._incoming)

    # -- the server's part

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if self._incoming:
            chunk = self._incoming.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._incoming)}
        await self._gone.wait()
        if self.receive_error is not None:
            raise self.receive_error
        if self._told_gone:
            await trio.sleep_forever()
        self._told_gone = True
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        self._check(message)
        await trio.lowlevel.checkpoint()
        while self._paused and not self._gone.is_set():
            await self._changed.wait()
        if self.send_error is not None:
            raise self.send_error
        if not self._gone.is_set():
            self._take(message)
            self._notify()
        if self.complete:
            await self._recycle()

    def _check(self, message: Mapping[str, Any]) -> None:
        """Hold a message against the order that ASGI asks for, whether or not anybody listens."""
        assert not self._ended, f"{message} after the end"
        if message["type"] == "http.response.start":
            assert not self._begun, "a second start"
            self._begun = True
        else:
            assert message["type"] == "http.response.body", message
            assert self._begun, "a body before the start"
            self._ended = not message.get("more_body", False)

    async def _recycle(self) -> None:
        """What hypercorn does inside the last send: it says `http.disconnect`, then prepares for the next request."""
        self.disconnect()
        try:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.cut_short = True
            raise

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.writes.append(message["body"])
        self.raw += message["body"]
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            self._events += self._decoder.feed(message["body"])
        self.complete = not message.get("more_body", False)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def scope_of(method: str, target: str, headers: Mapping[str, str], **extra: Any) -> dict[str, Any]:
    from urllib.parse import unquote

    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        **extra,
    }


@attrs.define
class Client:
    """Asks an ASGI app in memory."""

    app: Any
    state: dict[str, Any] = attrs.field(factory=dict)

    @asynccontextmanager
    async def stream(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | tuple[bytes, ...] = b"",
        **extra: Any,
    ) -> AsyncIterator[Stream]:
        """Open a request; leaving the block disconnects and waits for the app to end."""
        stream = Stream((body,) if isinstance(body, bytes) else body)
        scope = scope_of(method, target, headers or {}, **({"state": dict(self.state)} | extra))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run, scope, stream)
            yield stream
            stream.disconnect()
            await stream.app_has_ended.wait()
        assert not stream.cut_short, (
            "the last send was cancelled, by which a server loses its connection's next request"
        )
        if stream.error is not None:
            raise stream.error

    async def _run(self, scope: dict[str, Any], stream: Stream) -> None:
        try:
            await self.app(scope, stream.receive, stream.send)
        except Exception as error:
            stream.error = error
        finally:
            stream.app_has_ended.set()
            stream._notify()

    async def request(self, method: str, target: str, **options: Any) -> Reply:
        """A whole request and response; what the app raises is raised."""
        async with self.stream(target, method=method, **options) as stream:
            await stream.app_has_ended.wait()
        assert stream.status is not None
        assert stream.complete
        return Reply(stream.status, stream.headers, bytes(stream.raw))

    async def get(self, target: str, **options: Any) -> Reply:
        return await self.request("GET", target, **options)

    async def post(self, target: str, value: Any = None, **options: Any) -> Reply:
        """Post a value as JSON."""
        headers = {"content-type": "application/json", **options.pop("headers", {})}
        return await self.request("POST", target, headers=headers, body=json.dumps(value).encode(), **options)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Client]:
        """Run the app's lifespan around the requests."""
        to_app, from_test = trio.open_memory_channel[dict[str, Any]](2)
        to_test, from_app = trio.open_memory_channel[Mapping[str, Any]](2)
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.app, scope, from_test.receive, to_test.send)
            await to_app.send({"type": "lifespan.startup"})
            assert (await from_app.receive())["type"] == "lifespan.startup.complete"
            yield self
            await to_app.send({"type": "lifespan.shutdown"})
            assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"
