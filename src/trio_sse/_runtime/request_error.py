"""Request errors: what a step or a handler has raised, as an error that ends this request and nothing else.

Owns the rule for what is not an `Exception`. It does not know how an error is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import trio

from .._ground.background import alone

__all__ = ("keep_request_error",)

PASS_ON = (trio.Cancelled, KeyboardInterrupt)
"""What belongs to the world outside of the request: a scope around it, or a person at the terminal."""


def keep_request_error(raised: BaseException, keep: Callable[[Exception], None]) -> None:
    """Keep an error that ends this request, to be raised when the response has ended; raise on what belongs outside."""
    passed_on, error = _split(raised)
    if error is not None:
        keep(error)
    if passed_on is not None:
        raise passed_on from passed_on.__cause__


def _split(raised: BaseException) -> tuple[BaseException | None, Exception | None]:
    """Tell what has to be raised on from what ends this request.

    Cancelled belongs to a scope outside, and KeyboardInterrupt to the person who pressed Ctrl-C. All else ends the
    request, also what is not an Exception: `sys.exit()` in a handler is a mistake in that handler and must not take the
    server's other clients with it, and GeneratorExit is what closing a generator that holds a nursery around its
    `yield` raises, in a group. These two are wrapped in a RuntimeError, because what catches errors catches Exception.
    """
    if isinstance(raised, Exception):
        return None, raised
    if not isinstance(raised, BaseExceptionGroup):
        return (raised, None) if isinstance(raised, PASS_ON) else (None, _wrapped(raised))
    group = cast("BaseExceptionGroup[BaseException]", raised)
    passed_on, rest = group.split(PASS_ON)
    if rest is None:
        return passed_on, None
    error = alone(rest)
    return passed_on, error if isinstance(error, Exception) else _wrapped(error)


def _wrapped(error: BaseException) -> Exception:
    wrapped = RuntimeError(f"{error!r} was raised while a request was answered; it ends that request only")
    wrapped.__cause__ = error
    return wrapped
