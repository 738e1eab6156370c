"""Serving an app: start, stop on a signal, and failing loudly.

Owns what happens around hypercorn's `serve`: the shutdown signals, and the watch over the app's lifespan, whose errors
hypercorn only logs once it has started.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio.run import worker_serve
from hypercorn.utils import wrap_app  # pyright: ignore[reportUnknownVariableType] - hypercorn leaves its own types open

from ..asgi import ASGIApp, Message, Receive, Send
from .config import make_config
from .contract import misfits
from .triggers import Trigger, wait_for_first

__all__ = ("run", "serve")

FALL_BACK = (
    "hypercorn %s is not what trio_sse's own worker was made for (it differs in %s), so its stock worker serves: "
    "clients that stop reading cannot be dropped, and streams are not told of a shutdown"
)

logger = logging.getLogger("trio_sse.server")


async def serve(  # noqa: ASYNC128 - hypercorn calls started()
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
        shutdown_trigger: An async function; when it returns, the server stops accepting, tells open requests that it
            is draining, gives them `graceful_timeout` seconds (10 unless set), cancels what is left, and returns.
        task_status: `nursery.start(serve, …)` gives the addresses, once they accept.
        **options: hypercorn's options by name: `bind="127.0.0.1:8000"`, `certfile=…`, `graceful_timeout=…`; and two of
            our own: `peer_timeout`, the seconds that a client may take nothing of what is written to it (30), and
            `max_connections` (what the limit of open files leaves).

    Raises:
        TypeError: An option is unknown.
        Exception: What a task in the app's nursery raised: the server has been shut down for it.
    """
    settings = make_config(config, **options)
    watch = _LifespanWatch(app)
    trigger = partial(watch.wait, shutdown_trigger or trio.sleep_forever)
    wrapped = wrap_app(watch, settings.wsgi_max_body_size, "asgi")  # type: ignore[arg-type]  # hypercorn wants its own TypedDicts
    misfit = misfits()
    if misfit:
        logger.warning(FALL_BACK, version("hypercorn"), misfit)
        await worker_serve(wrapped, settings, shutdown_trigger=trigger, task_status=task_status)
    else:
        from .worker import serve_worker  # noqa: PLC0415 - where the contract is broken, importing it may fail

        await serve_worker(wrapped, settings, trigger, task_status)
    if watch.error is not None:
        raise watch.error


def run(app: ASGIApp, *, config: Config | None = None, **options: Any) -> None:
    """Run a server for an app until SIGINT or SIGTERM; the first asks it to shut down, a second cuts it short.

    Args:
        app: The app.
        config: A hypercorn configuration to start from.
        **options: hypercorn's options, as for `serve`.

    Raises:
        Exception: As for `serve`; an uncaught one ends the process with a status other than 0.
    """
    trio.run(_run, app, make_config(config, **options))


async def _run(app: ASGIApp, config: Config) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        asked = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, asked, nursery.cancel_scope)
            await serve(app, config=config, shutdown_trigger=asked.wait)
            nursery.cancel_scope.cancel(reason="the server has shut down")


async def _obey(signals: Any, asked: trio.Event, scope: trio.CancelScope) -> None:
    await anext(signals)
    asked.set()
    await anext(signals)
    scope.cancel(reason="asked a second time to shut down")


class _LifespanWatch:
    """The app, with an eye on its lifespan: when that fails after start-up, the server has to stop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._failed = trio.Event()
        self.error: Exception | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            await send(message)
            started = started or message["type"] == "lifespan.startup.complete"

        try:
            await self._app(scope, receive, note)
        except Exception as error:
            if started:
                self.error = error
                self._failed.set()
            raise

    async def wait(self, trigger: Trigger) -> None:
        """Wait for the trigger, or for the lifespan to fail."""
        await wait_for_first(trigger, self._failed.wait)
