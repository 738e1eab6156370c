"""Limits: how much an app takes on, and from whom.

Owns the settings, and what of them can be seen in a request alone: its size, its host, its origin, its client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import attrs

from ._errors import BuildError, Forbidden, HTTPError
from ._http import Request

__all__ = ("Limits",)

IPV6_PREFIX = 64
"""Bits of an IPv6 address that name a client: whoever has one address has all that share these."""


def _check_count(_limits: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and (isinstance(value, bool) or not value > 0):
        raise BuildError(f"Limits({field.name}=…) is a number above 0, or None for no limit, not {value!r}")


def _networks(texts: Iterable[Any]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in _several(texts, "trusted_proxies"))
    except ValueError as error:
        raise BuildError(
            f"Limits(trusted_proxies=…) takes addresses and networks, such as '10.0.0.0/8': {error}"
        ) from None


def _several(texts: Iterable[str], name: str) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise BuildError(f"Limits({name}=…) takes several texts; write ({texts!r},) for one")
    return tuple(texts)


def _hosts(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    hosts = None if texts is None else tuple(text.lower() for text in _several(texts, "hosts"))
    for host in hosts or ():
        if not host or "/" in host or "*" in host.removeprefix("*."):
            raise BuildError(
                f"Limits(hosts=…) takes names such as 'example.org', '*.example.org', '[::1]:80', not {host!r}"
            )
    return hosts


def _origins(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    origins = None if texts is None else tuple(text.lower() for text in _several(texts, "origins"))
    for origin in origins or ():
        parts = urlsplit(origin)
        if not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise BuildError(f"Limits(origins=…) takes origins such as 'https://example.org', not {origin!r}")
    return origins


@attrs.frozen(kw_only=True)
class Limits:
    """What an app takes on. Whatever is None has no limit.

    A stream beyond a limit is refused before its handler runs, and none that is open is ever closed for it. A browser's
    EventSource is then told to come back after a while, anybody else gets a 503 or a 429 with Retry-After.

    Args:
        streams: Streams that may be open at a time.
        streams_per_client: Streams that one client may have open at a time. A client is an address, unless a step says
            who it is: `def by_user(user, count_as): count_as(user.id)`. IPv6 addresses count by their first 64 bits.
        streams_per_second: Streams that may be opened each second, as many as that at once.
        header_bytes: The most bytes of a request's headers together; more is a 431.
        query_bytes: The most bytes of a query string; more is a 414.
        hosts: The names that the app answers to, as in the Host header: `("example.org", "*.example.org")`. Others get
            a 421. A name without a port stands for every port.
        origins: Pages of other origins whose requests are let in: `("https://app.example.org",)`. Those of the app's
            own host always are, and requests without an Origin, which no page of another origin can send with scripts.
            Others get a 403. None lets every page in; an empty tuple, only pages of its own.
        trusted_proxies: Addresses and networks of proxies whose X-Forwarded-For is believed.

    Raises:
        BuildError: A value is not of its kind.
    """

    streams: int | None = attrs.field(default=None, validator=_check_count)
    streams_per_client: int | None = attrs.field(default=None, validator=_check_count)
    streams_per_second: float | None = attrs.field(default=None, validator=_check_count)
    header_bytes: int | None = attrs.field(default=16 * 1024, validator=_check_count)
    query_bytes: int | None = attrs.field(default=8 * 1024, validator=_check_count)
    hosts: tuple[str, ...] | None = attrs.field(default=None, converter=_hosts)
    origins: tuple[str, ...] | None = attrs.field(default=None, converter=_origins)
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = attrs.field(
        default=(), converter=_networks
    )

    def check(self, request: Request) -> None:
        """Hold a request against what can be seen in it alone.

        Raises:
            HTTPError: It is too large (414, 431), for another host (421), or from another origin (403).
        """
        scope = request.scope
        if self.query_bytes is not None and len(scope.get("query_string", b"")) > self.query_bytes:
            raise HTTPError("The query string is too long.", status=414)
        if self.header_bytes is not None:
            size = sum(len(name) + len(value) for name, value in scope["headers"])
            if size > self.header_bytes:
                raise HTTPError("The request's headers are too large.", status=431)
        if self.hosts is not None and not self._answers_to(request.headers.get("host", "").lower()):
            raise HTTPError("This server does not answer to that host.", status=421)
        if self.origins is not None:
            self._check_origin(request)

    def client_of(self, request: Request) -> str:
        """The address that a request counts for: the last one that is not a trusted proxy's."""
        address = "" if request.client is None else request.client[0]
        hops = ",".join(request.headers.all("x-forwarded-for")).split(",") if self.trusted_proxies else []
        while hops and self._is_trusted(address):
            address = hops.pop().strip()
        return _prefix(address)

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin", "").lower()
        if not origin or origin in (self.origins or ()):
            return
        host = request.headers.get("host", "").lower()
        if urlsplit(origin).netloc != host or not host:
            raise Forbidden("Pages of that origin may not use this server.")

    def _answers_to(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return any(self._is(host, known) or self._is(name, known) for known in self.hosts or ())

    @staticmethod
    def _is(host: str, known: str) -> bool:
        return host == known or (known.startswith("*.") and host.endswith(known[1:]))

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted_proxies)


def _prefix(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
