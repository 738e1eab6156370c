"""Hosts and origins: whether a Host or an Origin header is on a list.

Owns the form of both headers and their comparison. Pure: it reads text and does not know requests or settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .._ground.text import ascii_lower

__all__ = ("is_allowed_origin", "is_host", "matches_host", "normalize_origin")

AUTHORITY: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]*))?")
"""A host with or without a port, in lower case (RFC 9110, 7.2). Names beyond ASCII come as Punycode."""

SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
"""The scheme of an origin, in lower case (RFC 3986, 3.1): also `chrome-extension`."""

DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def is_host(text: str) -> bool:
    """Whether a text in lower case is a host, with or without a port; a `*.` before it stands for its subdomains."""
    return AUTHORITY.fullmatch(text.removeprefix("*.")) is not None


def normalize_origin(text: str) -> str | None:
    """An origin as browsers send it: lower case, without the default port. None for what is not an origin."""
    scheme, separator, host = ascii_lower(text).partition("://")
    if not separator or not SCHEME.fullmatch(scheme) or not AUTHORITY.fullmatch(host):
        return None
    return f"{scheme}://{_without_default_port(host, scheme)}"


def matches_host(host: str, known: Iterable[str]) -> bool:
    """Whether a Host header names one of the known hosts.

    Args:
        host: The header's value, in lower case.
        known: Hosts for which `is_host` is true. One without a port stands for every port.
    """
    parts = AUTHORITY.fullmatch(host)
    if parts is None:
        return False
    name, port = parts["name"], parts["port"]
    # The Host header leaves out the default port of the scheme, and behind a proxy the scheme is not known here.
    ports = (port,) if port else DEFAULT_PORTS.values()
    spellings = (name, *(f"{name}:{port}" for port in ports))
    return any(_matches(spelling, pattern) for spelling in spellings for pattern in known)


def is_allowed_origin(origin: str, allowed: Iterable[str], *, host: str, scheme: str) -> bool:
    """Whether an Origin header is empty, on the list, or the origin of the app itself.

    Args:
        origin: The header's value, in lower case.
        allowed: Origins as `normalize_origin` returns them.
        host: The Host header, in lower case.
        scheme: The scheme by which the app is reached, as the server sees it.
    """
    if not origin or origin in allowed:
        return True
    page_scheme, _, page_host = origin.partition("://")
    # A proxy that terminates TLS speaks http to the app, whatever the page's scheme is; the reverse does not happen.
    possible = ("https",) if scheme == "https" else ("http", "https")
    own = _without_default_port(host, page_scheme)
    return page_scheme in possible and own != "" and _without_default_port(page_host, page_scheme) == own


def _matches(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith("*.") and len(host) >= len(pattern) and host.endswith(pattern[1:]))


def _without_default_port(host: str, scheme: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port in ("", DEFAULT_PORTS.get(scheme)) else host
