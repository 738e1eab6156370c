"""Type variables with defaults (PEP 696), which `typing` has from Python 3.13 on.

Owns `TypeVar` and `ParamSpec` as `typing_extensions` has them. Type checkers know that package without an installation;
at run time a default has no use, and is dropped.
"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

__all__ = ("ParamSpec", "TypeVar")

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar
else:

    def TypeVar(name: str, *, default: Any, **options: Any) -> Any:  # noqa: N802 - as in typing
        """A type variable."""
        return typing.TypeVar(name, **options)

    def ParamSpec(name: str, *, default: Any) -> Any:  # noqa: N802 - as in typing
        """A parameter specification."""
        return typing.ParamSpec(name)
