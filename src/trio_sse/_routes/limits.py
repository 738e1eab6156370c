"""Limits: how much an app accepts, and from which hosts, origins and proxies.

Owns the settings and the checks of their values. Requests are held against them in `_runtime.admission`.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable
from typing import Any, Literal, cast

import attrs

from .._ground.text import ascii_lower
from .._http.addresses import UNIX, TrustedProxy
from .._http.hosts import is_host, normalize_origin
from ..errors import BuildError

__all__ = ("Limits",)


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


def _to_proxies(texts: Iterable[Any]) -> tuple[TrustedProxy, ...]:
    try:
        return tuple(
            UNIX if text == UNIX else ipaddress.ip_network(text)
            for text in _several(texts, "trusted_proxies", "10.0.0.0/8")
        )
    except ValueError as error:
        raise BuildError(
            f"Limits(trusted_proxies=…) takes addresses and networks, such as '10.0.0.0/8', and 'unix:': {error}"
        ) from None


def _to_hosts(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    hosts = None if texts is None else tuple(ascii_lower(text) for text in _several(texts, "hosts", "example.org"))
    for host in hosts or ():
        if not is_host(host):
            raise BuildError(
                f"Limits(hosts=…) takes names such as 'example.org', '*.example.org', '[::1]:80', not {host!r}"
            )
    return hosts


def _to_origins(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    if texts is None:
        return None
    return tuple(_to_origin(text) for text in _several(texts, "origins", "https://example.org"))


def _to_origin(text: str) -> str:
    origin = normalize_origin(text)
    if origin is None:
        raise BuildError(f"Limits(origins=…) takes origins such as 'https://example.org', not {ascii_lower(text)!r}")
    return origin


@attrs.frozen(kw_only=True)
class Limits:
    """How much an app accepts, and from which clients. None stands for no limit.

    A stream beyond a limit is refused before its handler runs; a stream that is open is never closed for a limit. A
    browser's EventSource is told to reconnect after a while, other clients get a 503 or a 429 with Retry-After.

    Args:
        streams: Streams that may be open at a time.
        streams_per_client: Streams that one client may have open at a time. A client is an address, unless a step
            names the client: `def by_user(user, count_as): count_as(user.id)`. IPv6 addresses count by their first 64
            bits.
        streams_per_second: Streams that may be opened each second; as many may be opened at once.
        header_bytes: The most bytes of a request's headers together; more is a 431.
        query_bytes: The most bytes of a query string; more is a 414.
        hosts: The names that the app answers to, as in the Host header: `("example.org", "*.example.org")`. Others get
            a 421. A name without a port stands for every port; `*.example.org` for all names below it, and not for
            `example.org` itself.
        origins: Other origins whose pages may send requests: `("https://app.example.org",)`. Pages of the app's own
            host always may, so set `hosts` too; and so may requests without an Origin header, whose responses no page
            of another origin can read. Others get a 403. None allows every page; an empty tuple, only the app's own.
        trusted_proxies: Addresses and networks of proxies whose X-Forwarded-For is believed; `"unix:"` for a peer that
            connects by a Unix socket.

    Raises:
        BuildError: A value is not of its kind.
    """

    streams: int | None = attrs.field(default=None, validator=_check_whole)
    streams_per_client: int | None = attrs.field(default=None, validator=_check_whole)
    streams_per_second: float | None = attrs.field(default=None, validator=_check_rate)
    header_bytes: int | None = attrs.field(default=16 * 1024, validator=_check_whole)
    query_bytes: int | None = attrs.field(default=8 * 1024, validator=_check_whole)
    hosts: tuple[str, ...] | None = attrs.field(default=None, converter=_to_hosts)
    origins: tuple[str, ...] | None = attrs.field(default=None, converter=_to_origins)
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix:"], ...] = attrs.field(
        default=(), converter=_to_proxies
    )
