"""Serving an app in this process: `serve` inside a running Trio program, `run` as a whole program.

Owns the choice of the worker, and the shutdown signals of `run`. It must not know sockets or protocols.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio.run import worker_serve
from hypercorn.utils import LifespanFailureError, wrap_app  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from ..asgi import ASGIApp
from .app import ServedApp
from .config import StreamConfig, make_config
from .contract import misfits
from .errors import SetupError, StartupError
from .triggers import Trigger

__all__ = ("run", "serve", "serve_configured")

FALL_BACK = (
    "hypercorn %s is not what trio_sse's own worker was made for (it differs in %s), so its stock worker serves: "
    "clients that stop reading cannot be dropped, and streams are not told of a shutdown"
)

logger = logging.getLogger("trio_sse.server")


async def serve(  # noqa: ASYNC128 - the worker calls started()
    app: ASGIApp,
    *,
    config: Config | None = None,
    shutdown_trigger: Callable[[], Awaitable[object]] | None = None,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    **options: Any,
) -> None:
    """Serve an app until it is shut down or cancelled.

    Args:
        app: The app; any ASGI middleware may be around it.
        config: A hypercorn configuration to start from.
        shutdown_trigger: An async function. When it returns, the server stops accepting connections, sets `draining`
            for open requests, gives them `graceful_timeout` seconds (10 by default), cancels the rest, and returns.
        task_status: `nursery.start(serve, …)` returns the addresses when they accept connections.
        **options: hypercorn's options by name: `bind="127.0.0.1:8000"`, `certfile=…`, `graceful_timeout=…`; and two
            more: `peer_timeout`, the seconds during which a client may accept no bytes (30 by default), and
            `max_connections` (by default what the limit of open files allows).

    Raises:
        TypeError: An option is unknown.
        OSError: An address cannot be listened on, or a certificate cannot be used.
        RuntimeError: The app has failed to start; the message says why.
        Exception: A task in the app's nursery has raised it, and the server has shut down.
    """
    settings = make_config(config, **options)
    await serve_configured(app, settings, shutdown_trigger or trio.sleep_forever, task_status, receives_signals=False)


async def serve_configured(  # noqa: ASYNC128 - the worker calls started()
    app: ASGIApp,
    config: StreamConfig,
    shutdown_trigger: Trigger,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    *,
    receives_signals: bool,
) -> None:
    """Serve an app as `serve` does. `receives_signals` says whether the caller receives SIGINT through Trio."""
    served = ServedApp(app, receives_signals=receives_signals)
    trigger = partial(served.wait_for_shutdown, shutdown_trigger)
    wrapped = wrap_app(served, config.wsgi_max_body_size, "asgi")  # type: ignore[arg-type]  # hypercorn wants its own TypedDicts
    try:
        misfit = misfits()
        if misfit:
            logger.warning(FALL_BACK, version("hypercorn"), misfit)
            await _serve_by_stock_worker(wrapped, config, trigger, task_status)
        else:
            from .worker import serve_worker  # noqa: PLC0415 - where the contract is broken, importing it may fail

            await serve_worker(wrapped, config, trigger, task_status)
    except BaseExceptionGroup as group:
        # hypercorn raises its own error, in groups, when the app says that it has failed to start.
        if not isinstance(served.error, StartupError) or group.subgroup(LifespanFailureError) is None:
            raise
    if served.error is not None:
        raise served.error


async def _serve_by_stock_worker(  # noqa: ASYNC128 - hypercorn calls started()
    app: Any, config: StreamConfig, trigger: Trigger, task_status: trio.TaskStatus[list[str]]
) -> None:
    config.create_ssl_context()  # hypercorn would find a mistake here only when it has opened its sockets
    try:
        await worker_serve(app, config, shutdown_trigger=trigger, task_status=task_status)  # type: ignore[arg-type]
    except BaseExceptionGroup as group:
        error = _setup_error_in(group)
        if error is None:
            raise
        raise error from None


def _setup_error_in(group: BaseExceptionGroup[BaseException]) -> SetupError | None:
    """The error of starting that a group is about, however deeply hypercorn's nurseries have nested it."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found = _setup_error_in(cast("BaseExceptionGroup[BaseException]", error))
            if found is not None:
                return found
        elif isinstance(error, SetupError):
            return error
    return None


def run(app: ASGIApp, *, config: Config | None = None, **options: Any) -> None:
    """Run a server for an app until SIGINT or SIGTERM: the first drains it, a second cancels open requests.

    Args:
        app: The app.
        config: A hypercorn configuration to start from.
        **options: hypercorn's options, as for `serve`.

    Raises:
        TypeError: An option is unknown.
        OSError: An address cannot be listened on, or a certificate cannot be used.
        RuntimeError: The app has failed to start; the message says why.
        Exception: As for `serve`. If the program does not catch it, the exit status is 1.
    """
    try:
        trio.run(_run, app, make_config(config, **options))
    except SetupError as error:
        raise error.with_traceback(None) from None  # the message says it all; where it was raised says nothing


async def _run(app: ASGIApp, config: StreamConfig) -> None:
    error: Exception | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        draining = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_handle_signals, signals, draining, nursery.cancel_scope)
            try:
                await serve_configured(app, config, draining.wait, receives_signals=True)
            except Exception as raised:  # noqa: BLE001 - raised below, outside the nursery, and so not in a group
                error = raised
            nursery.cancel_scope.cancel(reason="the server has shut down")
    if error is not None:
        raise error


async def _handle_signals(signals: AsyncIterator[int], draining: trio.Event, scope: trio.CancelScope) -> None:
    await anext(signals)
    draining.set()
    await anext(signals)
    scope.cancel(reason="a second signal has arrived")
