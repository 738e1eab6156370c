"""The generator: drives what a handler returns, one item at a time, and closes it.

Owns the rules of driving: one task advances, throws into and closes a generator; what goes wrong while an item is being
sent is raised inside the generator, at its `yield`. It does not know events or HTTP: an item goes to `emit`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import trio

from .._ground.calls import Call
from ..errors import StepError
from .connection import Connection

__all__ = ("drive",)

Start = Callable[[], Awaitable[None]]
"""Sends the headers and the first frame."""
Emit = Callable[[Any], Awaitable[bool]]
"""Sends an item; True means that the stream ends here."""


async def drive(call: Call, source: Any, connection: Connection, start: Start, emit: Emit) -> None:
    """Start the response, send everything that a source yields, and close it.

    Args:
        call: The handler that returned the source, for messages.
        source: An async iterable, or an async context manager of one. It belongs to the stream, and is closed with it.
        connection: The request's connection.
        start: Starts the response.
        emit: Sends an item.

    Raises:
        StepError: The source is something else.
    """
    if hasattr(source, "__aenter__"):
        async with source as iterable:
            await _send_all(_checked(call, iterable), connection, start, emit)
    else:
        await _send_all(_checked(call, source), connection, start, emit)


def _checked(call: Call, source: Any) -> Any:
    if hasattr(source, "__aiter__"):
        return source
    if inspect.iscoroutine(source):
        source.close()
    raise StepError(
        f"{call} returned {type(source).__name__}: a handler of an SSE route is an async generator, "
        "or returns an async iterable or an async context manager of one"
    )


async def _send_all(source: Any, connection: Connection, start: Start, emit: Emit) -> None:
    """Start the response, send every item of an iterable, then close it, whichever of these failed.

    The scope surrounds the iterable's whole life. A generator may hold cancel scopes of its own around a `yield`, and
    Trio's scopes are a stack: the close runs inside those scopes, so a scope that only the close entered would have to
    be exited before them. The shield is raised for the close alone.
    """
    with trio.CancelScope() as closing:
        try:
            await start()
            if inspect.isasyncgen(source):
                await _advance(source, connection, emit)
            else:
                await _iterate(source, emit)
        finally:
            closing.shield = True
            closing.deadline = trio.current_time() + connection.cleanup_timeout
            await _close(source)  # noqa: ASYNC102 - shielded, with a time limit, by the scope around it
    if closing.cancelled_caught:
        connection.log_overstay("closing the handler", "it was cancelled")
    # A handler may have swallowed its Cancelled. Its steps must still see one, or a session would be committed.
    await trio.lowlevel.checkpoint_if_cancelled()


async def _advance(generator: AsyncGenerator[Any, Any], connection: Connection, emit: Emit) -> None:
    """Drive a generator to its end, to the item that ends the stream, or to its next `yield` after an abort.

    What `emit` raises is thrown in at the `yield`, Cancelled as well: a `yield` in a handler then behaves as an await
    does, so that its `try`, its cancel scopes and its nurseries around a `yield` work as they read. A plain `aclose`
    would raise GeneratorExit there instead, which a nursery wraps and a scope does not catch.
    """
    step: Awaitable[Any] = anext(generator)
    aborted = False
    while True:
        try:
            item = await step
        except StopAsyncIteration:
            return
        if aborted:  # the abort was thrown in, and it yielded all the same
            return
        try:
            if await emit(item):
                return
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised at the generator's yield
            aborted = connection.aborted.is_set()
            step = generator.athrow(error)
        else:
            step = anext(generator)


async def _iterate(source: Any, emit: Emit) -> None:
    async for item in source:
        if await emit(item):
            return


async def _close(source: Any) -> None:
    """Close an iterable that can be closed.

    A nursery that the generator holds around its `yield` wraps GeneratorExit in a group, which `aclose` lets through.
    """
    aclose = getattr(source, "aclose", None)
    if aclose is None:
        return
    rest: BaseException | None = None
    try:
        await aclose()
    except BaseExceptionGroup as group:
        _, rest = group.split(GeneratorExit)
    if rest is not None:
        raise rest
