"""The body of a request in a test: JSON, a form, a form with files, or bytes.

Owns how each is written, and its Content-Type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import urlencode

from ..wire import encode_json

__all__ = ("NOT_GIVEN", "content_of")

File = bytes | tuple[str, bytes] | tuple[str, bytes, str]
"""The content of a file; or its name and content; or its name, content and media type."""

NOT_GIVEN: Final = object()
ESCAPES: Final = {'"': "%22", "\r": "%0D", "\n": "%0A"}
"""What browsers escape in the names of a form with files (WHATWG HTML, multipart/form-data)."""


def content_of(
    json: Any, form: Mapping[str, Any] | None, files: Mapping[str, File] | None, body: bytes | Iterable[bytes]
) -> tuple[str | None, tuple[bytes, ...]]:
    """The Content-Type, if there is one, and the chunks of the body.

    Raises:
        TypeError: More than one kind of body is given.
    """
    is_form = form is not None or files is not None
    if (json is not NOT_GIVEN) + is_form + (body != b"") > 1:
        raise TypeError("a request has one body: give json, or form and files, or body")
    if files is not None:
        return _multipart(form or {}, files)
    if form is not None:
        return "application/x-www-form-urlencoded", (urlencode(form, doseq=True).encode(),)
    if json is not NOT_GIVEN:
        return "application/json", (encode_json(json),)
    return None, (body,) if isinstance(body, bytes) else tuple(body)


def _multipart(form: Mapping[str, Any], files: Mapping[str, File]) -> tuple[str, tuple[bytes, ...]]:
    parts = [*_fields(form), *(_file(name, file) for name, file in files.items())]
    boundary = _boundary(parts)
    line = f"--{boundary}\r\n".encode()
    body = b"".join([line + part + b"\r\n" for part in parts]) + f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", (body,)


def _fields(form: Mapping[str, Any]) -> Iterator[bytes]:
    for name, value in form.items():
        for each in cast("Iterable[object]", value if isinstance(value, list | tuple) else (value,)):
            yield f'Content-Disposition: form-data; name="{_escaped(name)}"\r\n\r\n{each}'.encode()


def _file(name: str, file: File) -> bytes:
    filename, content, *rest = (name, file) if isinstance(file, bytes) else file
    media_type = rest[0] if rest else "application/octet-stream"
    disposition = f'form-data; name="{_escaped(name)}"; filename="{_escaped(filename)}"'
    return f"Content-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n".encode() + content


def _escaped(name: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in name)


def _boundary(parts: list[bytes]) -> str:
    """A boundary that no part contains; the same one for the same parts."""
    number = 0
    while any(f"--boundary-{number}".encode() in part for part in parts):
        number += 1
    return f"boundary-{number}"
