"""Addresses: which client a request counts for, behind any number of trusted proxies.

Owns the reading of X-Forwarded-For and the grouping of IPv6 addresses. Pure: it reads text and does not know requests
or settings.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final, Literal

from .._ground.text import strip_blanks

__all__ = ("UNIX", "TrustedProxy", "client_address")

UNIX: Final = "unix:"
"""Stands among the trusted proxies for a peer that connects by a Unix socket, and so has no address."""

IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that identify a client: a network of this size is given to one site (RFC 6177), and anyone
in it can use all of its addresses."""


TrustedProxy = ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix:"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(peer: str, forwarded: Iterable[str], trusted: Collection[TrustedProxy]) -> str:
    """The address of a client: the last hop that is not a trusted proxy. IPv6 addresses count by their network.

    Each proxy appends the address of its own peer to X-Forwarded-For, so the header is read from its end, and only for
    as long as the hop that wrote an entry is trusted: what stands before that was written by the client. What a proxy
    writes in place of an address, such as `unknown`, counts for the proxy itself.

    Args:
        peer: The address of the connection's other end; another text is returned unchanged.
        forwarded: The values of X-Forwarded-For, in order.
        trusted: The proxies that are believed.
    """
    address = _parse(peer)
    hops = ",".join(forwarded).split(",") if trusted else []
    while hops and _is_trusted(address, trusted):
        before = _parse(_without_port(strip_blanks(hops.pop())))
        if before is None:
            break
        address = before
    return peer if address is None else _group(address)


def _is_trusted(hop: _Address | None, trusted: Collection[TrustedProxy]) -> bool:
    if hop is None:
        return UNIX in trusted
    return any(hop in network for network in trusted if network != UNIX)


def _parse(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address  # a socket for both families shows IPv4 clients as ::ffff:192.0.2.1


def _without_port(hop: str) -> str:
    """An address as some proxies write it: `192.0.2.1:50000`, `[2001:db8::1]:50000`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _group(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
