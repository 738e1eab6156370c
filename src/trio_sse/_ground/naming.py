"""Names: how messages name functions and types, and the known name that a misspelled one is close to.

Owns the wording of names. It reads no signatures, and checks nothing.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import types
from collections.abc import Iterable
from typing import Annotated, Any, NewType, get_args, get_origin

__all__ = ("describe", "name_of", "nearest", "type_name")


def describe(function: object) -> str:
    """How messages name a function: `authenticate()`, or `lambda (shop.py:12)`."""
    if isinstance(function, functools.partial):
        return describe(function.func)
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    code = getattr(function, "__code__", None)
    if name.endswith("<lambda>") and code is not None:
        return f"lambda ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"
    return f"{name}()".replace("<locals>.", "")


def name_of(function: object) -> str:
    """How the repr of a route names a function: `authenticate`."""
    function = function.func if isinstance(function, functools.partial) else function
    return str(getattr(function, "__name__", None) or repr(function))


def type_name(annotation: Any) -> str:
    """How messages name a type: `Order`, `list[int]`, `Reference[Order]`."""
    origin: Any = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        return f"Annotated[{', '.join((type_name(arguments[0]), *map(repr, arguments[1:])))}]"
    if origin is types.UnionType:
        return " | ".join(map(_argument_name, arguments))
    if arguments and inspect.isclass(origin):
        return f"{getattr(annotation, '_name', None) or type_name(origin)}[{', '.join(map(_argument_name, arguments))}]"
    name = annotation.__qualname__ if _has_name(annotation) and origin is None else str(annotation)
    return name.replace("<locals>.", "").replace("typing.", "")


def _argument_name(argument: Any) -> str:
    if argument is type(None):
        return "None"
    return "..." if argument is ... else type_name(argument)


def nearest(word: str, words: Iterable[str]) -> str:
    """` Did you mean 'user'?` if a word is close to one of `words`, otherwise an empty text."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.75)
    return f" Did you mean {close[0]!r}?" if close else ""


def _has_name(annotation: Any) -> bool:
    return inspect.isclass(annotation) or isinstance(annotation, NewType)
