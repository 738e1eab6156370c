"""Admission: which requests are answered, and which streams may open.

Holds requests against an app's `Limits`, and owns the counts that this takes. A stream that is open is never closed to
make room for another. How a host or an origin is compared stands in `_http.hosts`, how a client's address is found in
`_http.addresses`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable

import trio

from .._ground.text import ascii_lower
from .._http.addresses import client_address
from .._http.hosts import is_allowed_origin, matches_host
from .._http.request import Request
from .._routes.limits import Limits
from ..errors import Forbidden, HTTPError
from .rejection import RateLimitReached, StreamLimitReached, StreamsPerClientReached

__all__ = ("Admission", "StreamSlot")


class Admission:
    """Holds an app's requests against its limits, and counts its streams."""

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

    def check(self, request: Request) -> None:
        """Check what a request's headers and query string show.

        Raises:
            HTTPError: The request is too large (414, 431), for another host (421), or from another origin (403).
        """
        limits, scope = self.limits, request.scope
        if limits.query_bytes is not None and len(scope.get("query_string", b"")) > limits.query_bytes:
            raise HTTPError("The query string is too long.", status=414)
        if limits.header_bytes is not None:
            size = sum([len(name) + len(value) for name, value in scope["headers"]])
            if size > limits.header_bytes:
                raise HTTPError("The request's headers are too large.", status=431)
        if limits.hosts is not None or limits.origins is not None:
            self._check_host(request)

    def client_of(self, request: Request) -> str:
        """The client's address: the last one that is not that of a trusted proxy."""
        peer = "" if request.client is None else request.client[0]
        return client_address(peer, request.headers.get_all("x-forwarded-for"), self.limits.trusted_proxies)

    def enter(self) -> StreamSlot:
        """Let a stream in, before any of its steps.

        Raises:
            ServiceUnavailable: There are too many.
        """
        limits = self.limits
        if limits.streams is not None and self.open >= limits.streams:
            raise StreamLimitReached
        if limits.streams_per_second is not None:
            self._spend(limits.streams_per_second)
        self.open += 1
        return StreamSlot(self)

    def _check_host(self, request: Request) -> None:
        """Check the Host and Origin headers."""
        host, allowed = _host_of(request), self.limits.origins
        if self.limits.hosts is not None and not matches_host(host, self.limits.hosts):
            raise HTTPError("This server does not answer to that host.", status=421)
        # Two Origin headers are joined to one text that is not an origin, so that they are refused.
        origin = ascii_lower(",".join(request.headers.get_all("origin")))
        scheme = request.scope.get("scheme", "http")
        if allowed is not None and not is_allowed_origin(origin, allowed, host=host, scheme=scheme):
            raise Forbidden("Pages of that origin may not use this server.")

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


def _host_of(request: Request) -> str:
    """The Host header; an empty text where there are several, because a proxy may have read another one than we."""
    hosts = request.headers.get_all("host")
    return ascii_lower(hosts[0]) if len(hosts) == 1 else ""
