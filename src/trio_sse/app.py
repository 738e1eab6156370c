"""The app: an immutable value of routes, services and settings, and an ASGI callable.

Owns the app's settings, its compilation, which happens once for each app, and the three kinds of ASGI scope.
"""

from __future__ import annotations

import inspect
import math
import time
import traceback
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Final, Self

import attrs

from ._ground.background import alone
from ._ground.calls import Kind, kind_of
from ._ground.checks import check_seconds
from ._ground.failure_report import FailureReport, wants_full_tracebacks
from ._ground.naming import nearest, type_name
from ._ground.time_limits import CLEANUP_TIMEOUT
from ._http.request import Request
from ._http.response import Response
from ._http.response_headers import HeaderItems, HeaderPairs, check_settable, checked, encoded
from ._routes.controllers import Controller
from ._routes.cors import CORS
from ._routes.limits import Limits
from ._routes.mounts import Mount, NativeApp
from ._routes.providers import Provider, Scope, make_provider, value_provider
from ._routes.routes import Route
from ._runtime.app_context import Settings
from ._runtime.compiled_app import CompiledApp, compile_app
from ._runtime.dispatch import answer
from ._runtime.event_loop import WrongEventLoop, explain_asyncio, refuse_to_start, require_trio
from ._runtime.mounted_lifespans import run_mounted
from ._runtime.mounts import answer_websocket
from ._runtime.request_error import keep_error
from ._runtime.services import run_services
from .asgi import Receive, Send
from .errors import BuildError, HTTPException
from .statistics import Statistics
from .wire import JSONEncoder, encode_json

__all__ = ("App",)

NOT_GIVEN: Final = object()


def _check_range(_app: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not (len(value) == 2 and 0 <= value[0] <= value[1] < math.inf):
        raise BuildError(f"{field.name} is two numbers of seconds, the smaller one first, not {value!r}")


def _check_event_name(_app: object, _field: object, value: str | None) -> None:
    if value is not None and not (value and value.isprintable()):
        raise BuildError(f"error_event is the name of an event, not {value!r}")


def _check_error_response(_app: object, _field: object, function: Any) -> None:
    if function is None:
        return
    try:
        inspect.signature(function).bind(None, None)
        known = kind_of(function) is Kind.SYNC
    except (BuildError, TypeError, ValueError):
        known = False
    if not known:
        raise BuildError(
            "error_response takes a function that is passed the error and the request, and returns a Response: "
            f"def answer(error, request), without 'async'; {function!r} is something else"
        )


def _to_headers(headers: HeaderItems) -> HeaderPairs:
    try:
        pairs = checked(headers)
        check_settable(pairs)
    except ValueError as error:
        raise BuildError(f"App(headers=…): {error}") from None
    return pairs


@attrs.frozen(slots=False)
class App(NativeApp):
    """An application: routes, services, and the settings that they share. An ASGI 3 callable.

    Immutable: every method returns a new app. `check` checks all routes and services; the server runs it before it
    accepts connections.

    Args:
        routes: The routes; usually added with `add`.
        mounts: The mounted apps; added with `add`.
        providers: The providers of the services; added with `provide`.
        json: Encodes values that are not text: event data and JSON responses. It returns str, or bytes in UTF-8.
        error_event: The name of the last event of a stream that fails; None for an event without a name. `error` is for
            apps whose streams all answer POST: EventSource, which asks by GET, uses this name itself.
        error_response: Makes the response for every error that the library answers with, from 400 to 599, in the app's
            own shape: it is passed the error and the request, and returns a `Response`. The content of that response
            is also the data of the last event of a stream that fails. The default is a problem document (RFC 9457).
        headers: Headers of all responses, errors included, unless a response has them already.
        cors: Which pages of other origins may read the responses.
        cleanup_timeout: The time limit, in seconds, of each clean-up that the library shields from cancellation:
            closing a generator, exiting a step or a service.
        wall_clock: Returns the time in seconds since 1970, with which `expire_at` compares; tests replace it.
        send_timeout: Seconds that a client may take for a write of up to 64 KiB before it is disconnected as too slow.
        limits: The limits of requests and streams.
        reconnect_delay: The least and the most seconds after which a client should reconnect that was refused, or whose
            stream ended because the server shuts down. The delay of each client is random, so that clients do not
            reconnect at the same moment.
    """

    routes: tuple[Route, ...] = ()
    mounts: tuple[Mount, ...] = attrs.field(default=(), kw_only=True)
    providers: tuple[Provider, ...] = attrs.field(default=(), kw_only=True)
    json: JSONEncoder = attrs.field(default=encode_json, kw_only=True)
    error_event: str | None = attrs.field(default="stream-error", kw_only=True, validator=_check_event_name)
    error_response: Callable[[HTTPException, Request], Response] | None = attrs.field(
        default=None, kw_only=True, validator=_check_error_response
    )
    headers: HeaderPairs = attrs.field(default=(), kw_only=True, converter=_to_headers)
    cors: CORS | None = attrs.field(default=None, kw_only=True)
    cleanup_timeout: float = attrs.field(default=CLEANUP_TIMEOUT, kw_only=True, validator=check_seconds)
    wall_clock: Callable[[], float] = attrs.field(default=time.time, kw_only=True)
    send_timeout: float = attrs.field(default=20.0, kw_only=True, validator=check_seconds)
    limits: Limits = attrs.field(factory=Limits, kw_only=True)
    reconnect_delay: tuple[float, float] = attrs.field(default=(1.0, 5.0), kw_only=True, validator=_check_range)

    def add(self, *members: Route | Controller | Mount, **named: Route | Controller) -> Self:
        """Add routes, controllers and mounted apps.

        Args:
            *members: Routes without a name; controllers, which are named after the last literal segment of their
                prefix (`url` knows the route `events` of `Controller("/orders")` as `orders.events`); and mounts.
            **named: Routes and controllers by name.

        Raises:
            BuildError: A member is none of these.
        """
        mounts = [member for member in members if isinstance(member, Mount)]
        unnamed = [member for member in members if not isinstance(member, Mount)]
        for member in (*unnamed, *named.values()):
            _check_member(member)
        routes: list[Route] = []
        for name, member in (*((member.name, member) for member in unnamed), *named.items()):
            routes += member.flatten(name) if isinstance(member, Controller) else [attrs.evolve(member, name=name)]
        return attrs.evolve(self, routes=(*self.routes, *routes), mounts=(*self.mounts, *mounts))

    def provide(
        self,
        token: Any,
        factory: Callable[..., object] | None = None,
        *,
        value: object = NOT_GIVEN,
        scope: Scope = "app",
    ) -> Self:
        """Define how a service is made: `.provide(OrderService)`, or `.provide(Repository[Order], SqlOrders)`.

        Steps and handlers take it with a parameter that is annotated with its type: `orders: OrderService`.

        The parameters of a class's constructor, or of a function, are services, found by their annotations. A parameter
        with a default keeps it if no service is of its type. An `@asynccontextmanager` function is entered, and so is
        an instance of a class with `__aenter__` and `__aexit__`; all are exited in reverse order.

        A class that is provided under two tokens is one service, with one scope. Use an Annotated type or a NewType as
        the token of a second one.

        Args:
            token: The type by which the service is requested. For a function without a token, it is the return
                annotation.
            factory: The class or function that makes the service, if it is not the token itself.
            value: An existing service, in place of `factory`.
            scope: `app` makes the service at start-up, for all requests. `request` makes one for each request that
                needs it; its factory may take values of the request by name: `request`, `headers`, `cookies`, `query`,
                `last_event_id`, `aborted`, `nursery`. Both may take `app_nursery`.

        Raises:
            BuildError: The factory makes nothing, or is not annotated with what it makes; or the token is provided
                already.
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
        """Replace a service with a value, for a test. Services that only the replaced one needs are not made.

        Raises:
            BuildError: The app does not provide the service.
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

        The path is relative to the app. The built-in `url` of steps and handlers, which takes the same arguments, adds
        the path at which the app is mounted.

        Args:
            name: The route's name.
            **values: The path parameters; one that refers to a model takes an id, a reference or a model.

        Raises:
            URLError: The route does not exist, a parameter is missing or unknown, or a value does not fit.
        """
        return self._compiled.urls.make(name, values)

    def statistics(self) -> Statistics:
        """The statistics of the app's streams in this process. Steps and handlers take this as `statistics`."""
        return self._compiled.context.counters.read()

    def check(self) -> None:
        """Check all services and routes, also those of mounted apps of this library, and compile them.

        Raises:
            BuildError: A service or a route has a mistake, or two contradict each other. The message says what to do.
        """
        _ = self._compiled  # a cached property, which compiles
        for mount in self.mounts:
            if isinstance(mount.app, NativeApp):
                _check_mounted(mount, mount.app)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[dict[str, Any]]:
        """The lifespan of the app: check it, make its services, run mounted apps, and keep its nursery open.

        The server runs it. If the app is mounted in another app that does not pass the lifespan on, enter this context
        manager in the lifespan of the outer app, and yield its state there.

        Yields:
            The state of the lifespan, from which requests take services and `app_nursery`.
        """
        require_trio()
        self.check()
        async with (
            run_services(self._compiled.services, self.cleanup_timeout) as state,
            run_mounted(self.mounts, self.cleanup_timeout) as mounted,
        ):
            yield {self._compiled.context.state_key: attrs.evolve(state, mounted=mounted)}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                try:
                    await answer(self._compiled, scope, receive, send)
                except RuntimeError:
                    require_trio()
                    raise
            case "lifespan":
                await self._run_lifespan(scope, receive, send)
            case "websocket":
                await answer_websocket(self._compiled, scope, receive, send)
            case other:
                raise NotImplementedError(f"the ASGI scope type {other!r} is unknown")

    @cached_property
    def _compiled(self) -> CompiledApp:
        settings = Settings(
            json=self.json,
            error_event=self.error_event,
            error_response=self.error_response,
            headers=encoded(self.headers),
            cors=self.cors,
            cleanup_timeout=self.cleanup_timeout,
            send_timeout=self.send_timeout,
            wall_clock=self.wall_clock,
            reconnect_delay=self.reconnect_delay,
            limits=self.limits,
        )
        return compile_app(self.routes, self.mounts, self.providers, settings)

    async def _run_lifespan(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        started, errors = False, list[Exception]()
        try:
            async with self.lifespan() as state:
                scope.setdefault("state", {}).update(state)
                started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except WrongEventLoop:
            await refuse_to_start(send)
            return
        except BaseException as raised:  # noqa: ASYNC103, BLE001 - Cancelled is raised on, alone or in its group
            explain_asyncio(raised)
            keep_error(raised, errors.append, where="in the app's lifespan")
        if not errors:
            await send({"type": "lifespan.shutdown.complete"})
        elif started:
            raise alone(errors[0])  # the group is that of the nursery in which the services live
        else:
            await send({"type": "lifespan.startup.failed", "message": _failure_message(errors[0])})


def _check_member(member: object) -> None:
    if not isinstance(member, Route | Controller):
        hint = "; add a mount without a name, as in add(Mount(…))" if isinstance(member, Mount) else ""
        raise BuildError(
            f"add() takes routes and controllers, such as SSE('/events').handle(stream), not {member!r}{hint}"
        )


def _check_mounted(mount: Mount, app: NativeApp) -> None:
    try:
        app.check()
    except BuildError as problem:
        raise BuildError(f"in the app of {mount}: {problem}") from None


def _failure_message(error: Exception) -> str:
    """The message of a failed start-up: that of a BuildError, which needs no traceback, or a report of the error."""
    if isinstance(error, BuildError):
        return str(error)
    if wants_full_tracebacks():
        return "".join(traceback.format_exception(error))
    return str(FailureReport.of(error))
