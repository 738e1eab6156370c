"""The context of one request: what the values of the built-in names are taken from.

Owns the expiry of a request and whose stream it counts as. It does not know how the request is answered.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import datetime

import attrs
import trio

from .._http.request import Request
from .._plan.router import Match
from ..errors import LifespanError, Unauthorized
from .abort import RULES, AbortReason
from .admission import StreamSlot
from .app_context import AppContext
from .connection import Connection
from .services import AppState

__all__ = ("RequestContext",)


@attrs.define(eq=False)
class RequestContext:
    """One request.

    Attributes:
        app: The app.
        connection: The request's connection.
        request: What the client asked.
        match: The plan that answers, and the path parameters.
        slot: The stream's place among those that may be open; None for a plain request.
        challenge: How a 401 asks for credentials after those of this request have expired.
    """

    app: AppContext
    connection: Connection
    request: Request
    match: Match
    slot: StreamSlot | None = None
    challenge: str = "Bearer"

    def app_state(self) -> AppState:
        """What lives as long as the app.

        Raises:
            LifespanError: The server, or the app around this one, does not run the lifespan.
        """
        state = self.request.scope.get("state", {}).get(self.app.state_key)
        if not isinstance(state, AppState):
            raise LifespanError(
                f"{self.match.plan.label} needs what the app's lifespan holds (its nursery or its services), but that "
                "is not running: the server or the app around this one does not pass it on; enter app.lifespan() in "
                "the outer lifespan and yield its state"
            )
        return state

    def expire_at(self, when: datetime | float, challenge: str | None = None) -> None:
        """What steps know as `expire_at`. The wall clock is read here, once; from now on Trio's time counts.

        A time in the past is a 401, or ends the stream now if it has begun already. A plain request is not cut off: its
        credentials were good when it came.

        Raises:
            Unauthorized: It is in the past.
            ValueError: It is a datetime without a time zone, or not a number.
        """
        seconds = _timestamp(when) - self.app.settings.wall_clock()
        self.challenge = self.challenge if challenge is None else challenge
        if seconds <= 0 and not self.connection.writer.started:
            raise Unauthorized("The credentials have expired.", challenge=self.challenge)
        if self.slot is not None:
            self.connection.end_at(trio.current_time() + max(seconds, 0.0), AbortReason.EXPIRED)

    def count_as(self, client: Hashable) -> None:
        """What steps know as `count_as`. Plain requests are not counted.

        Raises:
            TooManyRequests: The client has as many streams as it may.
        """
        if self.slot is not None:
            self.slot.claim(client)

    @property
    def last_frame(self) -> bytes:
        """What the reason of an abort sends last."""
        reason = self.connection.aborted.reason
        return b"" if reason is None else RULES[reason].last_frame


def _timestamp(when: datetime | float) -> float:
    if not isinstance(when, datetime):
        if math.isnan(when):
            raise ValueError("nan is not a moment")
        return when
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone, so it is not a moment; make it with tz=UTC")
    return when.timestamp()
