"""Admission: which streams may open.

Owns the counts that limits are held against. A stream that is open is never closed to make room for another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable

import trio

from .._routes.limits import Limits
from .rejection import RateLimitReached, StreamLimitReached, StreamsPerClientReached

__all__ = ("Admission", "StreamSlot")


class Admission:
    """Counts an app's streams against its limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        self.by_client: Counter[Hashable] = Counter()
        self._allowance = math.inf  # what a second allows, but for what has been used of it
        self._allowed_at = 0.0

    @property
    def full(self) -> bool:
        """Whether as many streams are open as may be."""
        return self.limits.streams is not None and self.open >= self.limits.streams

    def enter(self) -> StreamSlot:
        """Let a stream in, before any of its steps.

        Raises:
            ServiceUnavailable: There are too many.
        """
        if self.full:
            raise StreamLimitReached
        if self.limits.streams_per_second is not None:
            self._spend(self.limits.streams_per_second)
        self.open += 1
        return StreamSlot(self)

    def _spend(self, rate: float) -> None:
        """Take one of what a second allows; what was not used is there for at most a second."""
        now = trio.current_time()
        most = max(rate, 1.0)
        self._allowance = min(most, self._allowance + (now - self._allowed_at) * rate)
        self._allowed_at = now
        if self._allowance < 1:
            raise RateLimitReached
        self._allowance -= 1


class StreamSlot:
    """One stream's place."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._client: Hashable = None
        self._claimed = False

    @property
    def claimed(self) -> bool:
        """Whether it counts for a client."""
        return self._claimed

    def claim(self, client: Hashable) -> None:
        """Count the stream for a client; the last one named is the one.

        Raises:
            TooManyRequests: The client has too many; the stream goes on counting for the client before.
        """
        by_client, most = self._admission.by_client, self._admission.limits.streams_per_client
        if self._claimed and client == self._client:
            return
        if most is not None and by_client[client] >= most:
            raise StreamsPerClientReached
        self._give_back()
        by_client[client] += 1
        self._client, self._claimed = client, True

    def leave(self) -> None:
        """Give the place back."""
        self._admission.open -= 1
        self._give_back()

    def _give_back(self) -> None:
        if self._claimed:
            by_client = self._admission.by_client
            by_client[self._client] -= 1
            if not by_client[self._client]:
                del by_client[self._client]
            self._claimed = False
