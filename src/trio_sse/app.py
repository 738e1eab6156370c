"""The app: where descriptions and runtime meet. An `App` is the ASGI callable.

Owns the app's settings, the compiled router and the dispatch of an ASGI scope. Plans are made once an app.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Final, Self

import attrs

from ._ground.checks import check_seconds
from ._ground.naming import nearest, type_name
from ._ground.time_limits import CLEANUP_TIMEOUT
from ._routes.controllers import Controller
from ._routes.limits import Limits
from ._routes.providers import Provider, Scope, make_provider, value_provider
from ._routes.routes import Route
from ._runtime.app_context import Settings
from ._runtime.compiled_app import CompiledApp, compile_app
from ._runtime.dispatch import answer
from ._runtime.request_error import keep_error
from ._runtime.services import run_services
from .asgi import Receive, Send
from .errors import BuildError
from .statistics import Statistics
from .wire import JSONEncoder, encode_json

__all__ = ("App",)

NOT_GIVEN: Final = object()


def _check_range(_app: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not (len(value) == 2 and 0 <= value[0] <= value[1] < math.inf):
        raise BuildError(f"{field.name} is two numbers of seconds, the smaller one first, not {value!r}")


def _check_event_name(_app: object, _field: object, value: str) -> None:
    if not value or not value.isprintable():
        raise BuildError(f"error_event is the name of an event, not {value!r}")


@attrs.frozen(slots=False)
class App:
    """An application: routes, services, and the settings that they share. An ASGI 3 callable.

    Immutable: every method returns a new app. Everything about routes and services is checked by `check`, which the
    server runs before it accepts the first client.

    Args:
        routes: The routes; usually added with `add`.
        providers: What makes the services; added with `provide`.
        json: Encodes what is not text: event data, JSON responses. It returns str, or bytes in UTF-8.
        error_event: The name of the event that tells a client of an unexpected error. Not `error`, which EventSource
            uses for its own.
        cleanup_timeout: The time limit of each clean-up that the library shields from cancellation: closing a
            generator, leaving a step or a service.
        wall_clock: The time in seconds since 1970, against which `expire_at` is read; tests replace it.
        send_timeout: Seconds that a client may take for a write of up to 64 KiB, before it is dropped as too slow.
        limits: What the app takes on.
        reconnect_delay: The least and the most seconds after which clients come back that are turned away, or whose
            streams end in the server's shutdown: at random, so that
            clients do not reconnect at the same moment.
    """

    routes: tuple[Route, ...] = ()
    providers: tuple[Provider, ...] = attrs.field(default=(), kw_only=True)
    json: JSONEncoder = attrs.field(default=encode_json, kw_only=True)
    error_event: str = attrs.field(default="stream-error", kw_only=True, validator=_check_event_name)
    cleanup_timeout: float = attrs.field(default=CLEANUP_TIMEOUT, kw_only=True, validator=check_seconds)
    wall_clock: Callable[[], float] = attrs.field(default=time.time, kw_only=True)
    send_timeout: float = attrs.field(default=20.0, kw_only=True, validator=check_seconds)
    limits: Limits = attrs.field(factory=Limits, kw_only=True)
    reconnect_delay: tuple[float, float] = attrs.field(default=(1.0, 5.0), kw_only=True, validator=_check_range)

    def add(self, *members: Route | Controller, **named: Route | Controller) -> Self:
        """Add routes and controllers.

        Args:
            *members: Routes, which have no names then, and controllers, which are named after the last word of their
                prefixes: a route `events` of `Controller("/orders")` is `orders.events` to `url`.
            **named: The same under other names.

        Raises:
            BuildError: Something is neither.
        """
        for member in (*members, *named.values()):
            _check_member(member)
        routes: list[Route] = []
        for name, member in (*((member.name, member) for member in members), *named.items()):
            routes += member.flatten(name) if isinstance(member, Controller) else [attrs.evolve(member, name=name)]
        return attrs.evolve(self, routes=(*self.routes, *routes))

    def provide(
        self,
        token: Any,
        factory: Callable[..., object] | None = None,
        *,
        value: object = NOT_GIVEN,
        scope: Scope = "app",
    ) -> Self:
        """Say what makes a service: `.provide(OrderService)`, or `.provide(Repository[Order], SqlOrders)`.

        A class is called with what its constructor's parameters are annotated with, services like itself; a function
        likewise. An `@asynccontextmanager` function is entered, and so is a class whose instances are async context
        managers; all are left in reverse order. A parameter with a default keeps it where no service is of its type.
        Where the same class is provided under two tokens it is one service, of one scope; an Annotated token or a
        NewType is there to have another one.

        Args:
            token: What it is asked for by. A function that is given alone says it by its return annotation.
            factory: What makes it, where the token does not make itself.
            value: The service, where there is one already; in place of `factory`.
            scope: `app` makes it at start-up, for all. `request` makes one for each request that needs it; it may take
                a request's values by name: `request`, `headers`, `cookies`, `query`, `last_event_id`, `aborted`,
                `nursery`. Both may take `app_nursery`.

        Raises:
            BuildError: It makes nothing, or does not say what; or the token is provided already.
        """
        if value is NOT_GIVEN:
            provider = make_provider(token, factory, scope)
        elif factory is not None or scope != "app":
            raise BuildError(
                f".provide({type_name(token)}, value=…) takes neither a factory nor a scope: a value is there already, "
                "and lives as long as the app"
            )
        else:
            provider = value_provider(token, value)
        if any(provider.token == other.token for other in self.providers):
            name = type_name(provider.token)
            raise BuildError(f"{name} is provided already; for a test write .override({name}, value)")
        return attrs.evolve(self, providers=(*self.providers, provider))

    def override(self, token: Any, value: object) -> Self:
        """Replace a service by a value, for a test. What only the replaced one would need is not made either.

        Raises:
            BuildError: Nothing provides such a service.
        """
        tokens = [provider.token for provider in self.providers]
        if token not in tokens:
            name, known = type_name(token), [*map(type_name, tokens)]
            raise BuildError(
                f"nothing provides {name}, so there is nothing to override.{nearest(name, known)} "
                f"Provided are: {', '.join(known) or 'none'}"
            )
        replaced = self.providers[tokens.index(token)]
        return attrs.evolve(
            self,
            providers=tuple(
                value_provider(token, value, p.replaced or p) if p is replaced else p for p in self.providers
            ),
        )

    def url(self, name: str, /, **values: Any) -> str:
        """The path of a named route: `app.url("orders.events", order=order)`.

        It begins where the app does: a step's own `url`, which takes the same, knows where the app is mounted.

        Args:
            name: The route's name.
            **values: Its path parameters; one that refers to a model takes an id, a reference or a model.

        Raises:
            URLError: There is no such route, a parameter is missing or not its own, or its value does not fit.
        """
        return self._compiled.urls.make(name, values)

    def statistics(self) -> Statistics:
        """What the app's streams have done in this process; steps and handlers take it as `statistics`."""
        return self._compiled.context.counters.read()

    def check(self) -> None:
        """Check all services and routes, and compile them.

        Raises:
            BuildError: A mistake in a service or a route, or between two; the message says which and what to do.
        """
        _ = self._compiled  # a cached property: to read it is to compile

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[dict[str, Any]]:
        """The app's life: check it, make its services, and hold its nursery open.

        The server runs it. Where the app is mounted in another one that does not pass the lifespan on, enter this in
        the outer app's lifespan and let that yield the same state.

        Yields:
            What belongs into the lifespan's state, from where requests take services and `app_nursery`.
        """
        self.check()
        async with run_services(self._compiled.services, self.cleanup_timeout) as state:
            yield {self._compiled.context.state_key: state}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                await answer(self._compiled, scope, receive, send)
            case "lifespan":
                await self._live(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})
            case other:
                raise NotImplementedError(f"the ASGI scope type {other!r} is unknown")

    @cached_property
    def _compiled(self) -> CompiledApp:
        settings = Settings(
            json=self.json,
            error_event=self.error_event,
            cleanup_timeout=self.cleanup_timeout,
            send_timeout=self.send_timeout,
            wall_clock=self.wall_clock,
            reconnect_delay=self.reconnect_delay,
            limits=self.limits,
        )
        return compile_app(self.routes, self.providers, settings)

    async def _live(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        started, errors = False, list[Exception]()
        try:
            async with self.lifespan() as state:
                scope.setdefault("state", {}).update(state)
                started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except BaseException as raised:  # noqa: ASYNC103, BLE001 - Cancelled is raised on, alone or in its group
            keep_error(raised, errors.append, where="in the app's lifespan")
        if not errors:
            await send({"type": "lifespan.shutdown.complete"})
        elif started:
            raise errors[0]
        else:
            await send({"type": "lifespan.startup.failed", "message": _told(errors[0])})


def _check_member(member: object) -> None:
    if not isinstance(member, Route | Controller):
        raise BuildError(f"add() takes routes and controllers, such as SSE('/events').handle(stream), not {member!r}")


def _told(error: Exception) -> str:
    """How a server is told why there is no start: a mistake in the app says it all itself."""
    return str(error) if isinstance(error, BuildError) else "".join(traceback.format_exception(error))
