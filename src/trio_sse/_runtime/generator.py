"""The producer: drives what a handler gives, one item at a time, and closes it.

Owns the rules of driving: one task advances, throws into and closes a generator; what goes wrong while an item is being
sent is raised inside the generator, at its `yield`. It does not know events or HTTP: an item goes to `emit`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import trio

from .._ground.calls import Call, Kind
from ..errors import StepError
from .connection import Connection

__all__ = ("produce",)

Start = Callable[[], Awaitable[None]]
"""Sends the headers and the first frame."""
Emit = Callable[[Any], Awaitable[bool]]
"""Sends an item; True says that the stream ends here."""


async def produce(call: Call, arguments: dict[str, Any], connection: Connection, start: Start, emit: Emit) -> None:
    """Call a handler, start the response, and send all that the handler gives.

    An async generator function starts the response before its body is entered. Any other handler is called first, so
    that what it raises is still an HTTP status; what it returns belongs to the stream and is closed with it.

    Raises:
        StepError: The handler returned something that is not an async iterable, nor an async context manager of one.
    """
    source: Any = call.function(**arguments)
    if call.kind is Kind.ASYNC:
        source = await source
    if call.kind is Kind.GENERATOR or not hasattr(source, "__aenter__"):
        _check_iterable(call, source)
        await _drain(source, connection, start, emit)
        return
    async with source as iterable:
        _check_iterable(call, iterable)
        await _drain(iterable, connection, start, emit)


def _check_iterable(call: Call, source: Any) -> None:
    if not hasattr(source, "__aiter__"):
        if inspect.iscoroutine(source):
            source.close()
        raise StepError(
            f"{call} returned {type(source).__name__}: a handler of an SSE route is an async generator, "
            "or returns an async iterable or an async context manager of one"
        )


async def _drain(source: Any, connection: Connection, start: Start, emit: Emit) -> None:
    """Start the response, send every item of an iterable, then close it, whichever of these went wrong.

    The scope surrounds the iterable's whole life, since a generator may hold scopes of its own around a `yield`: it can
    only be closed from where it was advanced. The shield is raised for the close alone.
    """
    with trio.CancelScope() as closing:
        try:
            await start()
            if inspect.isasyncgen(source):
                await _advance(source, connection, emit)
            else:
                await _iterate(aiter(source), emit)
        finally:
            closing.shield = True
            closing.deadline = trio.current_time() + connection.cleanup_timeout
            await _close(source)  # noqa: ASYNC102 - shielded, with a time limit, by the scope around it
    if closing.cancelled_caught:
        connection.log_overstay("closing the handler", "it was cancelled")
    await trio.lowlevel.checkpoint_if_cancelled()  # a handler may have swallowed the Cancelled: its steps must not


async def _advance(generator: AsyncGenerator[Any, Any], connection: Connection, emit: Emit) -> None:
    """Drive a generator to its end, to the item that ends the stream, or to a `yield` after an abort was thrown in."""
    step: Awaitable[Any] = anext(generator)
    told = False
    while True:
        try:
            item = await step
        except StopAsyncIteration:
            return
        if told:  # it was told of the abort and yielded all the same: enough
            return
        try:
            if await emit(item):
                return
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised at the generator's yield
            told = connection.aborted.is_set()
            step = generator.athrow(error)
        else:
            step = anext(generator)


async def _iterate(iterator: AsyncIterator[Any], emit: Emit) -> None:
    async for item in iterator:
        if await emit(item):
            return


async def _close(source: Any) -> None:
    """Close an iterable that can be closed.

    A nursery that the generator holds around its `yield` wraps GeneratorExit in a group, which `aclose` lets through.
    """
    aclose = getattr(source, "aclose", None)
    if aclose is None:
        return
    try:
        await aclose()
    except BaseExceptionGroup as group:
        _, rest = group.split(GeneratorExit)
        if rest is not None:
            raise rest from None
