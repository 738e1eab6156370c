"""Requests that hypercorn serves, because they switch to a protocol that it speaks: WebSocket, and HTTP/2 without TLS.

An upgrade to h2c is a way around the rules of a proxy in front, which may pass its headers on without knowing what they
mean. So it is accepted only where the configuration asks for it, and only if all that RFC 7540, 3.2 demands is there. A
wrong upgrade is none: the request is answered over HTTP/1.1 (RFC 9110, 7.8). Pure.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from typing import Final

from .head import RequestHead

__all__ = ("PREFACE", "has_settings", "switches")

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
"""How a connection of HTTP/2 begins (RFC 9113, 3.4), as far as it looks like the head of a request."""

_BASE64URL: Final = re.compile(rb"[A-Za-z0-9_-]*")


def switches(request: RequestHead, *, h2c: bool) -> bool:
    """Whether a request switches to another protocol; `h2c` says whether HTTP/2 without TLS is offered."""
    if request.length != 0:
        return False
    if request.upgrade == b"websocket":
        return request.method == "GET"
    return request.upgrade == b"h2c" and h2c and has_settings(request)


def has_settings(request: RequestHead) -> bool:
    """Whether the HTTP2-Settings of a request are the payload of a SETTINGS frame (RFC 7540, 3.2.1)."""
    settings = request.settings
    if settings is None or not _BASE64URL.fullmatch(settings):
        return False
    try:
        return len(urlsafe_b64decode(settings + b"=" * (-len(settings) % 4))) % 6 == 0
    except binascii.Error:  # a length that no base64 has
        return False
