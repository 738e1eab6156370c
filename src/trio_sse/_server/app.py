"""The app as hypercorn calls it: an error of a request does not end the server, and an error of the lifespan does.

Owns what happens to an error that the app raises. It works for hypercorn's own worker too.
"""

from __future__ import annotations

import logging

import trio

from .._ground.failure_report import FailureReport
from .._ground.text import escape
from .._runtime.request_error import keep_error
from ..asgi import ASGIApp, Message, Receive, Send
from .errors import StartupError
from .triggers import Trigger, wait_for_first

__all__ = ("RequestExit", "ServedApp")

logger = logging.getLogger("trio_sse.server")


class RequestExit(Exception):
    """The app has raised an exception that ends a program, such as `SystemExit`, in a request."""


class ServedApp:
    """The app, for one server.

    Args:
        app: The app.
        receives_signals: Whether the server receives SIGINT. If not, Ctrl-C raises `KeyboardInterrupt` in the code that
            is running, which may be the app's, and has to end the program.

    Attributes:
        error: Why the server ends: the app has failed to start, or its lifespan has raised this later.
    """

    def __init__(self, app: ASGIApp, *, receives_signals: bool) -> None:
        self._app = app
        self._receives_signals = receives_signals
        self._failed = trio.Event()
        self.error: Exception | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(scope, receive, send)
        else:
            await self._run_request(scope, receive, send)

    async def _run_request(self, scope: Message, receive: Receive, send: Send) -> None:
        """Run the app for a request.

        hypercorn contains an `Exception`, and each exception group: it logs it, and answers 500 if no response has
        started. Any other exception would end the server at once, with every other request.
        """
        try:
            await self._app(scope, receive, send)
        except BaseExceptionGroup as group:
            if not self._receives_signals and group.subgroup(KeyboardInterrupt):
                raise KeyboardInterrupt from group
            raise
        except (Exception, trio.Cancelled):
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not self._receives_signals:
                raise
            raise RequestExit(f"the app has raised {error!r} in a request") from error

    async def _run_lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        started, errors = False, list[Exception]()

        async def note_the_start(message: Message) -> None:
            nonlocal started
            if message["type"] == "lifespan.startup.failed":
                self.error = StartupError(message.get("message") or "the app gives no reason")
            await send(message)
            started = started or message["type"] == "lifespan.startup.complete"

        try:
            await self._app(scope, receive, note_the_start)
        except BaseException as raised:  # noqa: ASYNC103 - Cancelled is raised on, alone or in its group
            if not started:
                raise
            keep_error(raised, errors.append, where="in the app's lifespan")
        for error in errors:  # there is one at most
            headline = escape(FailureReport.of(error).headline)
            logger.error("the app has failed, so the server shuts down: %s", headline)
            self.error = error  # raised when the server has shut down; hypercorn would only log it
            self._failed.set()

    async def wait_for_shutdown(self, trigger: Trigger) -> None:
        """Wait for the trigger, or for the lifespan to fail."""
        await wait_for_first(trigger, self._failed.wait)
