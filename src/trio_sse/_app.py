"""The app: where descriptions and runtime meet. An `App` is the ASGI callable.

Owns the app's settings, the compiled router and the dispatch of an ASGI scope. Plans are made once an app.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Final, Self

import attrs
import trio

from ._aborted import Aborted
from ._connection import Connection, Receive
from ._errors import BuildError, HTTPError, NoContent
from ._exchange import (
    NURSERY_STATE,
    Exchange,
    Params,
    Refusal,
    Settings,
    StreamExchange,
    ValueExchange,
    problem_response,
)
from ._http import Request, Response, Values
from ._outgoing import Send
from ._paths import raw_path_of, request_segments
from ._plan import plan_all
from ._router import Match, Router
from ._routes import SSE, Route
from .wire import DONE_ID, JSONEncoder, encode_json

__all__ = ("App",)

TYPES: Final[Mapping[str, Any]] = {
    "aborted": Aborted,
    "app_nursery": trio.Nursery,
    "body": bytes,
    "cookies": Mapping,
    "headers": Values,
    "last_event_id": str | None,
    "nursery": trio.Nursery,
    "params": Params,
    "query": Values,
    "request": Request,
}


def _check_seconds(_app: object, field: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise BuildError(f"{field.name} is a number of seconds above 0, not {value!r}")


def _check_event_name(_app: object, _field: object, value: str) -> None:
    if not value or not value.isprintable():
        raise BuildError(f"error_event is the name of an event, not {value!r}")


@attrs.frozen(slots=False)
class App:
    """An application: routes, and the settings that they share. An ASGI 3 callable.

    Immutable: `add` returns a new app. Everything about the routes is checked by `check`, which the server runs before
    it accepts the first client.

    Args:
        routes: The routes; usually added with `add`.
        json: Encodes what is not text: event data, JSON responses. It returns str, or bytes in UTF-8.
        error_event: The name of the event that tells a client of an unexpected error. Not `error`, which EventSource
            uses for its own.
        cleanup_seconds: The time limit of each clean-up that the library shields from cancellation: closing a
            generator, leaving a step.
    """

    routes: tuple[Route, ...] = ()
    json: JSONEncoder = attrs.field(default=encode_json, kw_only=True)
    error_event: str = attrs.field(default="stream-error", kw_only=True, validator=_check_event_name)
    cleanup_seconds: float = attrs.field(default=5.0, kw_only=True, validator=_check_seconds)

    def add(self, *routes: Route) -> Self:
        """Add routes.

        Raises:
            BuildError: Something is not a route.
        """
        for route in routes:
            if not isinstance(route, Route):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
                raise BuildError(f"add() takes routes, such as SSE('/events').handle(stream), not {route!r}")
        return attrs.evolve(self, routes=(*self.routes, *routes))

    def check(self) -> None:
        """Check all routes, and compile them.

        Raises:
            BuildError: A mistake in a route, or between two; the message says which and what to do.
        """
        self._router  # noqa: B018 - a cached property: looking is making

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[dict[str, Any]]:
        """The app's life: check it, and hold its nursery open.

        The server runs it. Where the app is mounted in another one that does not pass the lifespan on, enter this in
        the outer app's lifespan and let that yield the same state.

        Yields:
            What belongs into the lifespan's state, from where requests take `app_nursery`.
        """
        self.check()
        async with trio.open_nursery() as nursery:
            yield {NURSERY_STATE: nursery}
            nursery.cancel_scope.cancel(reason="the app has been shut down")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                await self._serve(Request(scope), receive, send)
            case "lifespan":
                await self._live(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})
            case other:
                raise NotImplementedError(f"the ASGI scope type {other!r} is unknown")

    @cached_property
    def _router(self) -> Router:
        return Router(plan_all(self.routes, TYPES))

    @cached_property
    def _settings(self) -> Settings:
        return Settings(self.json, self.error_event)

    async def _live(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.check()
        except BuildError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        async with self.lifespan() as state:
            scope.setdefault("state", {}).update(state)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            match = self._match(request)
        except HTTPError as refused:
            await self._refuse(request, problem_response(refused, self.json), receive, send)
            return
        plan = match.plan
        connection = self._connection(receive, send, plan.label, plan.max_body)
        kind: type[Exchange] = StreamExchange if isinstance(plan.route, SSE) else ValueExchange
        exchange = kind(connection, match, request, self._settings)
        try:
            await connection.run(exchange.work, exchange.finish)
        except Exception as error:
            error.add_note(f"while answering {plan.label} with {plan.handler}")
            raise

    def _match(self, request: Request) -> Match:
        """Find the plan, or raise the answer."""
        scope = request.scope
        raw_path = scope.get("raw_path") or raw_path_of(request.path)
        segments = request_segments(raw_path, scope.get("root_path", ""))
        if request.method == "OPTIONS":
            raise NoContent(headers={"allow": self._router.allow(segments)})
        match = self._router.match(request.method, segments, ",".join(request.headers.all("accept")) or None)
        if isinstance(match.plan.route, SSE) and request.last_event_id == DONE_ID:
            raise NoContent(
                headers={"cache-control": "no-store"}
            )  # the stream has said Done(); this is the client that comes back all the same
        return match

    async def _refuse(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        connection = self._connection(receive, send, f"{request.method} {request.path}", 0)
        refusal = Refusal(connection, response)
        await connection.run(refusal.work, refusal.finish)

    def _connection(self, receive: Receive, send: Send, label: str, max_body: int) -> Connection:
        return Connection(receive, send, label=label, max_body=max_body, cleanup_seconds=self.cleanup_seconds)
