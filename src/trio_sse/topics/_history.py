"""How much a topic keeps: `History`. Pure."""

from __future__ import annotations

import math
from typing import Any

import attrs

__all__ = ("History",)


def _check_whole(_history: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"History({field.name}=…) is a whole number above 0, not {value!r}")


def _check_seconds(_history: object, _field: object, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"History(seconds=…) is a number above 0, or math.inf, not {value!r}")


@attrs.frozen
class History:
    """How much a topic keeps for subscribers that come, come back, or are slow. What exceeds one bound is dropped.

    Without a bound in seconds topics that are no longer used stay in memory.

    Attributes:
        count: The most events.
        bytes: The most bytes of events. The newest event is kept however large it is.
        seconds: The age, by Trio's clock, at which an event is dropped.
    """

    count: int = attrs.field(default=1000, validator=_check_whole)
    bytes: int = attrs.field(default=1 << 20, validator=_check_whole)
    seconds: float = attrs.field(default=3600.0, validator=_check_seconds)

    @property
    def is_endless(self) -> bool:
        """Whether age drops nothing."""
        return math.isinf(self.seconds)
