"""The exchange: one request answered by a plan, with a stream of events or with one value.

Owns what goes into the response: status, headers, frames, problem documents. The order of things is the connection's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Any, cast
from urllib.parse import quote

import attrs
import trio

from ._aborted import EndReason
from ._connection import Connection
from ._errors import HTTPError, LifespanError, Unauthorized
from ._http import Request, Response
from ._plan import Plan
from ._producer import produce
from ._router import Match
from ._routes import SSE
from ._running import run_steps
from ._services import Life, call_plainly
from .wire import DONE_ID, Done, EventError, JSONEncoder, ServerSentEvent, encode, encode_comment

__all__ = ("Refusal", "Settings", "StreamExchange", "ValueExchange")

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),  # a proxy that compresses also buffers
    (b"x-accel-buffering", b"no"),  # nginx
)
VARY = (b"vary", b"Accept")
HEARTBEAT = encode_comment("")
DONE = encode(ServerSentEvent(data=None, event="stream-done", id=DONE_ID))
"""A browser keeps an id without data too; the npm package `eventsource` keeps only those of dispatched events."""
EXPIRED = encode(ServerSentEvent(data=None, event="stream-expired"))
"""The last event of a stream whose credentials have expired. It has no id: the client goes on where it was."""


@attrs.frozen
class Settings:
    """What an app sets for all its exchanges.

    Attributes:
        json: Encodes what is not text.
        error_event: The name of the event that tells of an error.
        state_key: Where the lifespan leaves the app's `Life` in the server's state (ASGI lifespan, `scope["state"]`).
        url: Makes the path of a named route.
        wall_clock: The time in seconds since 1970.
    """

    json: JSONEncoder
    error_event: str
    state_key: str
    url: Callable[..., str]
    wall_clock: Callable[[], float]


class Refusal:
    """An answer that needs no plan: 404, 405, OPTIONS. It still goes through a connection, which drains the body."""

    def __init__(self, connection: Connection, response: Response) -> None:
        self._connection = connection
        self._response = response

    async def work(self) -> None:
        """Nothing."""

    async def finish(self, _error: Exception | None) -> None:
        """Send the response."""
        await send_response(self._connection, self._response)


class Exchange:
    """What both kinds have in common: values by name, steps, and the answer to an error."""

    def __init__(self, connection: Connection, match: Match, request: Request, settings: Settings) -> None:
        self.connection = connection
        self.plan: Plan = match.plan
        self.match = match
        self.request = request
        self.settings = settings
        self.refusal: HTTPError | None = None
        self.expired = Unauthorized("The credentials have expired.")

    async def work(self) -> None:
        """Enter the steps, answer, leave the steps. An HTTPError before the start is an answer, not an error."""
        try:
            await self._work()
        except Exception as error:
            self.refusal = None if self.connection.out.started else http_error(error)
            if self.refusal is None:
                raise

    async def finish(self, error: Exception | None) -> None:
        """End the response; `error` is what the work failed with."""
        expired = self.connection.aborted.reason is EndReason.EXPIRED
        if expired and error is None and not self.connection.out.started:
            self.refusal = self.refusal or self.expired
        if self.connection.out.started or (error is None and self.refusal is None):
            await self.end(error)
        else:
            response = problem_response(self.refusal or HTTPError(), self.settings.json)
            await send_response(self.connection, response, self.vary())

    async def _work(self) -> None:
        connection = self.connection
        async with AsyncExitStack() as stack:
            try:
                if "nursery" in self.plan.needs:
                    await connection.open_background()
                values = self._values()
                await run_steps(self.plan, values, connection, stack, self.life)
                await self.answer(values)
            finally:
                connection.handler_has_ended()
                await connection.close_background()  # noqa: ASYNC102 - shields itself, with a time limit

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler."""
        raise NotImplementedError

    async def end(self, error: Exception | None) -> None:
        """End a response that went well, or that has started."""
        raise NotImplementedError

    def life(self) -> Life:
        """What lives as long as the app.

        Raises:
            LifespanError: The server, or the app around this one, does not run the lifespan.
        """
        life = self.request.scope.get("state", {}).get(self.settings.state_key)
        if not isinstance(life, Life):
            raise LifespanError(
                f"{self.plan.label} needs what the app's lifespan holds (its nursery or its services), but that is not "
                "running: the server or the app around this one does not pass it on; enter app.lifespan() in the outer "
                "lifespan and yield its state"
            )
        return life

    def expire_at(self, when: datetime | float, challenge: str | None = None) -> None:
        """What steps know as `expire_at`. The wall clock is read here, once; from now on Trio's time counts.

        A time in the past is a 401, or, where the stream has begun already, ends it now.

        Raises:
            Unauthorized: It is in the past.
            ValueError: A datetime without a time zone, or no number.
        """
        seconds = _timestamp(when) - self.settings.wall_clock()
        if challenge is not None:
            self.expired = Unauthorized(self.expired.detail, challenge=challenge)
        if seconds <= 0 and not self.connection.out.started:
            raise self.expired
        self.expire_in(max(seconds, 0.0))

    def expire_in(self, seconds: float) -> None:
        """A plain request is not cut off: it was let in while its credentials were good."""

    def _values(self) -> dict[Hashable, Any]:
        """The built-in values, as far as the plan needs them."""
        values: dict[Hashable, Any] = {}
        values.update(self.match.params)
        for name in self.plan.needs:
            source = BUILT_IN_VALUES.get(name)
            if source is not None:
                values[name] = source(self)
        values["request"] = self.request
        return values

    def vary(self) -> Iterable[tuple[bytes, bytes]]:
        """The Vary header, where the Accept header chose this route over another."""
        return (VARY,) if self.match.varies else ()


class ValueExchange(Exchange):
    """Answers with one value: JSON, a `Response`, or nothing."""

    response: Response | None = None

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler, and make the response while the steps are still entered."""
        if self.request.method != "HEAD":
            self.response = make_response(await call_plainly(self.plan.handler, values), self.settings.json)

    async def end(self, error: Exception | None) -> None:
        """Send the response, after the steps have been left: a failed commit is still a 500."""
        if self.response is not None:
            await send_response(self.connection, self.response, self.vary())
        else:  # HEAD: the handler has not run, so nothing is known of a body
            await self.connection.out.start(200, self.vary())
            await self.connection.out.end()


class StreamExchange(Exchange):
    """Answers with a stream of events."""

    def __init__(self, connection: Connection, match: Match, request: Request, settings: Settings) -> None:
        super().__init__(connection, match, request, settings)
        assert isinstance(self.plan.route, SSE)  # noqa: S101 - the app makes a stream of these only
        self.route = self.plan.route

    def expire_in(self, seconds: float) -> None:
        """End the stream then, and tell the client."""
        self.connection.expire_at(trio.current_time() + seconds)

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler; it says when the response starts."""
        if self.request.method == "HEAD":
            await self.connection.out.start(200, (*STREAM_HEADERS, *self.vary()))
            return
        handler = self.plan.handler
        await produce(handler, handler.arguments(values), self.connection, self._start, self._emit)

    async def end(self, error: Exception | None) -> None:
        """End the response: in order, or after an error with one event and no proper end.

        HTTP/2 has no such thing as a missing terminator under hypercorn: the stream would stay open in silence.
        """
        out = self.connection.out
        if error is None:
            await out.end(EXPIRED if self.connection.aborted.reason is EndReason.EXPIRED else b"")
        elif self.request.http_version == "2":
            await out.end(self._error_frame(error))
        else:
            await out.end_abruptly(self._error_frame(error))

    async def _start(self) -> None:
        """Send the headers and a first frame, so that the client's `open` waits for no event."""
        route, out = self.route, self.connection.out
        await out.start(200, (*STREAM_HEADERS, *self.vary()))
        retry = route.retry_milliseconds
        await out.write(HEARTBEAT if retry is None else encode(ServerSentEvent(retry=retry)))
        if route.heartbeat_seconds is not None:
            self.connection.start_heartbeat(route.heartbeat_seconds, HEARTBEAT)

    async def _emit(self, item: Any) -> bool:
        """Send an item or a batch of them in one write; True when the stream ends with it."""
        frames, last = self._encode(item)
        if frames:
            await self.connection.out.write(frames)
        else:
            await trio.lowlevel.checkpoint()
        return last

    def _encode(self, item: Any) -> tuple[bytes, bool]:
        """The frames of an item, and whether the stream ends with them."""
        items: list[Any] = item
        try:
            if not isinstance(item, list):
                return self._frame(item), isinstance(item, Done)
            ends = [index for index, each in enumerate(items) if isinstance(each, Done)]
            last = ends[0] + 1 if ends else len(items)
            return b"".join([self._frame(each) for each in items[:last]]), bool(ends)
        except EventError as error:
            raise error.at(self.plan.label) from None

    def _frame(self, item: Any) -> bytes:
        if isinstance(item, Done):
            return DONE
        typed = self.plan.events
        return encode(item if typed is None else typed.event(item), self.settings.json)

    def _error_frame(self, error: Exception) -> bytes:
        known = http_error(error)
        if known is not None:
            error.add_note(
                "It was raised after the response had started, too late for a status: raise it in a step, or let the "
                "handler be a coroutine function that returns its stream."
            )
        problem = (known or HTTPError()).problem()
        return encode({"event": self.settings.error_event, "data": problem}, self.settings.json)


def _url(exchange: Exchange) -> Callable[..., str]:
    return partial(_url_under, exchange.request.scope.get("root_path", ""), exchange.settings.url)


def _url_under(root: str, url: Callable[..., str], name: str, /, **values: Any) -> str:
    """The path of a route as the client has to write it, also where the app is mounted somewhere."""
    return quote(root.rstrip("/")) + url(name, **values)


def _timestamp(when: datetime | float) -> float:
    if not isinstance(when, datetime):
        if math.isnan(when):
            raise ValueError("nan is no moment")
        return when
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone, so it is no moment; make it with tz=UTC")
    return when.timestamp()


BUILT_IN_VALUES: dict[str, Callable[[Exchange], Any]] = {
    "aborted": lambda exchange: exchange.connection.aborted,
    "app_nursery": lambda exchange: exchange.life().nursery,
    "cookies": lambda exchange: exchange.request.cookies,
    "expire_at": lambda exchange: exchange.expire_at,
    "headers": lambda exchange: exchange.request.headers,
    "last_event_id": lambda exchange: exchange.request.last_event_id,
    "nursery": lambda exchange: exchange.connection.background,
    "query": lambda exchange: exchange.request.query,
    "url": _url,
}


def http_error(error: BaseException) -> HTTPError | None:
    """The HTTPError that an error is, also where a nursery has wrapped it in a group of its own."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return None
        error = group.exceptions[0]
    return error if isinstance(error, HTTPError) else None


def make_response(value: Any, json: JSONEncoder) -> Response:
    """The response for what a plain handler returned."""
    if isinstance(value, Response):
        return value.encoded(json)
    if value is None:
        return Response(status=204)
    return Response(json(value), media_type="application/json")


def problem_response(error: HTTPError, json: JSONEncoder) -> Response:
    """The response for an error: a problem document, or nothing where the status has no body."""
    if error.status in (204, 304):
        return Response(status=error.status, headers=error.headers)
    return Response(
        json(error.problem()), status=error.status, media_type="application/problem+json", headers=error.headers
    )


async def send_response(connection: Connection, response: Response, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole response."""
    await connection.out.start(response.status, (*response.header_pairs(), *extra))
    await connection.out.end(response.body())
