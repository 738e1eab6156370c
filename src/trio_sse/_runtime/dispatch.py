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
from .._routes.mounts import Mount
from .._routes.sse import SSE
from ..asgi import Message, Receive, Send
from ..errors import HTTPException, NoContent
from ..wire import DONE_ID
from .compiled_app import CompiledApp
from .connection import Connection
from .error_response import error_response
from .event_loop import explain_asyncio
from .mounts import pass_on
from .rejection import NoConnectionLeft, ShuttingDown, server_refusal
from .request_context import RequestContext
from .responder import Responder
from .server_extension import EXTENSION, ServerExtension

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
        found = _find(app, request, extension)
        is_stream = isinstance(found, Match) and isinstance(found.plan.route, SSE)
        slot = app.context.admission.enter() if is_stream else None
    except HTTPException as refused:
        await _refuse(app, request, refused, connect)
        return
    if isinstance(found, Mount):
        refused_there = await pass_on(app, found, scope, receive, send)
        if refused_there is not None:
            await _refuse(app, request, refused_there, connect)
        return
    plan = found.plan
    connection = connect(label=plan.label, max_body=plan.max_body)
    adds_headers = bool(plan.headers) or found.varies or app.context.adds_headers
    context = RequestContext(app.context, connection, request, found, slot, adds_headers)
    try:
        await Responder(context).run()
    except Exception as error:
        explain_asyncio(error)
        error.add_note(f"while answering {plan.label} with {plan.handler}")
        raise


def _find(app: CompiledApp, request: Request, extension: ServerExtension | None) -> Match | Mount:
    """Find the plan or the mounted app, or raise the answer."""
    app.context.admission.check(request)
    segments = request_segments(request.raw_path, request.scope.get("root_path", ""))
    if request.method == "OPTIONS":
        found: Match | Mount = _options(app, request, segments)
    else:
        found = app.router.match(request.method, segments, request.accept)
    target = found if isinstance(found, Mount) else found.plan.route
    if request.last_event_id == DONE_ID and isinstance(target, SSE):
        # The stream has said Done(), and an EventSource reconnects all the same: 204 is what stops it.
        raise NoContent(headers={"cache-control": "no-store"})
    if extension is not None and not target.answers_during_shutdown and (refusal := server_refusal(extension)):
        raise refusal
    return found


def _options(app: CompiledApp, request: Request, segments: tuple[str, ...]) -> Mount:
    """The mounted app that answers OPTIONS. The app answers itself for its routes, also a page's preflight (CORS)."""
    try:
        return app.router.options(segments)
    except NoContent as answer:
        cors = app.context.settings.cors
        asked = () if cors is None else cors.preflight_headers(request.headers, answer.headers["allow"])
        answer.headers.update((name.decode(), value.decode()) for name, value in asked)
        raise


async def _refuse(app: CompiledApp, request: Request, error: HTTPException, connect: partial[Connection]) -> None:
    """Send an answer that needs no plan. It goes through a connection all the same, which drains the body."""
    response = error_response(app.context, request, error)
    if isinstance(error, ShuttingDown | NoConnectionLeft) and request.http_version.startswith("1"):
        response = attrs.evolve(response, headers=(*response.headers, ("connection", "close")))
    connection = connect(label=escape(f"{request.method} {request.path}"))
    headers = app.context.headers(request, response.header_pairs())

    async def finish(_error: Exception | None) -> None:
        await connection.writer.start(response.status, headers, body_follows=True)
        await connection.writer.end(response.body())

    await connection.run(_no_work, finish)


async def _no_work() -> None:
    """There is no handler to run."""
