"""The multipart parser: bytes as they come, to the heads, data and ends of the parts of a form (RFC 7578).

Owns what a part must have, and the limits to its headers. Pure. python-multipart parses the bytes; no other module
imports it, and this one is imported for apps alone that read forms: `pip install trio-sse[forms]` installs it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser as ByteParser
from python_multipart.multipart import parse_options_header

from .._ground.text import CONTROL, NOT_IN_A_HEADER, ascii_lower, strip_blanks
from ..errors import BadRequest, UnsupportedMediaType
from .form_reader import NOT_UTF8
from .headers import Headers
from .parts import PartEnd, PartEvent, PartHead
from .uploaded_file import base_name

__all__ = ("MultipartParser",)

MAX_HEADERS: Final = 8
"""The most headers of one part."""

MAX_HEADER_SIZE: Final = 4096
"""The most bytes of one header of a part."""

MALFORMED: Final = "The form is malformed: "

logger = logging.getLogger("trio_sse.multipart")
logger.setLevel(logging.ERROR)  # python-multipart warns of each malformed form

PLAIN_ENCODINGS: Final = ("", "7bit", "8bit", "binary")
"""Values of Content-Transfer-Encoding that leave the data unchanged. The header is deprecated (RFC 7578, 4.7)."""


class MultipartParser:
    """Parses one body.

    Args:
        boundary: What separates the parts.
    """

    def __init__(self, boundary: str) -> None:
        self._opening: Final = b"--" + boundary.encode("ascii")
        self._start: bytes | None = b""
        self._events: list[PartEvent] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._name = bytearray()
        self._value = bytearray()
        self._complete = False
        self._parser = ByteParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=2 * MAX_HEADERS,  # python-multipart's limits are behind those of this class
            max_header_size=2 * MAX_HEADER_SIZE,
        )
        self._parser.logger = logger

    def feed(self, data: bytes) -> Iterator[PartEvent]:
        """Parse the next bytes. What precedes a mistake is yielded before it is raised, however the body is divided.

        Raises:
            BadRequest: They are malformed.
            UnsupportedMediaType: A part is encoded in a way that is not read.
        """
        error: BadRequest | UnsupportedMediaType | None = None
        try:
            self._parser.write(self._without_start(data))
        except FormParserError:
            error = BadRequest(f"{MALFORMED}a boundary or a header of a part is not valid.")
        except (BadRequest, UnsupportedMediaType) as problem:
            error = problem
        events, self._events = self._events, []
        yield from events
        if error is not None:
            raise error

    def close(self) -> None:
        """Check, at the end of the body, that the form is complete.

        Raises:
            BadRequest: It is not.
        """
        if not self._complete:
            raise BadRequest("The body ends before the form does.")

    def _without_start(self, data: bytes) -> bytes:
        """What to parse: nothing before the first boundary is complete, since the body may have to be refused there.

        A line break may precede it, as some clients send one; a longer preamble, which no browser sends, may not:
        python-multipart skips more or less of it depending on how the body is divided.
        """
        if self._start is None:
            return data
        self._start += data
        begin = 2 if self._start.startswith(b"\r\n") else 0
        if len(self._start) < begin + len(self._opening):
            return b""
        data, self._start = self._start[begin:], None
        if not data.startswith(self._opening):
            raise BadRequest(f"{MALFORMED}it does not begin with its boundary.")
        return data

    # -- called by python-multipart

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._check_header()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._name) + len(self._value) > MAX_HEADER_SIZE:
            raise BadRequest(f"{MALFORMED}a header of a part is larger than {MAX_HEADER_SIZE} bytes.")
        if len(self._headers) >= MAX_HEADERS:
            raise BadRequest(f"{MALFORMED}a part has more than {MAX_HEADERS} headers.")

    def _on_header_end(self) -> None:
        self._headers.append((bytes(self._name), bytes(self._value)))
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        self._events.append(_head(self._headers))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _on_part_end(self) -> None:
        self._events.append(PartEnd.END)

    def _on_end(self) -> None:
        self._complete = True


def _head(raw: list[tuple[bytes, bytes]]) -> PartHead:
    """The head of a part, from its headers."""
    headers = Headers((name.decode("ascii"), strip_blanks(value.decode("latin-1"))) for name, value in raw)
    if any(NOT_IN_A_HEADER.search(value) for name in headers for value in headers.get_all(name)):
        raise BadRequest(f"{MALFORMED}a header of a part has a control character.")
    kind, options = parse_options_header(headers.get("content-disposition"))
    if kind != b"form-data" or b"name" not in options:
        raise BadRequest(f"{MALFORMED}a part has no Content-Disposition: form-data with a name.")
    if ascii_lower(headers.get("content-transfer-encoding", "")) not in PLAIN_ENCODINGS:
        raise UnsupportedMediaType("This path reads no forms with a Content-Transfer-Encoding; send the data itself.")
    filename = options.get(b"filename")
    return PartHead(_name(options[b"name"]), None if filename is None else base_name(_text(filename)), headers)


def _name(raw: bytes) -> str:
    name = _text(raw)
    if CONTROL.search(name):
        raise BadRequest(f"{MALFORMED}the name of a field has a control character.")
    return name


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest(NOT_UTF8) from None
