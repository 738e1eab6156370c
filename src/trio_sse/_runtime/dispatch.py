"""Dispatch: a request on its way to the exchange that answers it, or to a refusal.

Owns the order of what may be refused: its form, its path, the server's state, the app's limits. Only then do steps run.
"""

from __future__ import annotations

import attrs
import trio

from .._http.paths import raw_path_of, request_segments
from .._http.request import Request
from .._http.response import Response
from .._plan.plan import Plan
from .._plan.router import Match, Router
from .._routes.limits import Limits
from .._routes.routes import SSE
from ..errors import HTTPException, NoContent, ServiceUnavailable
from ..wire import DONE_ID
from .connection import Connection, Receive
from .responder import Exchange, Refusal, Settings, ValueExchange
from .responses import problem_response, shutting_down, turned_away
from .server_extension import ServerExtension, server_extension_of
from .stream import StreamExchange
from .writer import Send

__all__ = ("Dispatcher",)


@attrs.frozen
class Dispatcher:
    """Answers an app's requests.

    Attributes:
        router: Finds the plan.
        limits: What the app takes on.
        settings: What exchanges need of the app.
        cleanup_timeout: The time limit of each clean-up.
        send_seconds: How long a client may take for a write of up to 64 KiB.
    """

    router: Router
    limits: Limits
    settings: Settings
    cleanup_timeout: float
    send_seconds: float

    async def serve(self, request: Request, receive: Receive, send: Send) -> None:
        """Answer a request."""
        link = server_extension_of(request.scope)
        try:
            self.limits.check(request)
            match = self._match(request)
        except HTTPException as refused:
            await self._refuse(request, problem_response(refused, self.settings.json), receive, send)
            return
        busy = None if link is None or match.plan.route.answers_during_shutdown else _busy(link)
        if busy is not None:
            await self._turn_away(request, busy, receive, send)
        elif isinstance(match.plan.route, SSE):
            await self._stream(match, request, receive, send)
        else:
            connection = self._connection(request, receive, send, match.plan)
            await self._answer(connection, ValueExchange(connection, match, request, self.settings))

    async def _stream(self, match: Match, request: Request, receive: Receive, send: Send) -> None:
        """Answer with a stream, if there is room for it."""
        try:
            slot = self.settings.admission.enter()
        except HTTPException as full:
            await self._turn_away(request, full, receive, send)
            return
        connection = self._connection(request, receive, send, match.plan)
        exchange = StreamExchange(connection, match, request, self.settings, slot)
        reason = "failed"
        try:
            await self._answer(connection, exchange)
            reason = str(connection.aborted.reason or "finished")
        except trio.Cancelled:
            reason = str(connection.aborted.reason or "cancelled")
            raise
        finally:
            slot.leave()
            self.settings.meter.ended(exchange, reason)

    async def _answer(self, connection: Connection, exchange: Exchange) -> None:
        try:
            await connection.run(exchange.work, exchange.finish)
        except Exception as error:
            error.add_note(f"while answering {exchange.plan.label} with {exchange.plan.handler}")
            raise

    async def _turn_away(self, request: Request, error: HTTPException, receive: Receive, send: Send) -> None:
        self.settings.meter.refused(error.detail)
        response = turned_away(request, error, self.settings.some_seconds(), self.settings.json)
        link = server_extension_of(request.scope)
        if link is not None and _busy(link) is not None and request.http_version.startswith("1"):
            response = attrs.evolve(response, headers=(*response.headers, ("connection", "close")))
        await self._refuse(request, response, receive, send)

    def _match(self, request: Request) -> Match:
        """Find the plan, or raise the answer."""
        scope = request.scope
        raw_path = scope.get("raw_path") or raw_path_of(request.path)
        segments = request_segments(raw_path, scope.get("root_path", ""))
        if request.method == "OPTIONS":
            raise NoContent(headers={"allow": self.router.allow(segments)})
        match = self.router.match(request.method, segments, ",".join(request.headers.get_all("accept")) or None)
        if isinstance(match.plan.route, SSE) and request.last_event_id == DONE_ID:
            raise NoContent(
                headers={"cache-control": "no-store"}
            )  # the stream has said Done(); this is the client that comes back all the same
        return match

    async def _refuse(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        connection = self._connection(request, receive, send, None)
        refusal = Refusal(connection, response)
        await connection.run(refusal.work, refusal.finish)

    def _connection(self, request: Request, receive: Receive, send: Send, plan: Plan | None) -> Connection:
        return Connection(
            receive,
            send,
            label=f"{request.method} {request.path}" if plan is None else plan.label,
            max_body=0 if plan is None else plan.max_body,
            cleanup_timeout=self.cleanup_timeout,
            send_seconds=self.send_seconds,
            link=server_extension_of(request.scope),
        )


def _busy(link: ServerExtension) -> HTTPException | None:
    """Why the server has no time for a request, if it has none."""
    if link.drain.draining.is_set():
        return shutting_down()
    return ServiceUnavailable("The server has no room for more connections.") if link.overloaded else None
