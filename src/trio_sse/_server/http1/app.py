"""The app as a connection of HTTP/1.1 runs it: its scope, its errors, and the line in the access log."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import unquote

import trio

from ..logs import FAILED_REQUEST
from ..shared import Shared
from .exchange import Exchange
from .head import RequestHead

__all__ = ("log_access", "log_refusal", "make_scope", "run_app")

CLIENT_GONE: Final = 499
"""The status in the access log of a request whose client has left before its response; nginx has made it usual."""


def make_scope(
    request: RequestHead, *, encrypted: bool, root_path: str, addresses: tuple[Any, Any], state: dict[str, Any]
) -> dict[str, Any]:
    """The scope of a request (ASGI, HTTP connection scope); `addresses` are the client's and the server's."""
    client, server = addresses
    raw_path, _, query_string = request.target.partition(b"?")
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": request.version,
        "method": request.method,
        "scheme": "https" if encrypted else "http",
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query_string,
        "root_path": root_path,
        "headers": request.headers,
        "client": client,
        "server": server,
        "state": state,
        "extensions": {},
    }


async def run_app(shared: Shared, exchange: Exchange) -> None:
    """Run the app for a request. An error ends this request alone, and is logged."""
    receive: Any = exchange.receive
    send: Any = exchange.send
    scope: Any = exchange.scope
    cancelled: BaseException | None = None
    error: BaseException | None = None
    try:
        await shared.app(scope, receive, send, trio.to_thread.run_sync, trio.from_thread.run)
    except BaseExceptionGroup as group:  # noqa: ASYNC103 - Cancelled is raised below
        cancelled, error = group.split(trio.Cancelled)
    except Exception as raised:  # noqa: BLE001 - it is logged
        error = raised
    if error is not None:
        await shared.config.log.error(FAILED_REQUEST, exc_info=error)
    if cancelled is not None:
        raise cancelled


async def log_access(shared: Shared, exchange: Exchange) -> None:
    """Write the line of a request in the access log."""
    log, response = shared.config.log, exchange.response
    if log.access_logger is not None:
        summary: Any = {"status": response.status or CLIENT_GONE, "headers": response.headers}
        scope: Any = exchange.scope
        await log.access(scope, summary, time.monotonic() - exchange.began)


async def log_refusal(shared: Shared, status: int, *, encrypted: bool, addresses: tuple[Any, Any]) -> None:
    """Write the line of a request that could not be read."""
    log = shared.config.log
    if log.access_logger is not None:
        request = RequestHead("-", b"-", "1.1", [], 0, keep_alive=False)
        scope: Any = make_scope(request, encrypted=encrypted, root_path="", addresses=addresses, state={})
        summary: Any = {"status": status, "headers": ()}
        await log.access(scope, summary, 0.0)
