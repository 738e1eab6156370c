"""Errors that are kept: what a request has raised ends that request, and nothing else; likewise the app's lifespan.

Owns the rule for exceptions that are not an `Exception`. It does not know how an error is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import trio

__all__ = ("FROM_OUTSIDE", "INTERRUPTS", "keep_error")

Kinds = tuple[type[BaseException], ...]

INTERRUPTS: Final[Kinds] = (KeyboardInterrupt,)
"""What a signal raises in whatever code runs: it ends the program."""

FROM_OUTSIDE: Final[Kinds] = (*INTERRUPTS, trio.Cancelled)
"""What may come from outside of the request: Cancelled belongs to a scope around it."""


def keep_error(
    raised: BaseException,
    keep: Callable[[Exception], None],
    *,
    where: str = "while a request was answered; it ends that request only",
    pass_on: Kinds = FROM_OUTSIDE,
) -> None:
    """Keep an error that ends this request, to be raised when the response has ended; raise the rest.

    All but what `pass_on` names ends the request, also what is not an Exception: `sys.exit()` in a handler is a mistake
    in that handler, and must not end the other clients' streams. It is wrapped in a RuntimeError, because servers and
    middlewares catch Exception.

    Args:
        raised: What was raised, alone or in groups.
        keep: Is passed the error of this request, if there is one.
        where: Where it was raised, for the message of that RuntimeError.
        pass_on: What is raised on, alone or in its groups.
    """
    outside, error = _split(raised, pass_on)
    if error is not None:
        keep(error if isinstance(error, Exception) else _wrapped(error, where))
    if outside is not None:
        raise outside from outside.__cause__


def _split(raised: BaseException, pass_on: Kinds) -> tuple[BaseException | None, BaseException | None]:
    """What has to be raised on, and what ends this request."""
    if not isinstance(raised, BaseExceptionGroup):
        return (raised, None) if isinstance(raised, pass_on) else (None, raised)
    group = cast("BaseExceptionGroup[BaseException]", raised)
    outside, rest = group.split(pass_on)
    return (None, group) if outside is None else (outside, rest)  # not the rest if it is all: a split makes copies


def _wrapped(error: BaseException, where: str) -> Exception:
    wrapped = RuntimeError(f"{error!r} was raised {where}")
    wrapped.__cause__ = error
    return wrapped
