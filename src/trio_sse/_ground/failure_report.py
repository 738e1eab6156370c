"""The failure report: an error in a few lines. The message comes first, then the lines of the app that led to it.

Owns what is left out of a traceback: the frames of Trio, of the server, of this library and of what is often around it,
and the exception groups that hold a single error. It does not know where a report is shown. Nothing is escaped.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Final, cast

import attrs

__all__ = ("SWITCH", "FailureReport", "wants_full_tracebacks")

SWITCH: Final = "TRIO_SSE_TRACEBACKS"
"""The environment variable that turns reports off: `full` shows every traceback as Python prints it."""

INFRASTRUCTURE: Final = frozenset(
    {"anyio", "asyncio", "contextlib", "hypercorn", "importlib", "outcome", "runpy", "starlette", "trio", "trio_sse"}
)
"""Packages whose frames say nothing about a mistake in an app. Starlette is what apps are mounted in most often."""

INDENT: Final = "  "


def wants_full_tracebacks() -> bool:
    """Whether the user has asked for whole tracebacks."""
    return os.environ.get(SWITCH) == "full"


@attrs.frozen
class FailureReport:
    """An error in a few lines.

    Attributes:
        headline: The type and the first line of the message.
        details: The rest of the message, the notes, the frames of the app, and what caused the error.
    """

    headline: str
    details: tuple[str, ...]

    @classmethod
    def of(cls, error: BaseException) -> FailureReport:
        """Make the report of an error."""
        headline, *details = _Writer(shows_all_frames=not _is_explained(error)).lines(error)
        return cls(headline, tuple(details))

    def __str__(self) -> str:
        return "\n".join([self.headline, *(INDENT + line for line in self.details)])


class _Writer:
    """Writes an error and what belongs to it, each of them once."""

    def __init__(self, *, shows_all_frames: bool) -> None:
        self._shows_all_frames = shows_all_frames
        self._seen: set[int] = set()

    def lines(self, error: BaseException) -> Iterator[str]:
        """The lines of one error; the first is its headline."""
        path = _path(error)
        inner = path[-1]
        self._seen.update(map(id, path))
        headline, message = _message(inner)
        yield headline
        yield from message
        for each in reversed(path):
            yield from _notes(each)
        yield from self._frames(path)
        for child in _inside(inner):
            yield from self._nested("- ", child)
        for each in path:
            yield from self._before(each)

    def _frames(self, path: Iterable[BaseException]) -> Iterator[str]:
        frames = [
            frame
            for error in path
            for frame in traceback.walk_tb(error.__traceback__)
            if self._shows_all_frames or _is_of_the_app(frame[0])
        ]
        # Without columns: the marks below a line differ between versions of Python.
        for text in traceback.StackSummary.extract(iter(frames)).format():
            yield from (line.removeprefix(INDENT) for line in text.rstrip("\n").split("\n"))

    def _before(self, error: BaseException) -> Iterator[str]:
        """What caused an error, or was being handled when it was raised."""
        if error.__cause__ is not None:
            yield from self._nested("caused by ", error.__cause__)
        elif error.__context__ is not None and not error.__suppress_context__:
            yield from self._nested("while handling ", error.__context__)

    def _nested(self, prefix: str, error: BaseException) -> Iterator[str]:
        if id(error) in self._seen:
            return
        headline, *details = self.lines(error)
        yield prefix + headline
        yield from (INDENT + line for line in details)


def _path(error: BaseException) -> list[BaseException]:
    """An error, the error inside it if it is a group of one, and so on."""
    path = [error]
    while len(inner := _inside(path[-1])) == 1:
        path += inner
    return path


def _inside(error: BaseException) -> tuple[BaseException, ...]:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ()


def _message(error: BaseException) -> tuple[str, list[str]]:
    """The headline, and the other lines of the message."""
    written = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
    written.__notes__ = None
    lines = "".join(written.format_exception_only()).rstrip("\n").split("\n")
    if isinstance(error, SyntaxError):  # the place comes before the message
        return lines[-1], [line.removeprefix(INDENT) for line in lines[:-1]]
    return lines[0], lines[1:]


def _notes(error: BaseException) -> Iterator[str]:
    notes: object = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        for note in cast("list[object]", notes):
            yield from str(note).split("\n")


def _is_of_the_app(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] not in INFRASTRUCTURE


def _is_explained(error: BaseException) -> bool:
    """Whether the report needs no other frames than the app's: there are some, or the error is one of the library's.

    An error without any of these is a mistake in the library or in the server, where each frame counts.
    """
    return any(
        type(each).__module__.partition(".")[0] == "trio_sse"
        or isinstance(each, SyntaxError)
        or any(map(_is_of_the_app, _frames(each.__traceback__)))
        for each in _related(error, set())
    )


def _frames(start: TracebackType | None) -> Iterator[FrameType]:
    return (frame for frame, _ in traceback.walk_tb(start))


def _related(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """An error, with all that are in it, and all that came before it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (*_inside(error), error.__cause__, None if error.__suppress_context__ else error.__context__):
        yield from _related(other, seen)
