"""One request in memory: the client's side of the connection, and the server's side of ASGI.

Owns the server's half of ASGI as hypercorn implements it: after the client has disconnected, `send` silently drops
the message, and `receive` returns one `http.disconnect`, then waits forever. A call that violates
ASGI raises an AssertionError.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import trio

from .._http.headers import Headers
from ..wire import Decoder, ServerSentEvent
from ._leaks import tasks_in

__all__ = ("TestStream",)

EVENT_STREAM = "text/event-stream"


class TestStream:
    """One request and its response, as the client sees them. Made by `TestClient.stream`.

    Iterate over it to read the events until the response ends. Every wait fails with an AssertionError after the
    client's `patience`, by Trio's clock.

    Attributes:
        status: The response's status; None until it has started.
        headers: The response's headers.
        writes: The parts of the body, write by write.
        complete: Whether the app has completed the response.
        error: What the app has raised.
    """

    __test__ = False  # pytest would collect it because of its name

    def __init__(
        self,
        chunks: tuple[bytes, ...] = (),
        patience: float = math.inf,
        *,
        on_start: Callable[[Headers], None] | None = None,
    ) -> None:
        self.status: int | None = None
        self.headers: Headers = Headers()
        self.writes: list[bytes] = []
        self.complete: bool = False
        self.error: Exception | None = None
        self._patience = patience
        self._on_start = on_start
        self._chunks = list(chunks)
        self._decoder = Decoder()
        self._events: list[ServerSentEvent[str]] = []
        self._last_event_id: str | None = None
        self._changed = trio.Event()
        self._gone = trio.Event()
        self._told_gone = False
        self._deaf = False
        self._paused = False
        self._began = False
        self._finished = False
        self._app_ended = False
        self._nursery: trio.Nursery | None = None
        self._send_error: Exception | None = None
        self._receive_error: Exception | None = None
        self._broken_off = False

    # -- what the client does

    def disconnect(self) -> None:
        """Close the connection. The app receives `http.disconnect`; what it sends from now on is dropped."""
        self._deaf = True
        self.half_close()

    def half_close(self) -> None:
        """Close the sending half of the connection, and continue to read.

        For a server this is a disconnect as well. hypercorn then drops what the app sends; here the test can see it.
        """
        self._gone.set()
        self._notify()

    def pause(self) -> None:
        """Stop reading: the app's next `send` waits."""
        self._paused = True

    def resume(self) -> None:
        """Continue to read."""
        self._paused = False
        self._notify()

    def fail_send(self, error: Exception) -> None:
        """Make the server fail: the app's next `send` raises this error."""
        self._send_error = error
        self._notify()

    def fail_receive(self, error: Exception) -> None:
        """Make the server fail: the app's pending `receive` raises this error."""
        self._receive_error = error
        self._gone.set()
        self._notify()

    # -- what the client sees

    @property
    def raw(self) -> bytes:
        """The body so far."""
        return b"".join(self.writes)

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: nothing more will be received."""
        return self.complete or self._app_ended or self._deaf

    @property
    def app_ended(self) -> bool:
        """Whether the app is done with the request: handler, clean-up and response."""
        return self._app_ended

    @property
    def last_event_id(self) -> str | None:
        """The id for a reconnect: that of the last event that the test has read and that had one."""
        return self._last_event_id

    @property
    def unread_chunks(self) -> int:
        """Chunks of the request body that the app has not received."""
        return len(self._chunks)

    @property
    def living_tasks(self) -> tuple[str, ...]:
        """The names of the tasks that work on this request, in no particular order."""
        return tuple(task.name for task in tasks_in(self._nursery)) if self._nursery is not None else ()

    async def started(self) -> TestStream:
        """Wait for the status and the headers."""
        await self._until(lambda: self.status is not None, "the response has not started")
        return self

    async def event(self) -> ServerSentEvent[str]:
        """Wait for the next event, and return it."""
        await self._until(lambda: bool(self._events), "no event was received")
        return self._pop()

    async def events(self, count: int) -> list[ServerSentEvent[str]]:
        """Wait for the next events, and return them."""
        return [await self.event() for _ in range(count)]

    def pending(self) -> list[ServerSentEvent[str]]:
        """The events that have been received and not yet read, without waiting."""
        return [self._pop() for _ in range(len(self._events))]

    async def written(self, count: int) -> None:
        """Wait until the app has written this many parts of the body."""
        await self._until(lambda: len(self.writes) >= count, f"the app has not written {count} parts of the body")

    async def ended(self) -> None:
        """Wait until the app is done with the request: handler, clean-up and response."""
        with trio.move_on_after(self._patience) as limit:
            while not self._app_ended:
                await self._changed.wait()
        tasks = ", ".join(self.living_tasks)
        assert not limit.cancelled_caught, f"the app has not ended within {self._patience:g} s; its tasks are: {tasks}"

    async def silent_for(self, seconds: float) -> None:
        """Let time pass, and fail if an event is received. Comments, such as heartbeats, do not count as events."""
        assert not self._events, f"an event was received already: {self._events[0]}"
        with trio.move_on_after(seconds):
            while not self._events:
                await self._changed.wait()
        assert not self._events, f"an event was received: {self._events[0]}"

    def claim_error(self) -> Exception:
        """Take the error that the app has raised. An error that is not taken is raised at the end of the block."""
        error, self.error = self.error, None
        assert error is not None, "the app has raised nothing"
        return error

    def __aiter__(self) -> AsyncIterator[ServerSentEvent[str]]:
        return self

    async def __anext__(self) -> ServerSentEvent[str]:
        if self.closed and not self._events:
            raise StopAsyncIteration
        await self._until(lambda: bool(self._events) or self.closed, "no event was received")
        if not self._events:
            raise StopAsyncIteration
        return self._pop()

    def _pop(self) -> ServerSentEvent[str]:
        event = self._events.pop(0)
        self._last_event_id = event.id if event.id is not None else self._last_event_id
        return event

    async def _until(self, condition: Any, otherwise: str) -> None:
        """Wait for a condition, for as long as the stream is open."""
        with trio.move_on_after(self._patience):
            while not condition() and not self.closed:
                await self._changed.wait()
        if not condition():
            why = "before the stream ended" if self.closed else f"within {self._patience:g} s"
            raise AssertionError(f"{otherwise} {why}{self._so_far()}") from self.error

    def _so_far(self) -> str:
        status = "no status" if self.status is None else f"status {self.status}"
        return f"; received so far: {status}, {self.raw!r:.300}"

    # -- what the server does

    async def receive(self) -> dict[str, Any]:
        """ASGI's receive."""
        await trio.lowlevel.checkpoint()
        if self._chunks:
            chunk = self._chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}
        await self._gone.wait()
        if self._receive_error is not None:
            raise self._receive_error
        if self._told_gone:
            await trio.sleep_forever()
        self._told_gone = True
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI's send."""
        self._check(message)
        await trio.lowlevel.checkpoint()
        while self._paused and not self._gone.is_set() and self._send_error is None:
            await self._changed.wait()
        if self._send_error is not None:
            raise self._send_error
        if not self._deaf:
            self._take(message)
            self._notify()
        if self.complete:
            await self._prepare_for_the_next_request()

    def _check(self, message: Mapping[str, Any]) -> None:
        """Check that a message is allowed at this point, whether or not the client is still connected."""
        assert not self._finished, f"{message} after the end of the response"
        if message["type"] == "http.response.start":
            assert not self._began, "the response is started a second time"
            self._began = True
            return
        assert message["type"] == "http.response.body", f"not a message of an HTTP response: {message}"
        assert self._began, "a body before the start of the response"
        self._finished = not message.get("more_body", False)

    async def _prepare_for_the_next_request(self) -> None:
        """What a server does inside the last send: it sends `http.disconnect`, then prepares for the next request.

        An app may react to the first by cancelling this send; `trio_sse.serve` shields the second.
        """
        self.half_close()
        for _ in range(5):
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = Headers.decode(message["headers"])
            if self._on_start is not None:
                self._on_start(self.headers)
            return
        body = message.get("body", b"")
        self.writes.append(body)
        if self.headers.get("content-type", "").startswith(EVENT_STREAM):
            self._events += self._decoder.feed(body)
        self.complete = not message.get("more_body", False) and not self._broken_off

    def break_off(self) -> None:
        """Note that the app has broken off the response, whatever a middleware sends after that."""
        self._broken_off = True

    def app_has_ended(self, error: Exception | None) -> None:
        """Record that the app's call has ended."""
        self.error = error
        self._app_ended = True
        self._notify()

    def in_nursery(self, nursery: trio.Nursery) -> None:
        """Record the nursery of the app's tasks."""
        self._nursery = nursery

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
