"""The head of a request: from its bytes to a method, a target and headers, or to the error that answers it. Pure.

llhttp (through httptools) parses the header section, as strictly as it can. What it leaves open is decided here: the
request line, which has single spaces and a version that this server speaks; where a body ends, which must not be
ambiguous, since a proxy in front may read an ambiguous request in another way (request smuggling, RFC 9112, 11.2); and
the Host header, by which requests are told apart.

The whole head is parsed at once, when its last byte has come. Its end is the first empty line, so what follows belongs
to the body whatever the headers say, and a request that another protocol has to answer can be passed on byte by byte.
"""

from __future__ import annotations

import re
from typing import Final

import attrs
import httptools

__all__ = ("END_OF_HEAD", "BadRequest", "RequestHead", "check_incomplete", "check_server_name", "parse_head")

END_OF_HEAD: Final = b"\r\n\r\n"

MAX_HEADERS: Final = 100
"""The most header lines of a request; nginx and Go have similar limits."""

MAX_TARGET: Final = 8 * 1024
"""The most bytes of a request's target; RFC 9112, 3 recommends at least 8000 for the whole line."""

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]*)(?::[0-9]*)?")
"""A host and a port (RFC 3986, 3.2.2), without user information."""

_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#]*)(.*)", re.DOTALL)
"""A target that names the server: what a client sends to a proxy (RFC 9112, 3.2.2)."""

_SPECIAL: Final = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"http2-settings", b"transfer-encoding", b"upgrade"}
)
"""The headers that say something of the connection, of the body, or of the target."""


class BadRequest(Exception):
    """A request that cannot be served: it is answered with a status, and its connection is closed.

    Args:
        status: The status of the answer.
        reason: What is wrong, for the log.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


@attrs.frozen
class RequestHead:
    """The head of a request.

    Attributes:
        method: The method.
        target: The target in origin form (`/path?query`), or `*`.
        version: The version of HTTP, `1.1` or `1.0`.
        headers: The headers, with names in lower case.
        length: The length of the body; None if it is chunked.
        keep_alive: Whether the client lets the connection stay open.
        expects_continue: Whether the client waits for a 100 before it sends the body.
        upgrade: The protocol that the client wants to switch to, in lower case; empty if none.
        settings: The HTTP2-Settings header, which an upgrade to h2c needs.
        host: The Host header; empty if there is none.
    """

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    length: int | None
    keep_alive: bool
    expects_continue: bool = False
    upgrade: bytes = b""
    settings: bytes | None = None
    host: bytes = b""


class _Fields:
    """What llhttp calls with each header."""

    __slots__ = ("headers", "special")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.special: dict[bytes, list[bytes]] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.rstrip(b" \t")
        self.headers.append((name, value))
        if name in _SPECIAL:
            self.special.setdefault(name, []).append(value)


def parse_head(head: bytes) -> RequestHead:
    """Parse a head, from its first byte to the empty line.

    Raises:
        BadRequest: It cannot be served.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise BadRequest(400, "the request line is malformed")
    method, target, major, minor = line.groups()
    if major != b"1":
        raise BadRequest(400, "the version is not one of HTTP/1")
    if len(target) > MAX_TARGET:
        raise BadRequest(414, "the target is too long")
    fields = _Fields()
    try:
        httptools.HttpRequestParser(fields).feed_data(head)
    except httptools.HttpParserInvalidMethodError:
        status = 501 if method.isupper() else 400
        raise BadRequest(status, "the method is unknown") from None
    except httptools.HttpParserUpgrade:
        pass  # the head is complete: what becomes of an upgrade is decided below
    except httptools.HttpParserError as error:
        raise BadRequest(400, str(error)) from None
    if len(fields.headers) > MAX_HEADERS:
        raise BadRequest(431, "there are too many headers")
    return _checked(method, target, b"1.1" if minor != b"0" else b"1.0", fields)


def check_incomplete(head: bytes | bytearray, most: int) -> None:
    """Find early that a head will never be one, so that nothing has to wait for its end.

    Raises:
        BadRequest: It has more than `most` bytes, or bytes that no head has.
    """
    if len(head) > most:
        raise BadRequest(414 if head.find(b"\r\n", 0, most) < 0 else 431, "the head is too long")
    if head.count(b"\n") != head.count(b"\r\n"):
        raise BadRequest(400, "a line ends without a carriage return")
    if b"\0" in head:
        raise BadRequest(400, "there is a NUL")


def check_server_name(request: RequestHead, names: list[str]) -> None:
    """Check the Host of a request against hypercorn's option `server_names`; an empty list allows all.

    Raises:
        BadRequest: It is none of them.
    """
    if names and request.host.decode("latin-1") not in names:
        raise BadRequest(404, "the server has another name")


def _checked(method: bytes, target: bytes, version: bytes, fields: _Fields) -> RequestHead:
    special, headers = fields.special, fields.headers
    target = _origin_form(method, target, fields)
    _check_host(special.get(b"host", []), version)
    if b"transfer-encoding" in special:
        length = None
        _check_chunked(special, version)
    else:
        length = _length(special.get(b"content-length", []))
    tokens = _tokens(special.get(b"connection"))
    return RequestHead(
        method=method.decode(),
        target=target,
        version=version.decode(),
        headers=headers,
        length=length,
        keep_alive=b"close" not in tokens and (version == b"1.1" or b"keep-alive" in tokens),
        expects_continue=version == b"1.1" and _tokens(special.get(b"expect")) == {b"100-continue"},
        upgrade=b", ".join(special[b"upgrade"]).lower() if b"upgrade" in tokens and b"upgrade" in special else b"",
        settings=_one(special.get(b"http2-settings")) if b"http2-settings" in tokens else None,
        host=special.get(b"host", [b""])[0],
    )


def _origin_form(method: bytes, target: bytes, fields: _Fields) -> bytes:
    """The target in origin form. The host of an absolute one replaces the Host header (RFC 9112, 3.2.2)."""
    if target.startswith(b"/"):
        return target
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadRequest(501 if method == b"CONNECT" else 400, "the target is not a path")
    host, rest = absolute.groups()
    fields.headers[:] = [(b"host", host), *(pair for pair in fields.headers if pair[0] != b"host")]
    if b"host" in fields.special:
        fields.special[b"host"] = [host] * len(fields.special[b"host"])
    return rest if rest.startswith(b"/") else b"/" + rest


def _check_host(hosts: list[bytes], version: bytes) -> None:
    if len(hosts) > 1:
        raise BadRequest(400, "there are several Host headers")
    if not hosts and version == b"1.1":
        raise BadRequest(400, "there is no Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest(400, "the Host header is malformed")


def _check_chunked(special: dict[bytes, list[bytes]], version: bytes) -> None:
    """A body whose length is said in two ways, or in an unusual one, is where requests are smuggled."""
    if b"content-length" in special:
        raise BadRequest(400, "there are both a Content-Length and a Transfer-Encoding")
    if version == b"1.0":
        raise BadRequest(400, "HTTP/1.0 has no Transfer-Encoding")
    codings = special[b"transfer-encoding"]
    if len(codings) != 1 or codings[0].lower() != b"chunked":
        raise BadRequest(501, "the Transfer-Encoding is not 'chunked'")


def _length(lengths: list[bytes]) -> int:
    if not lengths:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise BadRequest(400, "the Content-Length is not one number")
    return int(lengths[0])


def _tokens(values: list[bytes] | None) -> set[bytes]:
    """The elements of a header that is a list, in lower case."""
    if values is None:
        return set()
    return {token.strip(b" \t").lower() for value in values for token in value.split(b",")}


def _one(values: list[bytes] | None) -> bytes | None:
    return values[0] if values is not None and len(values) == 1 else None
