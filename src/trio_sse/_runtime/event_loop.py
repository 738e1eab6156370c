"""The event loop: what is said to a server that does not run Trio, and to a handler that calls asyncio.

Owns these two texts, and how each mistake is recognized. Nothing here runs while a request succeeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import trio

from ..asgi import Send

__all__ = ("WrongEventLoop", "explain_asyncio", "refuse_to_start", "require_trio")

WRONG_LOOP: Final = (
    "this app needs Trio, but the server runs asyncio: start it with `trio-sse run module:app`, or with "
    "`hypercorn -k trio module:app`; uvicorn has no Trio"
)

ASYNCIO_NOTE: Final = (
    "Handlers run on Trio, where asyncio does not work: use trio.sleep, trio.open_nursery, trio.Event and so on, and "
    "libraries that support Trio."
)

ASYNCIO_ERRORS: Final = ("no running event loop", "no current event loop", "received unrecognized yield message")
"""What asyncio says when it is called outside of its own event loop, and what Trio says of asyncio's futures."""


class WrongEventLoop(RuntimeError):
    """The server does not run Trio."""

    def __init__(self) -> None:
        super().__init__(WRONG_LOOP)


def require_trio() -> None:
    """Check that this is a task of Trio.

    Raises:
        WrongEventLoop: It is not.
    """
    if not trio.lowlevel.in_trio_task():
        raise WrongEventLoop from None  # what has been raised before follows from it


async def refuse_to_start(send: Send) -> None:
    """Tell a server that does not run Trio that the app cannot start.

    uvicorn shows the message and exits. hypercorn raises an error here and would show it with thirty lines of its own
    code; `SystemExit` ends its worker process with the message alone.
    """
    try:
        await send({"type": "lifespan.startup.failed", "message": WRONG_LOOP})
    except Exception:  # noqa: BLE001 - the server's own; what it is about is in the message
        import asyncio  # noqa: PLC0415 - only here it is certain to be loaded

        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(_retrieve)
        raise SystemExit(WRONG_LOOP) from None


def _retrieve(task: Any) -> None:
    """Retrieve the exception of a task. asyncio logs one that is not retrieved, with its traceback."""
    if not task.cancelled():
        task.exception()


def explain_asyncio(error: BaseException) -> None:
    """Add a note to an error of asyncio, which fails outside of its own event loop."""
    for each in _leaves(error):
        if isinstance(each, RuntimeError | TypeError) and any(text in str(each) for text in ASYNCIO_ERRORS):
            each.add_note(ASYNCIO_NOTE)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error
