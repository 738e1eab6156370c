"""Statistics: what an app's streams have done, counted.

Owns the counts. Events and bytes are counted by the stream itself and added up when the statistics are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
import trio

from ..statistics import RouteStatistics, Statistics
from .access_log import Stream, log_stream

__all__ = ("StreamCounters",)


@attrs.define
class _Route:
    opened: int = 0
    events: int = 0
    bytes: int = 0
    ended: Counter[str] = attrs.field(factory=Counter[str])


class StreamCounters:
    """Counts an app's streams.

    Args:
        is_full: Whether no more streams are let in.
    """

    def __init__(self, is_full: Callable[[], bool] = lambda: False) -> None:
        self._is_full = is_full
        self._open: dict[Stream, float] = {}
        self._routes: dict[str, _Route] = {}
        self._refused: Counter[str] = Counter()

    def refused(self, label: str) -> None:
        """Count a rejection; see `rejection.label_of` for the labels."""
        self._refused[label] += 1

    def opened(self, stream: Stream) -> None:
        """Note that a stream has begun."""
        self._open[stream] = trio.current_time()
        self._routes.setdefault(stream.label, _Route()).opened += 1

    def ended(self, stream: Stream, reason: str) -> None:
        """Note that it has ended, if it had begun, and log it."""
        began = self._open.pop(stream, None)
        if began is None:
            return
        route = self._routes[stream.label]
        route.events += stream.events
        route.bytes += stream.sent
        route.ended[reason] += 1
        log_stream(stream, trio.current_time() - began, reason)

    def read(self) -> Statistics:
        """Add it all up."""
        live: dict[str, list[Stream]] = {label: [] for label in self._routes}
        for stream in self._open:
            live[stream.label].append(stream)
        routes = {label: _read_route(route, live[label]) for label, route in self._routes.items()}
        ended: Counter[str] = Counter()
        for each in routes.values():
            ended.update(each.ended)
        return Statistics(
            open=len(self._open),
            opened=sum(each.opened for each in routes.values()),
            events=sum(each.events for each in routes.values()),
            bytes=sum(each.bytes for each in routes.values()),
            ended=dict(ended),
            refused=dict(self._refused),
            routes=routes,
            full=self._is_full(),
        )


def _read_route(route: _Route, live: list[Stream]) -> RouteStatistics:
    return RouteStatistics(
        open=len(live),
        opened=route.opened,
        events=route.events + sum(stream.events for stream in live),
        bytes=route.bytes + sum(stream.sent for stream in live),
        ended=dict(route.ended),
    )
