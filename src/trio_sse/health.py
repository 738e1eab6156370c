"""Health checks: routes by which whoever runs the app learns whether it lives, and whether it takes more clients.

Owns the two answers. Where they are asked for, and by whom, is said where they are added to the app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ._http.request import Request
from ._http.response import Response
from ._routes.routes import Get
from ._runtime.server_extension import Draining, server_extension_of
from .errors import ServiceUnavailable
from .statistics import Statistics

__all__ = ("liveness", "readiness")

NO_STORE: Final = {"cache-control": "no-store"}


def liveness(path: str) -> Get:
    """A route that answers 200 as long as the app runs, also while it shuts down or has no room.

    Whoever gets no answer should start the app again.
    """
    return Get(path).during_shutdown().handle(_alive)


def readiness(path: str) -> Get:
    """A route that answers 200 while the app takes streams, and 503 while it does not.

    It does not once the server shuts down, while as many streams are open as `Limits(streams=…)` lets in, and while the
    server has no room for more connections. Whoever gets a 503 should send new clients elsewhere. HEAD is answered
    likewise.
    """
    return Get(path).during_shutdown().use(_check_room).handle(_ready)


def _alive() -> Response:
    return Response({"status": "alive"}, headers=NO_STORE)


def _ready() -> Response:
    return Response({"status": "ready"}, headers=NO_STORE)


def _check_room(request: Request, draining: Draining, statistics: Callable[[], Statistics]) -> None:
    """Refuse in a step and not in the handler, which does not run for HEAD."""
    link = server_extension_of(request.scope)
    if draining.is_set():
        raise ServiceUnavailable("The server is shutting down.", headers=NO_STORE)
    if link is not None and link.overloaded:
        raise ServiceUnavailable("The server has no room for more connections.", headers=NO_STORE)
    if statistics().full:
        raise ServiceUnavailable("Too many streams are open.", headers=NO_STORE)
