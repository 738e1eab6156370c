"""Credentials: how a request carries them, and how a 401 asks for them.

Owns the reading of the Authorization header, of keys in other headers and of cookies, and the challenges of RFC 9110.
Pure: no I/O, no Trio. It checks the form of credentials, not whether they are valid.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from .._ground.text import CONTROL, ascii_lower, strip_blanks
from ..errors import BuildError
from .headers import TOKEN
from .request import Request

__all__ = ("UNREADABLE", "Scheme", "basic_scheme", "bearer_scheme", "cookie_scheme", "header_scheme")

UNREADABLE: Final = ()
"""Stands for credentials that were sent, but are malformed, so that the verifier is not called."""

B64TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")


@attrs.frozen
class Scheme:
    """One way to send credentials.

    Attributes:
        credentials: The names of what a verifier is called with, for messages.
        read: Reads the credentials of a request: None if there are none, `UNREADABLE` if they are malformed.
        challenge: Asks for them in a 401 (RFC 9110, 11.6.1).
        code: The error code for credentials that were sent and are refused, if the scheme defines one.
    """

    credentials: tuple[str, ...]
    read: Callable[[Request], tuple[str, ...] | None]
    challenge: str
    code: str | None = None

    @property
    def refusal(self) -> str:
        """The challenge for credentials that were sent and are refused."""
        return self.challenge if self.code is None else f'{self.challenge}, error="{self.code}"'


def bearer_scheme(realm: str) -> Scheme:
    """A bearer token. A 401 has an error code only if a token was sent (RFC 6750, 3.1)."""
    return Scheme(("token",), _read_bearer, _challenge("Bearer", ("realm", realm)), "invalid_token")


def basic_scheme(realm: str) -> Scheme:
    """A user name and a password. The challenge asks for UTF-8 (RFC 7617, 2.1)."""
    challenge = _challenge("Basic", ("realm", realm), ("charset", "UTF-8"))
    return Scheme(("username", "password"), _read_basic, challenge)


def header_scheme(header: str, realm: str) -> Scheme:
    """A key in a header other than Authorization."""
    _check(header, TOKEN, "header", "the name of a header")
    name = ascii_lower(header)
    return Scheme(("key",), partial(_read_header, name), _challenge("ApiKey", ("realm", realm), ("header", name)))


def cookie_scheme(name: str, realm: str) -> Scheme:
    """The value of a cookie."""
    _check(name, TOKEN, "name", "the name of a cookie")
    challenge = _challenge("Cookie", ("realm", realm), ("cookie-name", name))
    return Scheme(("value",), partial(_read_cookie, name), challenge)


# -- challenges


def _challenge(scheme: str, realm: tuple[str, str], *others: tuple[str, str]) -> str:
    """A challenge (RFC 9110, 11.3) whose parameters are all quoted strings (5.6.4).

    Raises:
        BuildError: The realm cannot be sent.
    """
    _check(realm[1], PRINTABLE, "realm", "printable ASCII")
    return f"{scheme} " + ", ".join(f"{name}={_quoted(value)}" for name, value in (realm, *others))


def _quoted(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _check(value: object, pattern: re.Pattern[str], what: str, kind: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BuildError(f"{what}={value!r} cannot be sent: it has to be {kind}")


# -- reading requests


def _authorization(scheme: str, request: Request) -> str | None:
    """What follows the scheme in Authorization (RFC 9110, 11.4); None for another scheme, or without the header."""
    values = request.headers.get_all("authorization")
    if len(values) > 1:
        # Authorization is not a list (RFC 9110, 5.3), and a proxy may have checked another line than we would read.
        return ""
    name, _, rest = strip_blanks("".join(values)).partition(" ")
    return rest.strip(" ") if ascii_lower(name) == scheme else None


def _read_bearer(request: Request) -> tuple[str, ...] | None:
    token = _authorization("bearer", request)
    if token is None:
        return None
    return (token,) if B64TOKEN.fullmatch(token) else UNREADABLE


def _read_basic(request: Request) -> tuple[str, ...] | None:
    encoded = _authorization("basic", request)
    return None if encoded is None else _user_and_password(encoded)


def _user_and_password(encoded: str) -> tuple[str, ...]:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        return UNREADABLE
    user, colon, password = text.partition(":")
    # RFC 7617, 2 excludes control characters from both.
    return (user, password) if colon and not CONTROL.search(text) else UNREADABLE


def _read_header(name: str, request: Request) -> tuple[str, ...] | None:
    values = request.headers.get_all(name)
    if not any(values):
        return None
    return values if len(values) == 1 and PRINTABLE.fullmatch(values[0]) else UNREADABLE


def _read_cookie(name: str, request: Request) -> tuple[str, ...] | None:
    value = request.cookies.get(name)
    if not value:
        return None
    return (value,) if PRINTABLE.fullmatch(value) else UNREADABLE
