"""Dispatch: from an ASGI request to the responder that answers it, or to a refusal.

Owns the order of what may refuse a request: its form, its path, the server's state, the app's limits. Only then do
steps run.
"""

from __future__ import annotations

from functools import partial

import attrs

from .._ground.text import escape
from .._http.paths import request_segments
from .._http.request import Request
from .._plan.router import Match
from .._routes.routes import SSE
from ..asgi import Message, Receive, Send
from ..errors import HTTPException, NoContent
from ..wire import DONE_ID
from .compiled_app import CompiledApp
from .connection import Connection
from .event_loop import explain_asyncio
from .rejection import NoConnectionLeft, ShuttingDown, server_refusal
from .request_context import RequestContext
from .responder import ValueResponder, error_response, send_response
from .server_extension import EXTENSION, ServerExtension
from .stream import StreamResponder

__all__ = ("answer",)


async def answer(app: CompiledApp, scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request."""
    request, settings = Request(scope), app.context.settings
    extension: ServerExtension | None = scope.get("extensions", {}).get(EXTENSION)
    connect = partial(
        Connection,
        receive,
        send,
        cleanup_timeout=settings.cleanup_timeout,
        send_timeout=settings.send_timeout,
        extension=extension,
    )
    try:
        match = _find(app, request, extension)
        slot = app.context.admission.enter() if isinstance(match.plan.route, SSE) else None
    except HTTPException as refused:
        await _refuse(app, request, refused, connect)
        return
    plan = match.plan
    connection = connect(label=plan.label, max_body=plan.max_body)
    context = RequestContext(app.context, connection, request, match, slot)
    try:
        await (ValueResponder(context) if slot is None else StreamResponder(context)).run()
    except Exception as error:
        explain_asyncio(error)
        error.add_note(f"while answering {plan.label} with {plan.handler}")
        raise


def _find(app: CompiledApp, request: Request, extension: ServerExtension | None) -> Match:
    """Find the plan, or raise the answer."""
    app.context.admission.check(request)
    segments = request_segments(request.raw_path, request.scope.get("root_path", ""))
    if request.method == "OPTIONS":
        raise NoContent(headers={"allow": app.router.allow(segments)})
    match = app.router.match(request.method, segments, request.accept)
    route = match.plan.route
    if request.last_event_id == DONE_ID and isinstance(route, SSE):
        # The stream has said Done(), and an EventSource reconnects all the same: 204 is what stops it.
        raise NoContent(headers={"cache-control": "no-store"})
    if extension is not None and not route.answers_during_shutdown and (refusal := server_refusal(extension)):
        raise refusal
    return match


async def _refuse(app: CompiledApp, request: Request, error: HTTPException, connect: partial[Connection]) -> None:
    """Send an answer that needs no plan. It goes through a connection all the same, which drains the body."""
    response = error_response(app.context, request, error)
    if isinstance(error, ShuttingDown | NoConnectionLeft) and request.http_version.startswith("1"):
        response = attrs.evolve(response, headers=(*response.headers, ("connection", "close")))
    connection = connect(label=escape(f"{request.method} {request.path}"))

    async def finish(_error: Exception | None) -> None:
        await send_response(connection.writer, response)

    await connection.run(_no_work, finish)


async def _no_work() -> None:
    """There is no handler to run."""
