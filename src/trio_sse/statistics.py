"""Statistics: what the streams of an app have done, as values.

Owns the values that `App.statistics()` returns. It does not count: `_runtime.counters` does.
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
        events: Events that the handlers have sent; heartbeats are not counted.
        bytes: Bytes that have been sent, without headers, with heartbeats.
        ended: Streams that have ended, by reason: `finished` if the handler returned, `failed` if it raised, otherwise
            an `AbortReason`, such as `client_gone` or `too_slow`.
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
        events: Events that the handlers have sent; heartbeats are not counted.
        bytes: Bytes that have been sent, without headers, with heartbeats.
        ended: Streams that have ended, by reason; see `RouteStatistics`.
        refused: Requests that have been refused for now, by the reason: `streams`, `streams_per_second`,
        `streams_per_client`,
            `shutdown`, `connections`, or `app` for what a step of the app raised.
        routes: The same for each route, by its label, such as `SSE /orders/:order/events`.
        full: Whether as many streams are open as `Limits(streams=…)` allows.
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
        """Streams that were ended because their clients did not read."""
        return self.ended.get("too_slow", 0)

    @property
    def drained(self) -> int:
        """Streams that were ended by the server's shutdown."""
        return self.ended.get("draining", 0)
