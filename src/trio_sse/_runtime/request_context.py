"""The context of one request: what the values of the built-in names are taken from.

Owns the expiry of a request and whose stream it counts as. It does not know how the request is answered.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import datetime

import attrs
import trio

from .._http.request import Request, event_id
from .._http.response_head import ResponseHead
from .._http.response_headers import RawHeaders, merged, without_representation
from .._plan.router import Match
from .._routes.sse import SSE
from ..errors import LifespanError
from .abort import RULES, AbortReason, expired
from .admission import StreamSlot
from .app_context import AppContext
from .connection import Connection
from .services import AppState

__all__ = ("RequestContext",)


@attrs.define(eq=False)
class RequestContext:
    """One request.

    What `count_as` and `expire_at` say of a plain request counts once its handler returns a stream.

    Attributes:
        app: The app.
        connection: The request's connection.
        request: What the client asked.
        match: The plan that answers, and the path parameters.
        slot: The stream's place among those that may be open; None for a request whose answer is no stream so far.
        adds_headers: Whether the response has more headers than the library's own, as far as is known.
        head: What steps have set of the response; None while none has asked for it.
        client: Whose stream it counts as; None while no step has said so.
        expiry: When the credentials expire, in Trio's time.
        challenge: How a 401 asks for credentials after those of this request have expired.
    """

    app: AppContext
    connection: Connection
    request: Request
    match: Match
    slot: StreamSlot | None = None
    adds_headers: bool = False
    head: ResponseHead | None = None
    client: Hashable = None
    expiry: float = math.inf
    challenge: str = "Bearer"

    @property
    def response(self) -> ResponseHead:
        """What steps know as `response`."""
        if self.head is None:
            self.head, self.adds_headers = ResponseHead(), True
        return self.head

    @property
    def last_event_id(self) -> str | None:
        """What steps know as `last_event_id`: from the header, or from the query string where the route says so."""
        route = self.match.plan.route
        name = route.options.last_event_id_query if isinstance(route, SSE) else None
        if name is None or self.request.last_event_id is not None:
            return self.request.last_event_id
        return event_id(self.request.query.get(name, "").encode("utf-8", "replace"))

    @property
    def can_break_off(self) -> bool:
        """Whether the client can see that a response has no proper end.

        On stock hypercorn an HTTP/2 stream without an end stays open, so that the client would wait for ever.
        """
        return self.request.http_version != "2" or self.connection.writer.breaks_off

    def start_headers(self, own: RawHeaders, returned: RawHeaders = (), *, of_error: bool = False) -> RawHeaders:
        """The headers of a response that is starting; from now on steps cannot change them.

        Args:
            own: The library's own, which the route, its steps and the handler may replace.
            returned: Those that the handler has returned, which nothing replaces.
            of_error: Whether the response is not that of the handler, so that what describes its content is left out.
        """
        given = self.match.plan.headers
        given = given if self.head is None else merged(given, self.head.freeze())
        given = without_representation(given) if of_error else given
        vary = ((b"vary", b"Accept"),) if self.match.varies else ()
        return self.app.headers(self.request, merged(merged(merged(own, given), returned), vary))

    def enter_stream(self) -> StreamSlot:
        """Let the stream in that the handler of a plain route has returned.

        Raises:
            ServiceUnavailable: There are too many.
            TooManyRequests: The client has as many as it may.
            Unauthorized: The credentials have expired since a step has read them.
        """
        if self.expiry <= trio.current_time():
            raise expired(self.challenge)
        self.slot = self.app.admission.enter()
        if self.client is not None:
            self.slot.claim(self.client)
        self.connection.end_at(self.expiry, AbortReason.EXPIRED)
        return self.slot

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
            raise expired(self.challenge)
        self.expiry = min(self.expiry, trio.current_time() + max(seconds, 0.0))
        if self.slot is not None:
            self.connection.end_at(self.expiry, AbortReason.EXPIRED)

    def count_as(self, client: Hashable) -> None:
        """What steps know as `count_as`. Plain requests are not counted.

        Raises:
            TooManyRequests: The client has as many streams as it may.
        """
        self.client = client
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
