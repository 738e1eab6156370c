"""Built-in names: the values of every request, which steps and handlers take by the name of a parameter.

Owns what is known of such a name before a request runs. The table is `_runtime.built_in_names`, together with the
functions that get the values: `_plan` must not import Trio, and some of the values are of Trio's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

from .._ground.signatures import fits
from ..context import CountAs, ExpireAt, ReadStatistics, URLFor

__all__ = ("BuiltInName", "BuiltInNames", "can_be")

FUNCTIONS: Final[tuple[Any, ...]] = (CountAs, ExpireAt, ReadStatistics, URLFor)
"""The types of built-in values that are functions, which `fits` cannot tell from each other."""


@attrs.frozen
class BuiltInName:
    """One built-in name.

    Attributes:
        name: The name of a parameter that takes it.
        description: What the value is, for messages and the documentation.
        type: The type of the value, with which annotations are compared.
        scope: Which providers of services may take it: `"app"` all of them, `"request"` those of a request, None none.
            Steps and handlers may take every built-in name.
    """

    name: str
    description: str
    type: Any
    scope: Literal["app", "request"] | None


BuiltInNames: TypeAlias = Mapping[str, BuiltInName]
"""All of them, by name."""


def can_be(known: Any, wanted: Any) -> bool:
    """Whether a value of the type `known`, such as that of a built-in name, may be annotated as `wanted`."""
    another = known in FUNCTIONS and wanted in FUNCTIONS and wanted is not known
    return fits(known, wanted) and not another
