"""The lifespans of mounted apps, each run in a task within the lifespan of the app that they are mounted in.

Owns the server's side of the ASGI lifespan protocol. It does not know requests.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import trio

from .._routes.mounts import Mount, NativeApp
from ..asgi import Message
from ..errors import LifespanError

__all__ = ("run_mounted",)

State = dict[str, Any]

logger = logging.getLogger("trio_sse")


@asynccontextmanager
async def run_mounted(mounts: Iterable[Mount], cleanup_timeout: float) -> AsyncGenerator[dict[str, State]]:
    """Run the lifespans of all mounted apps, that of an app with several mounts once.

    Yields:
        The state of each one's lifespan, by the path of the mount.

    Raises:
        LifespanError: An app has failed to start; or the exception that it has raised.
    """
    by_app: dict[int, State] = {}
    by_path: dict[str, State] = {}
    async with AsyncExitStack() as stack:
        for mount in mounts:
            if id(mount.app) not in by_app:
                by_app[id(mount.app)] = await stack.enter_async_context(_lifespan_of(mount, cleanup_timeout))
            by_path[str(mount.path)] = by_app[id(mount.app)]
        yield by_path


def _lifespan_of(mount: Mount, cleanup_timeout: float) -> AbstractAsyncContextManager[State]:
    return mount.app.lifespan() if isinstance(mount.app, NativeApp) else _run_lifespan(mount, cleanup_timeout)


@asynccontextmanager
async def _run_lifespan(mount: Mount, cleanup_timeout: float) -> AsyncGenerator[State]:
    lifespan = _Lifespan(mount, cleanup_timeout)
    async with trio.open_nursery(strict_exception_groups=True) as nursery:
        nursery.start_soon(lifespan.run, name=f"the lifespan of {mount}")
        await lifespan.wait_for_start()
        try:
            yield lifespan.state
        finally:
            await lifespan.end()  # noqa: ASYNC102 - a cancellation has cancelled the app's task too
            nursery.cancel_scope.cancel(reason="the app has been shut down")


class _Lifespan:
    """The conversation with one app.

    Attributes:
        state: The state to which the app adds what its requests need.
    """

    def __init__(self, mount: Mount, cleanup_timeout: float) -> None:
        self.state: State = {}
        self._mount = mount
        self._cleanup_timeout = cleanup_timeout
        self._asked = False
        self._told = False
        self._running = False
        self._failure: str | None = None
        self._error: Exception | None = None
        self._start_decided = trio.Event()
        self._shutdown = trio.Event()
        self._shutdown_decided = trio.Event()
        self._done = trio.Event()

    async def run(self) -> None:
        """Call the app.

        Raises:
            Exception: The app has raised it after its start. What it raises before says that it has no lifespan, or why
                it has failed to start.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._mount.app(scope, self._receive, self._send)
        except Exception as error:
            error.add_note(f"in the lifespan of {self._mount}")
            if self._running:
                raise
            self._error = error
        finally:
            for event in (self._start_decided, self._shutdown_decided, self._done):
                event.set()

    async def wait_for_start(self) -> None:
        """Wait until the app has started, or has shown that it has no lifespan.

        Raises:
            LifespanError: It says that it has failed to start.
            Exception: It says so, and has raised this.
        """
        await self._start_decided.wait()
        if self._failure is not None:
            with trio.move_on_after(self._cleanup_timeout):  # the app may raise the cause, too
                await self._done.wait()
            raise self._error or LifespanError(f"the app of {self._mount} has failed to start: {self._failure}")
        if self._error is not None:
            level = logging.WARNING if self._asked else logging.INFO
            logger.log(level, "%s has no lifespan: it has raised %r", self._mount, self._error)

    async def end(self) -> None:
        """Tell the app to shut down, and wait until it has."""
        self._shutdown.set()
        await self._shutdown_decided.wait()
        with trio.move_on_after(self._cleanup_timeout):
            await self._done.wait()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            await trio.lowlevel.checkpoint()
            return {"type": "lifespan.startup"}
        if self._failure is None and not self._told:
            await self._shutdown.wait()
            self._told = True
            return {"type": "lifespan.shutdown"}
        self._done.set()  # the app waits for a message that never comes
        return await trio.sleep_forever()

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        match message["type"]:
            case "lifespan.startup.complete":
                self._running = True
                self._start_decided.set()
            case "lifespan.startup.failed":
                self._failure = message.get("message") or "it gives no reason"
                self._start_decided.set()
            case "lifespan.shutdown.complete":
                self._shutdown_decided.set()
            case "lifespan.shutdown.failed":
                logger.error("%s has failed to shut down: %s", self._mount, message.get("message", ""))
                self._shutdown_decided.set()
            case other:
                raise ValueError(f"{other!r} is not a message of the lifespan")
