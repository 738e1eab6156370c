"""The app as its requests see it: settings, and what all of them share.

Owns nothing that changes, but for the counters that it points to.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from .._http.request import Request
from .._http.response import Response
from .._http.response_headers import RawHeaders, merged
from .._routes.cors import CORS
from .._routes.limits import Limits
from ..errors import HTTPException
from ..wire import JSONEncoder
from .admission import Admission
from .counters import StreamCounters

__all__ = ("AppContext", "Settings")


@attrs.frozen
class Settings:
    """What an app sets for all its routes; `App` documents each of them."""

    json: JSONEncoder
    error_event: str | None
    error_response: Callable[[HTTPException, Request], Response] | None
    headers: RawHeaders
    cors: CORS | None
    cleanup_timeout: float
    send_timeout: float
    wall_clock: Callable[[], float]
    reconnect_delay: tuple[float, float]
    limits: Limits


@attrs.frozen(eq=False)
class AppContext:
    """What a request needs of the app.

    Attributes:
        settings: What the app sets.
        admission: Which requests and streams are let in.
        counters: Counts the streams.
        state_key: The key of the app's `AppState` in the server's state (ASGI lifespan, `scope["state"]`).
        url: Makes the path of a named route.
        adds_headers: Whether the app sets headers for all responses.
    """

    settings: Settings
    admission: Admission
    counters: StreamCounters
    state_key: str
    url: Callable[..., str]
    adds_headers: bool

    def headers(self, request: Request, own: RawHeaders) -> RawHeaders:
        """The headers of a response, with those that the app sets for all responses behind its own."""
        settings = self.settings
        if settings.cors is None:
            return merged(settings.headers, own)
        return merged(merged(settings.headers, settings.cors.response_headers(request.headers)), own)

    def reconnect_seconds(self) -> float:
        """When a client is to reconnect: at random, so that clients do not reconnect at the same moment."""
        return random.uniform(*self.settings.reconnect_delay)  # noqa: S311 - nothing to guess
