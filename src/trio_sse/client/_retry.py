"""When to reconnect, and when to give up.

Owns the policy, and counts failures. It does not know how a connection is made, and never waits.
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
MIN_SPAN: Final = 0.1
"""The smallest upper limit of the random time, in seconds, for servers that send `retry: 0`."""

MIN_CYCLE: Final = 0.5
"""A connection that ends sooner than this, in seconds, with the reconnection time added, does not count as a success,
even if an event was received. Firefox waits at least this long between two connections."""

MAX_DOUBLINGS: Final = 64


def _to_statuses(values: Iterable[int]) -> frozenset[int]:
    return frozenset(values)


def _check_seconds(_retry: object, field: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{field.name} must be a number of seconds, 0 or more, not {value!r}")


def _check_attempts(_retry: object, _field: object, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"max_attempts must be 1 or more, or None for no limit, not {value!r}")


@attrs.frozen(kw_only=True)
class Retry:
    """When a source reconnects: an immutable value that many sources can share.

    A source waits for the reconnection time (the server's `retry:`, or else `delay`), as WHATWG HTML, 9.2.3, requires,
    plus a random time ("full jitter"), so that the clients of a restarted server do not reconnect at the same moment.
    The random time is between 0 and the reconnection time (at least 0.1 seconds) before the first attempt. That limit
    doubles with each further attempt, up to `max_delay`.

    The doubling starts over after a connection on which an event was received, and after one that lasted as long as
    `max_delay`. A connection that lasted less than half a second, including the reconnection time, does not count: a
    server that sends `retry: 0` and an event and then closes gets fewer and fewer requests.

    Attributes:
        delay: The reconnection time until the server sends one, in seconds.
        max_delay: The upper limit of the random time, in seconds.
        max_asked: The upper limit of the server's `retry:` or `Retry-After`, in seconds.
        max_attempts: The number of attempts in a row without an event after which the last one's error is raised. 1
            means never to reconnect, None (the default) never to give up.
        statuses: The statuses that count as temporary: 408, 425, 429, 500, 502, 503 and 504 by default. In a browser
            every status except 200 is final; `statuses=()` does the same. `Retry-After` is respected.
        after_end: Whether to reconnect when the server ends the stream in order, as a browser does. Otherwise the
            iteration ends: use this for a stream that answers one question.
        jitter: Returns the random time, between its two arguments. `random.Random(7).uniform` makes it repeatable.

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
        """Whether to reconnect after this error."""
        if isinstance(error, BadResponse):
            return error.status in self.statuses
        return isinstance(error, ConnectionLost)


class Backoff:
    """The state of one source: the server's reconnection time, and the number of attempts that failed in a row.

    There are two counts, because an event resets the one for `max_attempts`, but not always the one for the delay: a
    server that sends one event, closes, and asks for no delay would otherwise get 20 requests a second.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._doublings = -1
        self._brought_event = False
        self._base = retry.delay

    def asked(self, milliseconds: int) -> None:
        """Record the reconnection time that the server has sent."""
        self._base = min(milliseconds / 1000, self._retry.max_asked)

    def succeeded(self) -> None:
        """Record that an event was received."""
        self._failures = 0
        self._brought_event = True

    def lasted(self, seconds: float) -> None:
        """Record that a connection has ended after this time."""
        if seconds >= self._retry.max_delay:
            self._failures = 0
            self._doublings = -1
        elif self._brought_event and seconds + self._base >= MIN_CYCLE:
            self._doublings = -1
        self._brought_event = False

    def wait_after(self, error: ConnectionFailed) -> float | None:
        """Count a failure. Returns the seconds to wait before the next attempt; None if there will not be one."""
        self._failures += 1
        self._doublings = min(self._doublings + 1, MAX_DOUBLINGS)
        if not self._retry.allows(error):
            return None
        if self._failures == self._retry.max_attempts:
            error.add_note(f"gave up after {self._failures} attempts without an event (Retry.max_attempts)")
            return None
        asked = retry_after(error.headers) if isinstance(error, BadResponse) else 0.0
        return max(self._base, min(asked, self._retry.max_asked)) + self._retry.jitter(0, self._span())

    def _span(self) -> float:
        """The upper limit of the random time."""
        return min(max(self._base, MIN_SPAN) * 2.0**self._doublings, self._retry.max_delay)


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that a response's `Retry-After` asks for (RFC 9110, 10.2.3); 0 if it asks for none.

    A date is compared with the response's own `Date`, so that the two clocks need not agree.
    """
    value = headers.get("retry-after", "").strip(" \t")
    if not value.isascii():  # Python's parsers accept the digits of every script
        return 0.0
    if value.isdigit():
        return float(value[:10])
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # not a date; one of the two has no time zone; out of range
        return 0.0
