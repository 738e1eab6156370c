"""Forms: a request body, read into a value of a model as it comes in.

Owns the way of each part: text is kept, files go to a spool, and what the model does not read is skipped. The request's
exit stack closes the spool, whether the request succeeds, fails or is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

from .._http.form_reader import FormLimits, FormReader, parse_urlencoded
from .._http.form_type import boundary_of, check_charset
from .._http.parts import PartEnd, PartEvent, PartHead
from .._http.request import Request
from .._http.uploaded_file import UploadedFile
from .._plan.plan import RunReadForm
from ..errors import BadRequest, ContentTooLarge
from .body import RequestBody
from .spool import Spool, SpooledFile

__all__ = ("read_form",)

PIECE: Final = 64 * 1024
"""The most bytes that are parsed at once: what is parsed is in memory until it has been written."""

Values = dict[str, list[str | UploadedFile]]


async def read_form(
    step: RunReadForm, request: Request, body: RequestBody, stack: AsyncExitStack, cleanup_timeout: float
) -> Any:
    """Read the form of a request.

    Raises:
        HTTPException: The request is refused: it has no form (415), one that is malformed (400), too large (413), or
            does not fit the model (422).
    """
    try:
        boundary = boundary_of(request)
        _check_length(request, step.limits)
        if boundary is None:
            return step.reader.read(await _read_urlencoded(body, step.limits))
        parts = _Parts(step.reader, step.limits, stack, cleanup_timeout)
        return step.reader.read(await _read_multipart(step, boundary, body, parts))
    finally:
        body.discard()


def _check_length(request: Request, limits: FormLimits) -> None:
    """Refuse a body that says that it is too large before any of it is read."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limits.max_size:
        raise ContentTooLarge("The request body is too large.")


async def _read_urlencoded(body: RequestBody, limits: FormLimits) -> Mapping[str, Sequence[str]]:
    whole = bytearray()
    while piece := await body.receive():
        whole += piece
        limits.check_text(len(whole))
    return parse_urlencoded(bytes(whole), limits)


async def _read_multipart(step: RunReadForm, boundary: str, body: RequestBody, parts: _Parts) -> Values:
    parser = step.parser(boundary)
    while received := await body.receive():
        for start in range(0, len(received), PIECE):
            for event in parser.feed(received[start : start + PIECE]):
                await parts.take(event)
    parser.close()
    await parts.finish()
    return parts.values


class _Sink(Protocol):
    """Where the data of a part goes."""

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None: ...


class _Skipped:
    """A part that the model does not read."""

    async def write(self, data: bytes) -> None:
        pass

    async def end(self) -> None:
        pass


class _Text:
    """The value of a text field."""

    def __init__(self, parts: _Parts, name: str) -> None:
        self._parts = parts
        self._name = name
        self._data = bytearray()

    async def write(self, data: bytes) -> None:
        self._data += data
        self._parts.count_text(len(data))

    async def end(self) -> None:
        try:
            self._parts.add(self._name, self._data.decode())
        except UnicodeDecodeError:
            raise BadRequest(f"The form is not valid UTF-8, in the field {self._name!r}.") from None


class _File:
    """A file. A browser sends one without a name and without bytes for an input in which no file has been chosen."""

    def __init__(self, parts: _Parts, head: PartHead, spool: Spool) -> None:
        self._parts = parts
        self._head = head
        self._spool = spool
        self._start = spool.size

    async def write(self, data: bytes) -> None:
        self._parts.limits.check_file(self._head.name, self._spool.size - self._start + len(data))
        await self._spool.write(data)

    async def end(self) -> None:
        file = SpooledFile(self._head, self._spool, self._start)
        if file.filename or file.size:
            self._parts.add(self._head.name, file)


class _Parts:
    """The parts of one form.

    Attributes:
        values: What has been read, by name.
        limits: The limits of the form.
    """

    def __init__(self, reader: FormReader, limits: FormLimits, stack: AsyncExitStack, cleanup_timeout: float) -> None:
        self.values: Values = {}
        self.limits = limits
        self._reader = reader
        self._stack = stack
        self._cleanup_timeout = cleanup_timeout
        self._fields = 0
        self._files = 0
        self._text_size = 0
        self._spool: Spool | None = None
        self._sink: _Sink = _Skipped()

    async def take(self, event: PartEvent) -> None:
        """Take what the parser has found."""
        match event:
            case PartHead(_, None, _):
                self._sink = self._begin_text(event)
            case PartHead():
                self._sink = self._begin_file(event)
            case bytes():
                await self._sink.write(event)
            case PartEnd():
                await self._sink.end()

    def add(self, name: str, value: str | UploadedFile) -> None:
        """Add a value of a field."""
        self.values.setdefault(name, []).append(value)

    def count_text(self, size: int) -> None:
        """Count bytes that are kept in memory as text."""
        self._text_size += size
        self.limits.check_text(self._text_size)

    async def finish(self) -> None:
        """End the writing of the files."""
        if self._spool is not None:
            await self._spool.finish()

    def _begin_text(self, head: PartHead) -> _Sink:
        self._fields += 1
        self.limits.check_fields(self._fields)
        if head.name not in self._reader.fields:
            return _Skipped()
        check_charset(head.headers.get("content-type", ""))
        return _Text(self, head.name)

    def _begin_file(self, head: PartHead) -> _Sink:
        self._files += 1
        self.limits.check_files(self._files)
        self._reader.check_file(head.name)
        if head.name not in self._reader.files:
            return _Skipped()
        if self._spool is None:
            self._spool = Spool(self._cleanup_timeout)
            self._stack.push_async_callback(self._spool.aclose)
        return _File(self, head, self._spool)
