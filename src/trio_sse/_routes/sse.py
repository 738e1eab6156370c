"""Routes that answer with streams: `SSE`, as an immutable builder.

Owns the declaration of one such route. Its options are in `options`, and the topics of one without a handler in
`topic_stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Never, Self, cast, overload

import attrs

from ..errors import BuildError
from ..topics import Since, Slow
from ..topics._reader import LAG
from .handlers import P, Q, R_co, S, S_any, V_contra
from .options import HEARTBEAT_DATA, ShutdownPolicy, StreamOptions
from .routes import Route
from .steps import Lambda
from .topic_stream import TopicSource, TopicStream

__all__ = ("SSE",)


def _check_method(_route: object, _field: object, value: str) -> None:
    if value not in ("GET", "POST"):
        raise BuildError(f"an SSE route answers GET or POST, not {value!r}")


@attrs.frozen(repr=False)
class SSE(Route[P, R_co], Generic[V_contra, P, R_co]):
    """A route that answers with a stream of events.

    The handler is an async generator function, or a function that returns an async iterable (or an async context
    manager of one): what such a function raises before it returns is still an HTTP status.

    Args:
        path: The pattern, as in `/rooms/:room/events`.
        method: `GET`, or `POST` for clients that stream with fetch.

    Attributes:
        options: The options of its streams.
        topics: The topics of which its streams consist; None for a route with a handler.
    """

    method: str = attrs.field(default="GET", kw_only=True, validator=_check_method)
    options: StreamOptions = attrs.field(factory=StreamOptions, kw_only=True)
    topics: TopicStream | None = attrs.field(default=None, kw_only=True)

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def handle(self: SSE[object], handler: Callable[Q, S_any]) -> SSE[object, Q, S_any]: ...
        @overload
        def handle(self: SSE[Never], handler: Callable[Q, S]) -> SSE[Never, Q, S]: ...
        def handle(  # pyright: ignore[reportIncompatibleMethodOverride] - no other route checks what it returns
            self, handler: Callable[..., Any]
        ) -> Any: ...

    def heartbeat(self, seconds: float | None, *, event: str | None = None, data: str = HEARTBEAT_DATA) -> Self:
        """Send a heartbeat after this many seconds without a write; the default is 15, None turns it off.

        Without a heartbeat only the kernel notices that a client has vanished, which can take hours.

        Args:
            seconds: The interval.
            event: Send an event of this name, such as `"ping"`, which a page can listen to. It has no id, and is not
                counted in the statistics. None sends a comment, which JavaScript does not see.
            data: The data of this event.

        Raises:
            BuildError: The interval is not above 0, or such an event cannot be sent.
        """
        return self._with(heartbeat=seconds, heartbeat_event=event, heartbeat_data=data)

    def retry(self, milliseconds: int) -> Self:
        """Tell each client, at the start of its stream, how long to wait before it reconnects."""
        return self._with(retry=milliseconds)

    def send_timeout(self, seconds: float) -> Self:
        """Drop a client that does not accept a write within this many seconds; the default is the app's `send_timeout`.

        A write of more than 64 KiB has this time for each 64 KiB. `aborted` is set, with the reason `too_slow`.
        """
        return self._with(send_timeout=seconds)

    def lifetime(self, seconds: float) -> Self:
        """End each stream after about this many seconds: its client reconnects, to a process that has room.

        The stream ends in order, with the reason `lifetime`, up to a tenth earlier or later, so that clients do not
        reconnect at the same moment.
        """
        return self._with(lifetime=seconds)

    def on_shutdown(self, policy: ShutdownPolicy) -> Self:
        """Choose what happens to open streams when the server shuts down.

        A client that comes back after the end of a stream is told when to reconnect. An EventSource does, and it asks
        by GET; the client of a POST is taken for one that does not, unless this method has set `"reconnect"`. Its
        stream, if it is cut off by the server's `graceful_timeout`, has no proper end, so that the client sees an
        error.

        Args:
            policy: `"reconnect"`, the default for GET: end the stream after the current write; the client reconnects
                with the id of its last event. `"finish"`, the default for POST: let the handler end by itself while
                there is time; it may wait for `draining`. `"cancel"`: end the stream now, even in the middle of a
                write.
        """
        return self._with(on_shutdown=policy)

    def events(self, **classes: type[Any]) -> SSE[object, P, R_co]:
        """Name the classes of the values that the handler yields: `.events(tick=Tick, order=OrderUpdate)`.

        The handler may then yield a plain value, which is sent as the data of an event with the name of its class. If
        one class is derived from another, the more specific one applies. The handler may also yield events and
        mappings; one without a name gets the name for the class of its data.

        Raises:
            BuildError: A value is not a class, is a class whose values already have a meaning, or is named twice.
        """
        return cast("SSE[object, P, R_co]", self._with(events=(*self.options.events, *classes.items())))

    @overload
    def topic(
        self, *topics: str | Lambda, since: Since = "now", slow: Slow = "drop_oldest", lag: int = LAG, gap: str = "gap"
    ) -> SSE[object]: ...
    @overload
    def topic(  # type: ignore[overload-cannot-match]
        self,
        *topics: TopicSource,
        since: Since = "now",
        slow: Slow = "drop_oldest",
        lag: int = LAG,
        gap: str = "gap",
    ) -> SSE[object]: ...
    def topic(
        self,
        *topics: Any,
        since: Since = "now",
        slow: Slow = "drop_oldest",
        lag: int = LAG,
        gap: str = "gap",
    ) -> SSE[object]:
        """Let the streams be those of topics, in place of a handler: `.topic("rooms/:room")`.

        A stream begins with an event `stream-position`, which is there for its id. A client that comes back with the
        id of its last event gets what it has missed, and an event `gap` before it if something of that is missing.
        The app has to provide `Topics`.

        Args:
            *topics: Names and patterns of topics. `:room` stands for the path parameter, as one segment; of a model,
                for its id. Or functions that return a name, a topic, or several: `lambda user: f"users/{user.id}"`.
                They take what the steps provide, and what they return is no pattern.
            since: Where a client without an id begins: `"now"`, `"oldest"`, or a number of last events.
            slow: What becomes of a client that is behind: `"drop_oldest"`, `"latest"` or `"disconnect"`; see
                `Topics.subscribe`.
            lag: How many events it may be behind.
            gap: The name of the event that tells a gap.

        Raises:
            BuildError: The route has a handler already, names no topic, or an option is none of its values.
        """
        try:
            stream = TopicStream(topics, since=since, slow=slow, lag=lag, gap=gap)
        except BuildError as problem:
            raise BuildError(f"{self}: {problem}") from None
        route: Any = attrs.evolve(self, topics=stream)
        return cast("SSE[object]", route.handle(stream.handler()))

    def last_event_id(self, *, query: str) -> Self:
        """Take the id after which a client goes on from this parameter of the query string, if no header has one.

        The first connection of a browser's EventSource has no such header, nor has one of htmx or Datastar. A page that
        was rendered with an id can name it in the URL. A reconnect sends the header, which then counts.
        """
        return self._with(last_event_id_query=query)

    def __str__(self) -> str:
        return f"SSE {self.path}" if self.method == "GET" else f"SSE {self.method} {self.path}"

    def _with(self, **options: Any) -> Self:
        return attrs.evolve(self, options=attrs.evolve(self.options, **options))

    def _head(self) -> str:
        method = "" if self.method == "GET" else f", method={self.method!r}"
        return f"SSE({str(self.path)!r}{method}){self.options}"

    def _tail(self) -> str:
        return super()._tail() if self.topics is None else str(self.topics)
