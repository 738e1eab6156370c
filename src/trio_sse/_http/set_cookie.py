"""The Set-Cookie header: its attributes, their defaults, and the mistakes that browsers answer with silence. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, Literal, TypedDict, Unpack

from .headers import TOKEN

__all__ = ("CookieAttributes", "SameSite", "deleted_cookie", "set_cookie")

SameSite = Literal["strict", "lax", "none"]
"""With which requests from other sites a cookie is sent: none, only when a link is followed, or all."""

_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
"""The characters of a cookie's value (RFC 6265, 4.1.1)."""

_ATTRIBUTE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e]+")
"""The characters of an attribute: without `;`, after which the next one begins."""


class CookieAttributes(TypedDict, total=False):
    """The attributes of a cookie."""

    max_age: float | None
    """Seconds until it expires; without it and without `expires`, it lasts until the browser is closed."""
    expires: datetime | None
    """When it expires, with a time zone."""
    path: str
    """The path below which it is sent; by default all paths, `/`."""
    domain: str | None
    """A domain to whose subdomains it is sent too; without it, only the host that set it gets it."""
    secure: bool
    """Whether it is sent over HTTPS only, which is the default. Browsers take `http://localhost` for secure."""
    http_only: bool
    """Whether it is hidden from scripts, which is the default."""
    same_site: SameSite
    """With which requests from other sites it is sent; by default `"lax"`."""


def set_cookie(name: str, value: str, **attributes: Unpack[CookieAttributes]) -> str:
    """The value of a Set-Cookie header.

    Args:
        name: The cookie's name.
        value: Its value: ASCII without spaces, quotes, commas, semicolons and backslashes.
        **attributes: See `CookieAttributes`.

    Raises:
        ValueError: A browser would refuse the cookie, or read it in another way.
    """
    path, domain = attributes.get("path", "/"), attributes.get("domain")
    secure, same_site = attributes.get("secure", True), attributes.get("same_site", "lax")
    _check(name, value, path, domain)
    _check_rules(name, path, domain, secure, same_site)
    max_age, expires = attributes.get("max_age"), attributes.get("expires")
    parts = [f"{name}={value}"]
    parts += [] if max_age is None else [f"Max-Age={int(max_age)}"]
    parts += [] if expires is None else [f"Expires={_date(expires)}"]
    parts += [f"Path={path}"]
    parts += [] if domain is None else [f"Domain={domain}"]
    parts += ["Secure"] if secure else []
    parts += ["HttpOnly"] if attributes.get("http_only", True) else []
    return "; ".join([*parts, f"SameSite={same_site.capitalize()}"])


def deleted_cookie(name: str, *, path: str = "/", domain: str | None = None) -> str:
    """The value of a Set-Cookie header that deletes a cookie; `path` and `domain` are those with which it was set."""
    return set_cookie(name, "", max_age=0, path=path, domain=domain)


def _check(name: str, value: str, path: str, domain: str | None) -> None:
    if not TOKEN.fullmatch(name):
        raise ValueError(f"a cookie's name is letters, digits and some punctuation, not {name!r}")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the value of the cookie {name!r} has a character that a cookie cannot have (a space, a quote, a comma, a "
            "semicolon, a backslash, or one that is not ASCII); encode it, as with urllib.parse.quote"
        )
    for what, text in (("path", path), ("domain", domain)):
        if text is not None and not _ATTRIBUTE.fullmatch(text):
            raise ValueError(f"the {what} of the cookie {name!r} is ASCII without semicolons, not {text!r}")


def _check_rules(name: str, path: str, domain: str | None, secure: bool, same_site: str) -> None:
    """Check what browsers demand: RFC 6265bis, 4.1.2.7 and 4.1.3."""
    if same_site not in ("strict", "lax", "none"):
        raise ValueError(f"same_site is 'strict', 'lax' or 'none', not {same_site!r}")
    needs_secure = same_site == "none" or name.lower().startswith(("__secure-", "__host-"))
    if needs_secure and not secure:
        raise ValueError(f"browsers refuse the cookie {name!r} (SameSite=None or its prefix) unless it is secure")
    if name.lower().startswith("__host-") and (path != "/" or domain is not None):
        raise ValueError(f"browsers refuse the cookie {name!r} unless its path is '/' and it has no domain")


def _date(when: datetime) -> str:
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone, so it is not a moment; make it with tz=UTC")
    return format_datetime(when.astimezone(UTC), usegmt=True)
