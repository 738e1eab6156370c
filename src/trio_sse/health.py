"""Health checks: routes that tell an orchestrator or a load balancer whether the app runs and accepts more streams.

Owns the two responses. It does not know their paths or who may request them: the app decides that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ._http.request import Request
from ._http.response import Response
from ._routes.routes import Get
from ._runtime.rejection import StreamLimitReached, server_refusal
from ._runtime.server_extension import EXTENSION
from .errors import ServiceUnavailable
from .statistics import Statistics

__all__ = ("liveness", "readiness")

NO_STORE: Final = {"cache-control": "no-store"}


def liveness(path: str) -> Get:
    """A route that answers 200 as long as the app runs, also while it shuts down or is full.

    Restart the app when it does not answer.
    """
    return Get(path).during_shutdown().handle(_alive)


def readiness(path: str) -> Get:
    """A route that answers 200 while the app accepts streams, and 503 while it does not.

    The answer is 503 once the server shuts down, while as many streams are open as `Limits(streams=…)` allows, and
    while the server accepts no more connections. A load balancer should then send new clients to another process. HEAD
    gets the same status.
    """
    return Get(path).during_shutdown().use(_check_room).handle(_ready)


def _alive() -> Response:
    return Response({"status": "alive"}, headers=NO_STORE)


def _ready() -> Response:
    return Response({"status": "ready"}, headers=NO_STORE)


def _check_room(request: Request, statistics: Callable[[], Statistics]) -> None:
    # This is a step, because the handler does not run for HEAD.
    extension = request.scope.get("extensions", {}).get(EXTENSION)
    refusal = None if extension is None else server_refusal(extension)
    if refusal is None and statistics().full:
        refusal = StreamLimitReached()
    if refusal is not None:  # without `retry`, so that the statistics do not count it as a refused client
        raise ServiceUnavailable(refusal.detail, headers=NO_STORE)
