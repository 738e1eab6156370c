"""Services at run time: made at start-up or for a request, left in reverse order.

Owns the life of the app: its nursery and its services. What is made of what has been decided by `_injection`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import trio

from .._ground.background import BackgroundNursery
from .._ground.calls import Call, Kind
from .._ground.shielded_exit import Owner, leaving
from .._plan.services import ResolvedProvider
from ..errors import StepError

__all__ = ("Life", "call_plainly", "enter", "live", "make")

logger = logging.getLogger("trio_sse")


@attrs.frozen
class Life:
    """What lives as long as the app.

    Attributes:
        nursery: The app's nursery, `app_nursery` to those that ask for it.
        values: The app's services, by their keys.
    """

    nursery: trio.Nursery
    values: Mapping[Hashable, Any]


@attrs.frozen
class _TheApp:
    """The owner of the app's services."""

    cleanup_timeout: float
    ending: bool = True  # whatever reaches its services is the end of it

    def log_overstay(self, who: str, detail: str) -> None:
        logger.error("the app: %s has not ended within %g s; %s", who, self.cleanup_timeout, detail)


@asynccontextmanager
async def live(recipes: Iterable[ResolvedProvider], cleanup_timeout: float) -> AsyncGenerator[Life]:
    """Open the app's nursery and make its services; at the end cancel the tasks, then leave the services.

    The tasks go first because they use the services; they live in a nursery of their own because the services want it
    when they are made. A task that fails ends the app, and its error is raised.
    """
    owner = _TheApp(cleanup_timeout)
    async with trio.open_nursery(strict_exception_groups=True) as host:
        tasks = BackgroundNursery()
        nursery = await host.start(tasks.run_in_background, name="the app's nursery")
        values: dict[Hashable, Any] = {"app_nursery": nursery}
        async with AsyncExitStack() as stack:
            try:
                for recipe in recipes:
                    values[recipe.key] = await make(recipe, values, owner, stack)
                yield Life(nursery, values)
            finally:
                if await tasks.end(cleanup_timeout, "the app has been shut down"):  # noqa: ASYNC102 - shields itself
                    owner.log_overstay("a task in the app's nursery", "it is still running")


async def make(recipe: ResolvedProvider, values: Mapping[Hashable, Any], owner: Owner, stack: AsyncExitStack) -> Any:
    """Make a service.

    Raises:
        StepError: Entering it gave something else.
    """
    made = await enter(recipe.call, values, owner, stack)
    wanted = recipe.call.function
    if inspect.isclass(wanted) and not isinstance(made, wanted):
        raise StepError(
            f"entering {wanted.__name__} gave {type(made).__name__}, which is no {wanted.__name__}; a class that is an "
            "async context manager is entered to provide it: provide one that is not to be entered by a function"
        )
    return made


async def enter(call: Call, values: Mapping[Hashable, Any], owner: Owner, stack: AsyncExitStack) -> Any:
    """Call a function; what is an async context manager is entered, and left with `stack`."""
    if call.kind is not Kind.CONTEXT:
        return await call_plainly(call, values)
    manager = call.function(**call.arguments(values))
    return await stack.enter_async_context(leaving(manager, owner, call.__str__))


async def call_plainly(call: Call, values: Mapping[Hashable, Any]) -> Any:
    """Call a function that is sync or async, and give what it returns.

    Raises:
        StepError: A sync function returned a coroutine, which nobody would await.
    """
    result = call.function(**call.arguments(values))
    if call.kind is Kind.ASYNC:
        return await result
    if inspect.iscoroutine(result):
        result.close()
        raise StepError(f"{call} is not an async function but returned a coroutine; write it with 'async def'")
    return result
