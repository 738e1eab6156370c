"""Dispatch: from an ASGI request to the responder that answers it, or to a refusal.

Owns the order of what may refuse a request: its form, its path, the server's state, the app's limits. Only then do
steps run.
"""

from __future__ import annotations

from functools import partial

import attrs
import trio

from .._http.paths import request_segments
from .._http.request import Request
from .._plan.router import Match
from .._routes.routes import SSE
from ..asgi import Message, Receive, Send
from ..errors import HTTPException, NoContent
from ..wire import DONE_ID
from .admission import StreamSlot
from .compiled_app import CompiledApp
from .connection import Connection
from .rejection import NoConnectionLeft, ShuttingDown
from .request_context import RequestContext
from .responder import Responder, ValueResponder, error_response, send_response
from .server_extension import ServerExtension, server_extension_of
from .stream import StreamResponder

__all__ = ("answer",)


async def answer(app: CompiledApp, scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request."""
    request, extension, settings = Request(scope), server_extension_of(scope), app.context.settings
    connect = partial(
        Connection,
        receive,
        send,
        cleanup_timeout=settings.cleanup_timeout,
        send_timeout=settings.send_timeout,
        extension=extension,
    )
    try:
        settings.limits.check(request)
        match = _find(app, request)
        plan = match.plan
        if extension is not None and not plan.route.answers_during_shutdown:
            _check_server(extension)
        slot = app.context.admission.enter() if isinstance(plan.route, SSE) else None
    except HTTPException as refused:
        await _refuse(app, request, refused, connect)
        return
    connection = connect(label=plan.label, max_body=plan.max_body)
    context = RequestContext(app.context, connection, request, match, slot)
    if slot is None:
        await _run(ValueResponder(context))
    else:
        await _run_stream(StreamResponder(context, slot), slot)


def _find(app: CompiledApp, request: Request) -> Match:
    """Find the plan, or raise the answer."""
    segments = request_segments(request.raw_path, request.scope.get("root_path", ""))
    if request.method == "OPTIONS":
        raise NoContent(headers={"allow": app.router.allow(segments)})
    match = app.router.match(request.method, segments, request.accept)
    if isinstance(match.plan.route, SSE) and request.last_event_id == DONE_ID:
        # The stream has said Done(), and an EventSource reconnects all the same: 204 is what stops it.
        raise NoContent(headers={"cache-control": "no-store"})
    return match


def _check_server(extension: ServerExtension) -> None:
    """Check that the server has time and room for a request.

    Raises:
        HTTPError: It does not.
    """
    if extension.drain.draining.is_set():
        raise ShuttingDown
    if extension.overloaded:
        raise NoConnectionLeft


async def _run(responder: Responder) -> None:
    try:
        await responder.connection.run(responder.work, responder.finish)
    except Exception as error:
        error.add_note(f"while answering {responder.plan.label} with {responder.plan.handler}")
        raise


async def _run_stream(responder: StreamResponder, slot: StreamSlot) -> None:
    """Answer with a stream, and count how it has ended."""
    aborted, ended = responder.connection.aborted, "failed"
    try:
        await _run(responder)
        ended = str(aborted.reason or "finished")
    except trio.Cancelled:
        ended = str(aborted.reason or "cancelled")
        raise
    finally:
        slot.leave()
        responder.context.app.counters.ended(responder, ended)


async def _refuse(app: CompiledApp, request: Request, error: HTTPException, connect: partial[Connection]) -> None:
    """Send an answer that needs no plan. It goes through a connection all the same, which drains the body."""
    response = error_response(app.context, request, error)
    if isinstance(error, ShuttingDown | NoConnectionLeft) and request.http_version.startswith("1"):
        response = attrs.evolve(response, headers=(*response.headers, ("connection", "close")))
    connection = connect(label=f"{request.method} {request.path}")

    async def finish(_error: Exception | None) -> None:
        await send_response(connection.writer, response)

    await connection.run(_no_work, finish)


async def _no_work() -> None:
    """There is no handler to run."""
