"""Built-in names: what a request offers its steps and handlers beside what the route itself provides.

Owns what is known of such a name before a request runs. The table of them all stands in `_runtime.built_in_names`, with
the function that gets each value: this room must not know Trio, whose types some of them have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

__all__ = ("BuiltInName", "BuiltInNames")


@attrs.frozen
class BuiltInName:
    """One built-in name.

    Attributes:
        name: The name of a parameter that takes it.
        description: What it is, as messages and the documentation say it.
        type: Its type, to compare annotations with.
        scope: Which providers of services may take it: `"app"` all of them, `"request"` those of a request, None none
            of them. Steps and handlers may take every built-in name.
    """

    name: str
    description: str
    type: Any
    scope: Literal["app", "request"] | None


BuiltInNames: TypeAlias = Mapping[str, BuiltInName]
"""All of them, by name."""
