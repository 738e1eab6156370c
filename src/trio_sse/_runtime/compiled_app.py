"""The compiled app: all that is made of an app's routes and services once, before the first request.

Owns the plans, the router and the URLs, and the counters of the running app. `App` is the value that users build; each
App value is compiled by itself, with counters that start at zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .._plan.plan import Plan
from .._plan.planner import plan_all
from .._plan.router import Router
from .._plan.services import ResolvedProvider, ServiceGraph
from .._plan.urls import Urls
from .._routes.mounts import Mount
from .._routes.providers import Provider
from .._routes.routes import Route
from .._routes.sse import SSE
from ..errors import BuildError
from .admission import Admission
from .app_context import AppContext, Settings
from .built_in_names import BUILT_IN
from .counters import StreamCounters

__all__ = ("CompiledApp", "compile_app")


@attrs.frozen(eq=False)
class CompiledApp:
    """What answers an app's requests.

    Attributes:
        router: Finds the plan of a request.
        urls: Makes the paths of named routes.
        services: The app's services, in the order in which they are made at start-up.
        context: What each request needs of the app.
    """

    router: Router
    urls: Urls
    services: tuple[ResolvedProvider, ...]
    context: AppContext


def compile_app(
    routes: Iterable[Route], mounts: Iterable[Mount], providers: Iterable[Provider], settings: Settings
) -> CompiledApp:
    """Check all services, routes and mounts, and compile them.

    Raises:
        BuildError: A mistake in a service or a route, or between two; the message says which and what to do.
    """
    graph = ServiceGraph(providers, BUILT_IN)
    plans = plan_all(routes, BUILT_IN, graph, settings.json)
    _check_error_event(settings.error_event, plans)
    router = Router(plans, mounts)
    urls = Urls(plans, router.answers)
    admission = Admission(settings.limits)

    def url(name: str, /, **values: Any) -> str:
        return urls.make(name, values)

    context = AppContext(
        settings=settings,
        admission=admission,
        counters=StreamCounters(lambda: admission.full),
        state_key=f"trio_sse.app:{id(router):x}",  # apps that are mounted side by side have a state each
        url=url,
        adds_headers=bool(settings.headers) or settings.cors is not None,
    )
    return CompiledApp(router, urls, graph.at_start(_taken(plans)), context)


def _check_error_event(name: str | None, plans: Iterable[Plan]) -> None:
    """Refuse a name that EventSource uses for a lost connection, where a route is for EventSource: it asks by GET."""
    for plan in plans:
        route: SSE | Route = plan.route
        if name == "error" and isinstance(route, SSE) and route.method == "GET":
            raise BuildError(
                f"{plan.label}: error_event='error' would be taken for a lost connection, since EventSource has an "
                "event of that name itself; choose another name, or None for an event without one"
            )


def _taken(plans: Iterable[Plan]) -> Iterable[object]:
    """The tokens of all services that requests take from the app."""
    return (token for plan in plans for token in plan.services)
