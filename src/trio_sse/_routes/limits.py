"""Limits: how much an app takes on, and from whom.

Owns the settings, and what of them can be seen in a request alone: its size, its host, its origin, its client.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, cast

import attrs

from .._http.request import Request
from ..errors import BuildError, Forbidden, HTTPError

__all__ = ("Limits",)

IPV6_PREFIX = 64
"""Bits of an IPv6 address that name a client: whoever has one address has all that share these."""


AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]*))?")
"""A host with or without a port, in lower case (RFC 9110, 7.2). Names beyond ASCII come as Punycode."""

DEFAULT_PORTS = {"http": "80", "https": "443"}

UNIX: Final = "unix:"
"""Stands among trusted proxies for whoever connects by a Unix socket, and so has no address."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _check_whole(_limits: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise BuildError(f"Limits({field.name}=…) is a whole number above 0, or None for no limit, not {value!r}")


def _check_rate(_limits: object, field: attrs.Attribute[Any], value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    if value is not None and not number:
        raise BuildError(f"Limits({field.name}=…) is a number above 0, or None for no limit, not {value!r}")


def _several(texts: object, name: str, example: str) -> tuple[str, ...]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise BuildError(f"Limits({name}=…) takes several texts, such as ({example!r},), not {texts!r}")
    several = tuple(cast("Iterable[object]", texts))
    for text in several:
        if not isinstance(text, str):
            raise BuildError(f"Limits({name}=…) takes texts, such as {example!r}, not {text!r}")
    return cast("tuple[str, ...]", several)


def _proxies(texts: Iterable[Any]) -> tuple[Network | Literal["unix:"], ...]:
    try:
        return tuple(
            UNIX if text == UNIX else ipaddress.ip_network(text)
            for text in _several(texts, "trusted_proxies", "10.0.0.0/8")
        )
    except ValueError as error:
        raise BuildError(
            f"Limits(trusted_proxies=…) takes addresses and networks, such as '10.0.0.0/8', and 'unix:': {error}"
        ) from None


def _hosts(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    hosts = None if texts is None else tuple(text.lower() for text in _several(texts, "hosts", "example.org"))
    for host in hosts or ():
        if not AUTHORITY.fullmatch(host.removeprefix("*.")):
            raise BuildError(
                f"Limits(hosts=…) takes names such as 'example.org', '*.example.org', '[::1]:80', not {host!r}"
            )
    return hosts


def _origins(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    if texts is None:
        return None
    return tuple(_origin(text.lower()) for text in _several(texts, "origins", "https://example.org"))


def _origin(text: str) -> str:
    """An origin as browsers write it: they leave the default port out."""
    scheme, separator, host = text.partition("://")
    if not scheme.isalnum() or not separator or not AUTHORITY.fullmatch(host):
        raise BuildError(f"Limits(origins=…) takes origins such as 'https://example.org', not {text!r}")
    return f"{scheme}://{_without_default_port(host, scheme)}"


def _without_default_port(host: str, scheme: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port in ("", DEFAULT_PORTS.get(scheme)) else host


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
            a 421. A name without a port stands for every port; `*.example.org` for all names below it, and not for
            `example.org` itself.
        origins: Pages of other origins whose requests are let in: `("https://app.example.org",)`. Those of the app's
            own host always are, so name `hosts` too; and so are requests without an Origin, whose answers no page of
            another origin can read. Others get a 403. None lets every page in; an empty tuple, only pages of its own.
        trusted_proxies: Addresses and networks of proxies whose X-Forwarded-For is believed; `"unix:"` for whoever
            connects by a Unix socket.

    Raises:
        BuildError: A value is not of its kind.
    """

    streams: int | None = attrs.field(default=None, validator=_check_whole)
    streams_per_client: int | None = attrs.field(default=None, validator=_check_whole)
    streams_per_second: float | None = attrs.field(default=None, validator=_check_rate)
    header_bytes: int | None = attrs.field(default=16 * 1024, validator=_check_whole)
    query_bytes: int | None = attrs.field(default=8 * 1024, validator=_check_whole)
    hosts: tuple[str, ...] | None = attrs.field(default=None, converter=_hosts)
    origins: tuple[str, ...] | None = attrs.field(default=None, converter=_origins)
    trusted_proxies: tuple[Network | Literal["unix:"], ...] = attrs.field(default=(), converter=_proxies)

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
        host = self._host_of(request)
        if self.hosts is not None and not self._answers_to(host):
            raise HTTPError("This server does not answer to that host.", status=421)
        if self.origins is not None and not self._lets_in(request, host):
            raise Forbidden("Pages of that origin may not use this server.")

    def client_of(self, request: Request) -> str:
        """The address that a request counts for: the last one that is not a trusted proxy's.

        What a proxy writes in place of an address, such as `unknown`, counts for the proxy itself.
        """
        text = "" if request.client is None else request.client[0]
        address = _address(text)
        hops = ",".join(request.headers.get_all("x-forwarded-for")).split(",") if self.trusted_proxies else []
        while hops and self._trusts(address):
            before = _address(_without_port(hops.pop().strip()))
            if before is None:
                break
            address = before
        return text if address is None else _client(address)

    def _trusts(self, hop: Address | None) -> bool:
        """Whether a hop is a trusted proxy. One without an address has connected by a Unix socket."""
        if hop is None:
            return UNIX in self.trusted_proxies
        return any(hop in network for network in self.trusted_proxies if network != UNIX)

    @staticmethod
    def _host_of(request: Request) -> str:
        """The Host header; nothing where there are several, of which others might read another one."""
        hosts = request.headers.get_all("host")
        return hosts[0].lower() if len(hosts) == 1 else ""

    def _answers_to(self, host: str) -> bool:
        parts = AUTHORITY.fullmatch(host)
        if parts is None:
            return False
        name, port = parts["name"], parts["port"]
        ports = (port,) if port else DEFAULT_PORTS.values()  # it is left out where it is the scheme's own
        spellings = (name, *(f"{name}:{port}" for port in ports))
        return any(_is(spelling, known) for spelling in spellings for known in self.hosts or ())

    def _lets_in(self, request: Request, host: str) -> bool:
        """Whether a request has no origin, an allowed one, or the app's own.

        Behind a proxy that speaks TLS the app's own scheme is http, whatever the page's is.
        """
        origin = ",".join(request.headers.get_all("origin")).lower()
        if not origin or origin in (self.origins or ()):
            return True
        scheme, _, page = origin.partition("://")
        own = ("https",) if request.scope.get("scheme") == "https" else ("http", "https")
        ours = _without_default_port(host, scheme)
        return scheme in own and bool(ours) and _without_default_port(page, scheme) == ours


def _is(host: str, known: str) -> bool:
    return host == known or (known.startswith("*.") and len(host) >= len(known) and host.endswith(known[1:]))


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address  # a socket for both families has IPv4 clients as ::ffff:192.0.2.1


def _without_port(hop: str) -> str:
    """An address as some proxies write it: `192.0.2.1:50000`, `[2001:db8::1]:50000`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _client(address: Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
