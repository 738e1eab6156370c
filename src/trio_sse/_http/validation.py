"""Validation errors: what a model raises for a value that it does not accept, and what the client is told.

Owns which exceptions count as the client's mistake, and the words of a 422. Pure. It does not know requests.

A message names the field and what it should be. It shows nothing of the program: no repr of a validator, no class, and
no list of a validator's options, which may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import FrameType
from typing import Final, cast

import attrs
import msgspec

__all__ = ("INVALID", "VALIDATION_ERRORS", "InvalidModel", "explain", "words_of")

VALIDATION_ERRORS: Final = (ValueError, TypeError, AssertionError, LookupError, ArithmeticError)
"""What a constructor, a converter or a validator raises for a value that it does not accept: msgspec expects the first
two, and `assert`, `CODES[value]` and `1 / value` raise the others. Any other exception is a mistake in the program, and
answered with a 500."""

MAX_LENGTH: Final = 200
"""The most characters of a message, because msgspec quotes unknown names and the values of an enum."""

AT: Final = " - at "
"""Stands between what msgspec says and the path of the value."""

LENGTH: Final = re.compile(r"Length of '.*' must be (<=|>=) (\d+): \d+")
BOUND: Final = re.compile(r"'.*?' must be (<|<=|>=|>) (.*?): .*", re.DOTALL)

INVALID: Final = "Invalid value"
NOT_ALLOWED: Final = "Expected one of the allowed values"


class InvalidModel(ValueError):
    """A model of pydantic does not accept a value. pydantic's own error is the cause.

    Attributes:
        words: What the client is told.
        path: Where the value is within the model's, as msgspec writes it.
    """

    def __init__(self, words: str, path: str) -> None:
        super().__init__(words if path == "$" else f"{words}{AT}`{path}`")
        self.words = words
        self.path = path


def explain(problem: BaseException) -> str:
    """What a client is told: ``Expected `int`, got `str` - at `$.items[0].count` ``.

    Args:
        problem: msgspec's ValidationError, or one of `VALIDATION_ERRORS` that a class raised itself.
    """
    text, at, path = str(problem).rpartition(AT)
    if not at or isinstance(problem, InvalidModel):
        text, path = path, "`$`"
    cause = problem.__cause__ if isinstance(problem, msgspec.ValidationError) else problem
    if cause is None:
        return _located(text, path)
    if isinstance(cause, InvalidModel):
        return _located(cause.words, f"`{cause.path.replace('$', path[1:-1], 1)}`")
    field = _field_of(cause)
    if field is not None and not field.startswith("_"):
        path = f"{path[:-1]}.{field}`"
    return _located(words_of(cause), path)


def _located(text: str, path: str) -> str:
    return _shortened(text) if path == "`$`" else f"{_shortened(text)}{AT}{_shortened(path)}"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…"


def words_of(error: BaseException) -> str:
    """What an exception of a class says to a client."""
    frames = list(_frames(error))
    if frames and str(frames[-1].f_globals.get("__name__", "")).startswith(("attr.", "attrs.")):
        return _words_of_attrs(error)
    # The author of a class writes the text of a ValueError for its user. Other exceptions are mostly Python's own.
    if isinstance(error, ValueError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return error.args[0]
    return INVALID


def _words_of_attrs(error: BaseException) -> str:
    """The refusal of one of attrs' validators: it has the validator, the attribute and the value in its arguments."""
    text = str(error.args[0]) if error.args else ""
    if (found := LENGTH.fullmatch(text)) is not None:
        return f"Expected length {found[1]} {found[2]}"
    if len(error.args) == 1 and (found := BOUND.fullmatch(text)) is not None:
        return f"Expected a value {found[1]} {found[2]}"
    constraint: object = error.args[2] if len(error.args) > 2 else None
    if isinstance(constraint, re.Pattern):
        return f"Expected text matching regex {cast('re.Pattern[str]', constraint).pattern!r}"
    if isinstance(error, TypeError):
        return "Expected a value of another type"
    return NOT_ALLOWED if " must be in " in text else INVALID


def _field_of(error: BaseException) -> str | None:
    """The field whose validator raised: validators are called with the attribute."""
    for frame in _frames(error):
        code = frame.f_code
        for name in code.co_varnames[: code.co_argcount]:
            argument = frame.f_locals.get(name)
            if isinstance(argument, attrs.Attribute):
                return argument.name
    return None


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
