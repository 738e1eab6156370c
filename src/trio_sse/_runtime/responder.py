"""The exchange: one request answered by a plan, with a stream of events or with one value.

Owns what goes into the response: status, headers, frames, problem documents. The order of things is the connection's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import attrs

from .._http.request import Request
from .._http.response import Response
from .._plan.plan import Plan
from .._plan.router import Match
from ..errors import HTTPError, HTTPException, LifespanError, Unauthorized
from ..wire import JSONEncoder
from .abort import AbortReason
from .admission import Admission
from .connection import Connection
from .counters import StreamCounters
from .responses import http_error, make_response, problem_response, send_response, shutting_down, turned_away
from .services import Life, call_plainly
from .steps import run_steps

__all__ = ("Exchange", "Refusal", "Settings", "ValueExchange")

VARY = (b"vary", b"Accept")


@attrs.frozen
class Settings:
    """What an app sets for all its exchanges.

    Attributes:
        json: Encodes what is not text.
        error_event: The name of the event that tells of an error.
        state_key: Where the lifespan leaves the app's `Life` in the server's state (ASGI lifespan, `scope["state"]`).
        url: Makes the path of a named route.
        wall_clock: The time in seconds since 1970.
        reconnect: The least and the most seconds after which a client that is turned away is to come back.
        admission: Which streams may open.
        meter: Counts the streams.
    """

    json: JSONEncoder
    error_event: str
    state_key: str
    url: Callable[..., str]
    wall_clock: Callable[[], float]
    reconnect: tuple[float, float]
    admission: Admission
    meter: StreamCounters

    def some_seconds(self) -> float:
        """When a client is to come back: at random, lest all come at once."""
        return random.uniform(*self.reconnect)  # noqa: S311 - nothing to guess


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
        self.refusal: HTTPException | None = None
        self.expired = Unauthorized("The credentials have expired.")

    async def work(self) -> None:
        """Enter the steps, answer, leave the steps. An HTTPException before the start is an answer, not an error."""
        try:
            await self._work()
        except Exception as error:
            self.refusal = None if self.connection.out.started else http_error(error)
            if self.refusal is None:
                raise

    async def finish(self, error: Exception | None) -> None:
        """End the response; `error` is what the work failed with."""
        if error is None and self.refusal is None and not self.connection.out.started:
            self.refusal = self._refusal_of(self.connection.aborted.reason)
        if self.connection.out.started or (error is None and self.refusal is None):
            await self.end(error)
        else:
            await send_response(self.connection, self._response_to(self.refusal or HTTPError()), self.vary())

    def _refusal_of(self, reason: AbortReason | None) -> HTTPException | None:
        """The answer to a request that has been ended before its response had started."""
        if reason is AbortReason.EXPIRED:
            return self.expired
        return shutting_down() if reason is AbortReason.DRAINING else None

    def _response_to(self, error: HTTPException) -> Response:
        settings = self.settings
        if error.retry:
            settings.meter.refused(error.detail)
            return turned_away(self.request, error, settings.some_seconds(), settings.json)
        return problem_response(error, settings.json)

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

    def count_as(self, client: Hashable) -> None:
        """Plain requests are not counted."""

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
    "count_as": lambda exchange: exchange.count_as,
    "draining": lambda exchange: exchange.connection.draining,
    "expire_at": lambda exchange: exchange.expire_at,
    "headers": lambda exchange: exchange.request.headers,
    "last_event_id": lambda exchange: exchange.request.last_event_id,
    "nursery": lambda exchange: exchange.connection.background,
    "query": lambda exchange: exchange.request.query,
    "statistics": lambda exchange: exchange.settings.meter.read,
    "url": _url,
}
