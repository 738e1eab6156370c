"""The uploaded file: what a handler gets for a file of a form.

Owns what can be done with it, and what is kept of the name that the client sent. It does not know where the bytes are:
`_runtime.spool` holds them.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Final

from .headers import Headers

__all__ = ("UploadedFile", "base_name")

PIECE: Final = 64 * 1024
"""The most bytes of a piece, where a file is iterated over."""

UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line separators, and the marks that reverse the direction of text: `gpj.exe` can look like
`exe.jpg` with one of them."""


class UploadedFile(ABC):
    """A file of a form, read by `.form(Model)`. Declare it as the type of a field; `list[UploadedFile]` takes several.

    A small file is in memory, a larger one in a temporary file without a name, which is deleted when the request ends.
    `save_to` keeps it. All that the client says of a file can be false: its name, its type, its headers.

    Args:
        filename: The name, without folders. Never use it as a path: show it, or store it as text.
        content_type: The media type, in lower case and without parameters.
        headers: The headers of the part.
        size: The number of bytes.
    """

    def __init__(self, filename: str, *, content_type: str, headers: Headers, size: int) -> None:
        self.filename: Final = filename
        self.content_type: Final = content_type
        self.headers: Final = headers
        self.size: Final = size

    @abstractmethod
    async def read_at(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`; fewer at the end of the file.

        After the request has ended, it raises `trio.ClosedResourceError`.
        """

    @abstractmethod
    async def save_to(self, path: str | os.PathLike[str]) -> None:
        """Copy the file to a path of your choice. If that fails or is cancelled, nothing is left there.

        Raises:
            FileExistsError: There is a file already.
            OSError: It cannot be written.
        """

    async def read(self, size: int | None = None) -> bytes:
        """The whole file, or its first `size` bytes. The file has no position: each call starts at the beginning."""
        return await self.read_at(0, self.size if size is None else size)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> dict[str, object]:
        """Let a model of pydantic have fields of this type."""
        return {"type": "is-instance", "cls": cls}

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes from the beginning, in pieces of up to 64 KiB."""
        return _Pieces(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.filename!r}: {self.content_type}, {self.size} bytes>"


class _Pieces:
    """An iterator and not a generator, since one that is left early needs no clean-up."""

    def __init__(self, file: UploadedFile) -> None:
        self._file = file
        self._start = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._file.read_at(self._start, PIECE)
        self._start += len(piece)
        if not piece:
            raise StopAsyncIteration
        return piece


def base_name(name: str) -> str:
    r"""A name as it can be shown: without folders, and with `_` for characters that are not shown.

    >>> base_name("../../etc/passwd"), base_name(r"C:\temp\a.txt"), base_name("..")
    ('passwd', 'a.txt', '')
    """
    last = UNSAFE.sub("_", re.split(r"[/\\]", name)[-1])
    return "" if last in (".", "..") else last
