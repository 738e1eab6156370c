"""`EventSource`: one stream of events, over as many connections as needed.

Owns the state of a source: its connection, its position in the stream, and the events that have been received but not
yet returned. It must not know HTTP, or how long to wait before the next attempt.
"""

from __future__ import annotations

import enum
import logging
import math
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx2
import trio

from ..errors import DecodeError, EventTooLarge
from ..wire import DONE_ID, Decoder, ServerSentEvent
from ._connection import Connection, Connector
from ._errors import ConnectionFailed, ConnectionLost
from ._retry import Backoff, Retry
from ._subscription import NO_BODY, Subscription, header_value
from ._turn import Turn
from ._values import EventTypes, ValueReader

__all__ = ("EventSource", "ReadyState", "Values")

logger = logging.getLogger("trio_sse.client")

T = TypeVar("T")


class ReadyState(enum.IntEnum):
    """The state of a source, with the numbers of WHATWG HTML, 9.2.2."""

    CONNECTING = 0
    OPEN = 1
    CLOSED = 2


class EventSource:
    """Reads a stream of Server-Sent Events, and reconnects when the connection is lost.

    Use it in `async with`: entering it connects, however long that takes, and leaving it closes everything. Iterating
    returns each event once, as a `ServerSentEvent` whose `data` is text and whose `id` is the last id so far. Iteration
    ends when the server ends the stream for good: with a 204, or with this library's `Done()`.

    There is no background task: bytes are read when the next event is requested, so a slow reader slows the server
    down. Every wait can be cancelled. Cancelling the wait for an event closes the connection, and the next one
    reconnects immediately, with the last id. One task at a time may iterate. Any task may call `aclose`, which ends the
    iteration for good.

    Args:
        url: The URL of the stream.
        method: The HTTP method; by default `GET`, or `POST` if there is a body.
        headers: Additional request headers. They replace the defaults (`Accept: text/event-stream`, …). A header that
            is None is not sent.
        content: The request's body. It is sent again with each connection.
        json: A value that is sent as the body, encoded as JSON in the same way as the data of events.
        last_event_id: The id of the event after which to start.
        client: The client that makes the requests. It is not closed. Its time-outs and its `follow_redirects` are
            ignored. By default, each connection has a new client, which speaks HTTP/1.1 and HTTP/2.
        ssl_context: The trusted certificates, if there is no `client`; by default those of the system.
        retry: When to reconnect.
        connect_timeout: How long an attempt may take until the response's headers arrive, in seconds.
        read_timeout: The number of seconds without data after which the connection counts as lost; None (the default)
            for no limit. Choose a few times the interval of the server's heartbeat.
        max_event_size: The largest event that is accepted, in bytes. A larger one ends the source, because the server
            would send it again after a reconnect.
        on_open: Called each time a stream has opened.
        on_retry: Called with each error after which there will be another attempt, and the number of seconds until
            then. By default they are logged as warnings. An exception that it raises ends the wait, and propagates to
            the task that iterates.

    Raises:
        ValueError: A header or the `last_event_id` cannot be sent, a limit is not positive, or `content` and `json` are
            both given.
    """

    def __init__(  # noqa: PLR0913 - independent options
        self,
        url: str | httpx2.URL,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        content: str | bytes | None = None,
        json: object = NO_BODY,
        last_event_id: str | None = None,
        client: httpx2.AsyncClient | None = None,
        ssl_context: ssl.SSLContext | None = None,
        retry: Retry | None = None,
        connect_timeout: float = 30.0,
        read_timeout: float | None = None,
        max_event_size: int = 1024 * 1024,
        on_open: Callable[[], object] | None = None,
        on_retry: Callable[[ConnectionFailed, float], object] | None = None,
    ) -> None:
        silence = math.inf if read_timeout is None else read_timeout
        for option, seconds in (("connect_timeout", connect_timeout), ("read_timeout", silence)):
            if not seconds > 0:
                raise ValueError(f"{option} must be a number of seconds above 0, not {seconds!r}")
        if max_event_size < 1:
            raise ValueError(f"max_event_size must be at least 1 byte, not {max_event_size!r}")
        if last_event_id and header_value(last_event_id) is None:
            raise ValueError(f"the last_event_id {last_event_id[:80]!r} cannot be sent in a header")
        subscription = Subscription.of(url, method, headers or {}, content, json)
        self._label = subscription.label
        self._connector = Connector(subscription, connect_timeout, client, ssl_context)
        self._retry = retry or Retry()
        self._backoff = Backoff(self._retry)
        self._silence = silence
        self._max_event_size = max_event_size
        self._on_open = on_open
        self._on_retry = on_retry or self._log
        self._state = ReadyState.CONNECTING
        self._position = last_event_id
        self._decoder = Decoder(max_event_size)
        self._pending: deque[ServerSentEvent[str]] = deque()
        self._connection: Connection | None = None
        self._opened_at = 0.0
        self._entered = False
        self._turn = Turn()

    @property
    def ready_state(self) -> ReadyState:
        """Whether the source is connecting, open, or closed for good."""
        return self._state

    @property
    def last_event_id(self) -> str | None:
        """The id of the event that was returned last: the position in the stream. None before the first id.

        A source that is created with it continues right after that event.
        """
        return self._position

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("an EventSource can be entered only once; create another one with its last_event_id")
        self._entered = True
        await self._in_turn(self._connect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the source for good.

        Any task may call this, at any time and more than once. If another task is waiting for an event, its iteration
        ends. If another task is entering the source, its block begins with a closed source.

        The connection is closed when this returns, unless the task that reads calls it itself while it waits, in a hook
        of its `client`. If another task is using the connection, that task closes it, and this waits until it has done
        so. A cancellation ends that wait, but the connection is closed all the same.
        """
        self._end()
        self._turn.interrupt()
        if self._turn.is_free:
            with self._turn:
                await self._drop()
        else:
            await self._turn.until_free()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent[str]:
        """The next event.

        Raises:
            ConnectionFailed: Reconnecting would not help, or `Retry.max_attempts` is reached.
            EventTooLarge: An event is larger than `max_event_size`.
        """
        if self._state is ReadyState.CLOSED:
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        if not self._entered:
            raise RuntimeError("enter the source first: async with EventSource(…) as source")
        return await self._in_turn(self._next)

    def values(self, classes: EventTypes[T]) -> Values[T]:
        """Iterate over values instead of events.

        Args:
            classes: The class of each event's data, by the event's name (`message` for events without one): a mapping,
                or the `options.events` of an SSE route.

        Returns:
            An async iterator. It returns a value for each event whose name has a class, and the `ServerSentEvent`
            itself for others.

        Raises:
            TypeError: One of the classes cannot be decoded from JSON.
        """
        return Values(self, ValueReader(classes).read)

    def _end(self) -> None:
        """Close the source for good. What is open is closed at the end of the turn."""
        self._state = ReadyState.CLOSED
        self._pending.clear()

    async def _in_turn(self, function: Callable[[], Awaitable[T]]) -> T:
        """Call a function that uses the connection, as the only task that does."""
        with self._turn:
            try:
                return await function()
            finally:
                if self._state is ReadyState.CLOSED:
                    await self._drop()  # noqa: ASYNC102 - it has a shield with a time limit

    async def _connect(self) -> None:
        while self._state is ReadyState.CONNECTING:
            await self._advance()

    async def _next(self) -> ServerSentEvent[str]:
        await trio.lowlevel.checkpoint()
        while not self._pending:
            if self._state is ReadyState.CLOSED:
                raise StopAsyncIteration
            await self._advance()
        event = self._pending.popleft()
        self._position = event.id
        if event.id == DONE_ID and event.event == "stream-done":
            self._end()
            raise StopAsyncIteration
        return event

    async def _advance(self) -> None:
        """Take one step: connect, or read some bytes; wait if that fails. `aclose` interrupts each of these."""
        try:
            if self._connection is None:
                await self._open()
            else:
                await self._read(self._connection)
        except ConnectionFailed as error:
            await self._drop()
            await self._recover(error)
        except DecodeError:
            self._end()
            raise
        except BaseException:
            await self._drop()  # noqa: ASYNC102 - it has a shield with a time limit
            raise

    async def _open(self) -> None:
        with self._turn.interruptible():
            self._connection = await self._connector.connect(self._position)
        if self._connection is None:  # a 204, or `aclose`
            self._end()
        if self._state is ReadyState.CLOSED:
            return
        self._decoder = Decoder(self._max_event_size)
        self._decoder.last_event_id = self._position  # an id outlives its connection (WHATWG HTML, 9.2.6)
        self._opened_at = trio.current_time()
        self._state = ReadyState.OPEN
        if self._on_open is not None:
            self._on_open()

    async def _read(self, connection: Connection) -> None:
        self._take(b"")  # raises if an event is too large, before more of it is read
        chunk = None
        with self._turn.interruptible(self._silence) as limit:
            chunk = await connection.receive()
        if self._state is ReadyState.CLOSED:
            return
        if limit.cancelled_caught:
            raise ConnectionLost(self._label, f"received nothing for {self._silence:g} s")
        if chunk is not None:
            self._take(chunk)
        elif self._retry.after_end:
            raise ConnectionLost(self._label, "the server ended the stream")
        else:
            self._end()

    def _take(self, chunk: bytes) -> None:
        try:
            events = self._decoder.feed(chunk)
        except EventTooLarge as error:
            raise EventTooLarge(error.limit, "max_event_size") from None  # the decoder would name its own option
        if self._decoder.retry is not None:
            self._backoff.asked(self._decoder.retry)
        if events:
            self._pending.extend(events)
            self._backoff.succeeded()
        else:
            self._position = self._decoder.last_event_id  # an id can arrive without an event

    async def _recover(self, error: ConnectionFailed) -> None:
        """Wait until the next attempt, unless the source has been closed in the meantime."""
        if self._state is ReadyState.CLOSED:
            return
        seconds = self._backoff.wait_after(error)
        if seconds is None:
            self._end()
            raise error
        self._on_retry(error, seconds)
        with self._turn.interruptible():
            await trio.sleep(seconds)

    async def _drop(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._state is ReadyState.OPEN:
            self._state = ReadyState.CONNECTING
        self._backoff.lasted(trio.current_time() - self._opened_at)
        await connection.aclose()

    @staticmethod
    def _log(error: ConnectionFailed, seconds: float) -> None:
        logger.warning("%s; trying again in %.1f s", error, seconds)


class Values(Generic[T]):
    """Iterates over the values of a source's events; see `EventSource.values`."""

    def __init__(self, source: EventSource, read: Callable[[ServerSentEvent[str]], T | ServerSentEvent[str]]) -> None:
        self._source = source
        self._read = read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T | ServerSentEvent[str]:
        """The next value.

        Raises:
            UnreadableEvent: The data do not fit their class. The event counts as returned: iterating again continues
                after it.
            ConnectionFailed: As for the source.
            EventTooLarge: As for the source.
        """
        return self._read(await anext(self._source))
