"""Passing requests and WebSockets on to mounted apps.

Owns the scope that such an app sees, what becomes of its errors, and the answer to a WebSocket, which no other app
takes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .._http.paths import request_segments
from .._http.request import Request
from .._routes.mounts import Mount, NativeApp
from ..asgi import Message, Receive, Send
from ..errors import HTTPError, HTTPException
from .compiled_app import CompiledApp
from .event_loop import explain_asyncio
from .services import AppState

__all__ = ("answer_websocket", "pass_on", "scope_below")

HTTP_SCHEMES = {"ws": "http", "wss": "https"}


async def pass_on(app: CompiledApp, mount: Mount, scope: Message, receive: Receive, send: Send) -> HTTPException | None:
    """Have a mounted app answer.

    Returns:
        The answer that is still to be sent, where the app has raised it before its response: parts of Starlette, such
        as StaticFiles, raise an exception for a status, and leave it to the app around them to send it.
    """
    state: AppState | None = scope.get("state", {}).get(app.context.state_key)
    own = {} if state is None else state.mounted.get(str(mount.path), {})
    started = False

    async def note_the_start(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        # An app of this library compares `send` with the server's, and answers all errors.
        await mount.app(
            scope_below(scope, mount, own), receive, send if isinstance(mount.app, NativeApp) else note_the_start
        )
    except Exception as error:
        refusal = None if started or scope["type"] != "http" else _refusal_in(error)
        if refusal is None:
            explain_asyncio(error)
            error.add_note(f"in the app of {mount}")
            raise
        return refusal
    return None


async def answer_websocket(app: CompiledApp, scope: Message, receive: Receive, send: Send) -> None:
    """Pass a WebSocket on to the app that is mounted at its path; without one, close it."""
    request = Request({**scope, "method": "GET", "scheme": HTTP_SCHEMES.get(scope.get("scheme", "ws"), "http")})
    try:
        app.context.admission.check(request)
        mount = app.router.mount_for(request_segments(request.raw_path, scope.get("root_path", "")))
    except HTTPException:
        mount = None
    if mount is None:
        await send({"type": "websocket.close", "code": 1000})
    else:
        await pass_on(app, mount, scope, receive, send)


def _refusal_in(error: Any) -> HTTPException | None:
    """The answer that an exception stands for: one of this library, or of Starlette, which is not imported for it."""
    if isinstance(error, HTTPException):
        return error
    names = {(cls.__module__, cls.__name__) for cls in type(error).__mro__}
    if ("starlette.exceptions", "HTTPException") not in names or error.status_code < 400:
        return None
    refusal = HTTPError(error.detail, headers=error.headers, status=error.status_code)
    if refusal.detail == refusal.title:
        refusal.detail = ""
    return refusal


def scope_below(scope: Message, mount: Mount, state: dict[str, Any]) -> Message:
    """The scope for a mounted app.

    Args:
        scope: The scope of this app.
        mount: Where the other app is mounted.
        state: The state of its lifespan, which goes before the state of others.
    """
    root = scope.get("root_path", "").removesuffix("/")
    below = {**scope, "root_path": root + str(mount.path).removesuffix("/")}
    if not f"{scope['path']}/".startswith(f"{root}/"):
        # Behind a proxy that removes the root path. `path` should have it (ASGI, HTTP scope), and without it no prefix
        # of `path` would be the new root path.
        below["path"] = root + scope["path"]
        if scope.get("raw_path"):
            below["raw_path"] = quote(root).encode("ascii") + scope["raw_path"]
    if state:
        below["state"] = {**scope["state"], **state}
    return below
