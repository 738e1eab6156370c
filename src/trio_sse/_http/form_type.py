"""The media type of a form: which of the two encodings a body has, and the boundary between its parts.

Owns the reading of the Content-Type header, of a request and of a part. Pure. It does not parse bodies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .._ground.text import ascii_lower, strip_blanks
from ..errors import BadRequest, UnsupportedMediaType
from .request import Request

__all__ = ("boundary_of", "check_charset", "media_type")

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

PARAMETER: Final = re.compile(r';[ \t]*([^\s=;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
"""A parameter of a media type (RFC 9110, 8.3.1): its name, and its value in quotes or without."""

UTF8: Final = ("utf-8", "utf8", "us-ascii")

BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""

ANNOUNCED_BY: Final = {"POST": "accept-post", "PATCH": "accept-patch"}
"""The response header that names the types that a path reads; for other methods it is Accept (RFC 9110, 12.5.1)."""


def boundary_of(request: Request) -> str | None:
    """The boundary of a multipart form; None for a form that is urlencoded.

    Raises:
        UnsupportedMediaType: The body is of another type, or not in UTF-8.
        BadRequest: There is no valid boundary.
    """
    content_type = request.headers.get("content-type", "")
    name, parameters = media_type(content_type)
    if name not in (URLENCODED, MULTIPART):
        raise UnsupportedMediaType(
            f"This path reads forms: send {URLENCODED} or {MULTIPART}.",
            headers={ANNOUNCED_BY.get(request.method, "accept"): f"{URLENCODED}, {MULTIPART}"},
        )
    check_charset(content_type)
    if name == URLENCODED:
        return None
    boundary = parameters.get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise BadRequest(f"The Content-Type {MULTIPART} needs a boundary of 1 to 70 characters (RFC 2046, 5.1.1).")
    return boundary


def check_charset(content_type: str) -> None:
    """Check that a Content-Type header names no charset but UTF-8.

    The field `_charset_`, with which HTML names the charset of a form, is ignored: what is not UTF-8 is refused.

    Raises:
        UnsupportedMediaType: It names another one.
    """
    charset = media_type(content_type)[1].get("charset", "utf-8")
    if ascii_lower(charset) not in UTF8:
        raise UnsupportedMediaType("This path reads forms in UTF-8 only.")


def media_type(content_type: str) -> tuple[str, Mapping[str, str]]:
    """The type in lower case, and the parameters by name. Of several parameters with one name the first counts."""
    essence = content_type.partition(";")[0]
    parameters: dict[str, str] = {}
    for name, quoted, plain in PARAMETER.findall(content_type[len(essence) :]):
        value = re.sub(r"\\(.)", r"\1", quoted) or strip_blanks(plain)
        parameters.setdefault(ascii_lower(name), value)
    return ascii_lower(strip_blanks(essence)), parameters
