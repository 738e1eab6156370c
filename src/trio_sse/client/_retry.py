"""When to connect again, and when to give up.

Owns the policy and its count of failures. Must not know how one connects, and never waits itself.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from ._errors import BadResponse, ConnectionFailed, ConnectionLost

__all__ = ("Backoff", "Retry")

TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
LEAST_STEP = 0.1
MOST_DOUBLINGS = 64


def _to_statuses(values: Iterable[int]) -> frozenset[int]:
    return frozenset(values)


def _check_seconds(_retry: object, field: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{field.name} is a number of seconds, 0 or more, not {value!r}")


def _check_attempts(_retry: object, _field: object, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"max_attempts is 1 or more, or None for no limit, not {value!r}")


@attrs.frozen(kw_only=True)
class Retry:
    """When a source connects again: a value that many sources can share.

    The wait is the reconnection time (`retry:` of the server, else `delay`), as WHATWG HTML, 9.2.3, demands, and on top
    of it a random part ("full jitter"), so that the clients of a server that has restarted do not all return at once.
    The random part is chosen between 0 and the reconnection time for the first attempt; that limit doubles with each
    further attempt, up to `max_delay`. An event begins the count anew, as does a connection that has stood as long as
    `max_delay`.

    Attributes:
        delay: The reconnection time until the server names one, in seconds.
        max_delay: How far the random part grows, in seconds.
        max_asked: The most that is granted to a server's `retry:` or `Retry-After`, in seconds.
        max_attempts: After how many attempts in a row that brought no event the last one's error is raised; 1 never
            reconnects, None (the default) never gives up.
        statuses: The statuses that count as temporary: 408, 425, 429, 500, 502, 503 and 504 unless set. For a browser
            every status but 200 is final; `statuses=()` does the same. `Retry-After` is heeded.
        after_end: Whether an orderly end of the stream is a reason to connect again, as it is for a browser. If not,
            iteration ends there: right for a stream that answers one question.
        jitter: Chooses the random part between two numbers. `random.Random(7).uniform` makes it repeatable.

    Raises:
        ValueError: A number is out of range.
    """

    delay: float = attrs.field(default=3.0, validator=_check_seconds)
    max_delay: float = attrs.field(default=60.0, validator=_check_seconds)
    max_asked: float = attrs.field(default=300.0, validator=_check_seconds)
    max_attempts: int | None = attrs.field(default=None, validator=_check_attempts)
    statuses: frozenset[int] = attrs.field(default=TEMPORARY, converter=_to_statuses)
    after_end: bool = True
    jitter: Callable[[float, float], float] = attrs.field(default=random.uniform, repr=False)

    def allows(self, error: ConnectionFailed) -> bool:
        """Whether to connect again after this."""
        if isinstance(error, BadResponse):
            return error.status in self.statuses
        return isinstance(error, ConnectionLost)


class Backoff:
    """The state of one source: what the server asked for, and how many attempts have failed in a row."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._base = retry.delay

    def asked(self, milliseconds: int) -> None:
        """The server has named a reconnection time."""
        self._base = min(milliseconds / 1000, self._retry.max_asked)

    def succeeded(self) -> None:
        """An event has come: count anew."""
        self._failures = 0

    def stood(self, seconds: float) -> None:
        """A connection has ended after so long."""
        if seconds >= self._retry.max_delay:
            self._failures = 0

    def wait_after(self, error: ConnectionFailed) -> float | None:
        """Count a failure. How many seconds to wait before the next attempt; None if there is to be none."""
        self._failures += 1
        if not self._retry.allows(error):
            return None
        if self._failures == self._retry.max_attempts:
            error.add_note(f"gave up after {self._failures} attempts without an event (Retry.max_attempts)")
            return None
        asked = retry_after(error.headers) if isinstance(error, BadResponse) else 0.0
        return max(self._base, min(asked, self._retry.max_asked)) + self._retry.jitter(0, self._span())

    def _span(self) -> float:
        """How large the random part may be. A server that asks for no wait at all is not hammered either."""
        doublings = min(self._failures - 1, MOST_DOUBLINGS)
        return min(max(self._base, LEAST_STEP) * 2.0**doublings, self._retry.max_delay)


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that a response's `Retry-After` asks for (RFC 9110, 10.2.3); 0 if it asks for none.

    A date is held against the server's own, so that it does not matter whether the clocks agree.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # no date; or one with a time zone and one without
        return 0.0
