"""The app's services at run time: made at start-up, exited in reverse order at the end, with the app's nursery.

Owns the life of the app. Which services there are, and in which order, has been decided by `_plan.services`; those of a
request are made by `steps`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import trio

from .._ground.background import BackgroundNursery
from .._plan.services import ResolvedProvider
from .steps import make

__all__ = ("AppState", "run_services")

logger = logging.getLogger("trio_sse")


@attrs.frozen
class AppState:
    """What lives as long as the app.

    Attributes:
        nursery: The app's nursery, which steps and handlers know as `app_nursery`.
        services: The app's services, by their keys.
        mounted: The state of the lifespan of each mounted app, by the path of the mount.
    """

    nursery: trio.Nursery
    services: Mapping[Hashable, Any]
    mounted: Mapping[str, dict[str, Any]] = attrs.Factory(dict[str, dict[str, Any]])


@attrs.frozen
class _App:
    """The owner of the app's services."""

    cleanup_timeout: float
    ending: bool = True  # whatever reaches the app's services is the end of the app

    def log_overstay(self, who: str, detail: str) -> None:
        logger.error("the app: %s has not ended within %g s; %s", who, self.cleanup_timeout, detail)

    def note_swallowed(self, who: str, error: BaseException) -> None:
        """Never called: the app is ending, so nothing that it raises may be swallowed."""


@asynccontextmanager
async def run_services(providers: Iterable[ResolvedProvider], cleanup_timeout: float) -> AsyncGenerator[AppState]:
    """Open the app's nursery and make its services; at the end cancel the tasks, then exit the services.

    The tasks end first because they use the services. They live in a nursery of their own because services may ask for
    it when they are made. A task that fails ends the app, and its error is raised.
    """
    owner = _App(cleanup_timeout)
    async with trio.open_nursery(strict_exception_groups=True) as host:
        tasks = BackgroundNursery()
        nursery = await host.start(tasks.run_in_background, name="the app's nursery")
        values: dict[Hashable, Any] = {"app_nursery": nursery}
        async with AsyncExitStack() as stack:
            try:
                for provider in providers:
                    values[provider.key] = await _make(provider, values, owner, stack)
                yield AppState(nursery, values)
            finally:
                if await tasks.end(cleanup_timeout, "the app has been shut down"):  # noqa: ASYNC102 - shields itself
                    owner.log_overstay("a task in the app's nursery", "it is still running")


async def _make(provider: ResolvedProvider, values: dict[Hashable, Any], owner: _App, stack: AsyncExitStack) -> Any:
    try:
        return await make(provider, values, owner, stack)
    except Exception as error:
        error.add_note(f"while the app starts, in {provider.call}")
        raise
