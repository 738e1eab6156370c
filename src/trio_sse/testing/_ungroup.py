"""Errors of a test without the exception groups of the testing kit's own nurseries.

Owns the rule of when a group is taken off, and the mark by which the pytest plugin recognizes an error that has passed
through the testing kit.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Final, cast

__all__ = ("Ungrouped", "innermost", "passed_the_kit", "raise_alone", "ungroup")

MARK: Final = "__trio_sse_testing__"


class Ungrouped:
    """Raises the error of its block without the groups that hold a single error. Several errors stay in a group."""

    async def __aenter__(self) -> None:
        """Nothing has to be entered."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        __tracebackhide__ = True
        if error is not None:
            alone = ungroup(error)
            for each in _leaves(alone):
                vars(each)[MARK] = True
            if alone is not error:
                raise_alone(alone)
        return False


def ungroup(error: BaseException) -> BaseException:
    """An error without the groups that hold a single error, at any depth."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    inner = [ungroup(each) for each in group.exceptions]
    if len(inner) == 1:
        return inner[0]
    if all(new is old for new, old in zip(inner, group.exceptions, strict=True)):
        return group
    derived = group.derive(inner).with_traceback(group.__traceback__)
    derived.__cause__, derived.__context__ = group.__cause__, group.__context__
    derived.__suppress_context__ = group.__suppress_context__
    return derived


def innermost(error: BaseException) -> BaseException:
    """The error inside of groups that hold a single one."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        if len(group.exceptions) != 1:
            return group
        error = group.exceptions[0]
    return error


def passed_the_kit(error: BaseException) -> bool:
    """Whether an error has been raised through a client or a stream of the testing kit.

    Groups are not marked, because Trio copies them.
    """
    return any(MARK in vars(each) for each in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error


def raise_alone(error: BaseException) -> None:
    """Raise an error of a group that is being handled, without making that group its context."""
    __tracebackhide__ = True
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # they would be a cycle with this frame
