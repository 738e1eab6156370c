"""Statistics: what the streams of an app have done, as values.

Owns the values that `App.statistics()` returns. How they are counted is none of its business.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ("RouteStatistics", "Statistics")


@attrs.frozen
class RouteStatistics:
    """What the streams of one route have done since the app started.

    Attributes:
        open: Streams that are open.
        opened: Streams that have been opened.
        events: Events that have been sent.
        bytes: Bytes that have been sent, headers not counted.
        ended: How many have ended, by what has ended them: `finished` for a handler that ended by itself, `failed` for
            one that raised, else an `AbortReason`, such as `client_gone` or `too_slow`.
    """

    open: int
    opened: int
    events: int
    bytes: int
    ended: Mapping[str, int]


@attrs.frozen
class Statistics:
    """What an app's streams have done since it started, in this process.

    Attributes:
        open: Streams that are open.
        opened: Streams that have been opened.
        events: Events that have been sent.
        bytes: Bytes that have been sent, headers not counted.
        ended: How many have ended, by what has ended them; see `RouteStatistics`.
        refused: How many requests have been turned away, by the detail that they were told; `other` once there are
            more than a hundred different ones.
        routes: The same for each route, by its label, such as `SSE /orders/:order/events`.
        full: Whether as many streams are open as `Limits(streams=…)` lets in.
    """

    open: int
    opened: int
    events: int
    bytes: int
    ended: Mapping[str, int]
    refused: Mapping[str, int]
    routes: Mapping[str, RouteStatistics]
    full: bool

    @property
    def slow(self) -> int:
        """Streams that have been ended because their clients did not read."""
        return self.ended.get("too_slow", 0)

    @property
    def drained(self) -> int:
        """Streams that the server's shutdown has ended."""
        return self.ended.get("draining", 0)
