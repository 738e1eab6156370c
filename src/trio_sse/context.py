"""The types of those built-in values that are functions: `def events(url: URLFor): …`.

Owns the protocols alone. A handler or a step takes such a value by its name, `url`; the annotation tells a type checker
how to call it, and is checked when the app is built. A test may pass any function of the same form.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Any, Protocol

from .statistics import Statistics

__all__ = ("CountAs", "ExpireAt", "ReadStatistics", "URLFor")


class URLFor(Protocol):
    """The built-in `url`: makes the path of a named route, as a client writes it."""

    def __call__(self, name: str, /, **values: Any) -> str:
        """The path of a route, below the path at which the app is mounted: `url("orders.events", order=order)`.

        Args:
            name: The route's name.
            **values: The path parameters.

        Raises:
            URLError: As for `App.url`.
        """
        ...


class ExpireAt(Protocol):
    """The built-in `expire_at`: says when the credentials of the request expire."""

    def __call__(self, when: datetime | float, challenge: str | None = None) -> None:
        """End the stream at a time. A plain request that has started is not cut off.

        Args:
            when: A `datetime` with a time zone, or seconds since 1970.
            challenge: The `WWW-Authenticate` of the 401 that answers a request whose credentials have expired.

        Raises:
            Unauthorized: The time is past, and the response has not started.
            ValueError: It is a `datetime` without a time zone, or not a number.
        """
        ...


class CountAs(Protocol):
    """The built-in `count_as`: says whose stream it is."""

    def __call__(self, client: Hashable, /) -> None:
        """Count the stream as one of this client, in place of its address, for `Limits(streams_per_client=…)`.

        Raises:
            TooManyRequests: The client has as many streams as it may have.
        """
        ...


class ReadStatistics(Protocol):
    """The built-in `statistics`: reads the app's statistics."""

    def __call__(self) -> Statistics:
        """What the streams of the app have done so far, as `App.statistics`."""
        ...
