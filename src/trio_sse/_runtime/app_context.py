"""The app as its requests see it: settings, and what all of them share.

Owns nothing that changes, but for the counters that it points to.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from .._routes.limits import Limits
from ..wire import JSONEncoder
from .admission import Admission
from .counters import StreamCounters

__all__ = ("AppContext", "Settings")


@attrs.frozen
class Settings:
    """What an app sets for all its routes; `App` documents each of them."""

    json: JSONEncoder
    error_event: str
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
    """

    settings: Settings
    admission: Admission
    counters: StreamCounters
    state_key: str
    url: Callable[..., str]

    def reconnect_seconds(self) -> float:
        """When a client is to reconnect: at random, so that clients do not reconnect at the same moment."""
        return random.uniform(*self.settings.reconnect_delay)  # noqa: S311 - nothing to guess
