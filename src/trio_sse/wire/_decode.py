"""From bytes to events, as they arrive.

Owns the state of one stream that is being read: the unfinished line, the unfinished event, the
last id.  Must not know where the bytes come from, nor when to reconnect.

Theory of operation.  Bytes are split into lines and fields, and only the values are decoded.  The
result is the same as when the whole stream is decoded first, as section 9.2.6 does it: CR, LF,
colon and space are ASCII, and no byte of a longer UTF-8 sequence is.  A sequence that the end of
its line truncates becomes one U+FFFD either way, because a decoder that meets an ASCII byte inside
a sequence replaces what it has and then reads that byte again (Encoding Standard, 8.1.1).

A CR ends its line at once; if the next byte is LF, it belongs to that line end and is dropped.  To
wait for it instead would hold an event back until the next one.
"""

from typing import Final

from ..errors import EventTooLarge
from ._event import MAX_RETRY, ServerSentEvent, unchecked

__all__ = ("Decoder",)

_BOM = b"\xef\xbb\xbf"
_BLOCK = 4096
_RETRY_DIGITS = len(str(MAX_RETRY))


class Decoder:
    """Reads one stream of events; use a new one for each connection.

    Two tasks must not use it at the same time.  The end of the stream need not be announced: an
    event without its blank line is never dispatched, nor is its id kept (section 9.2.6).

    Between two calls it holds at most ``max_size`` bytes and a few kB, besides the last id.  Within
    a call it needs a few times the size of the chunk, and up to three more copies of a line or an
    event that is complete.  The time is linear in the number of bytes, however they are split.

    Args:
        max_size: The most bytes of an unfinished event that are held: its unfinished line as
            received, and the name, id and data of its finished lines.  It also limits the largest
            event that can be received.

    Attributes:
        last_event_id: The id to send as ``Last-Event-ID`` when reconnecting.  None before the
            first id; ``""`` after the server has reset it (send no header then).
        retry: The reconnection time that the server sent last, in milliseconds, or None.  At most
            `MAX_RETRY`.

    Raises:
        ValueError: ``max_size`` is not positive.
    """

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_block_retry",
        "_data",
        "_has_data",
        "_id",
        "_line",
        "_max_size",
        "_name",
        "_room",
        "_too_large",
        "last_event_id",
        "retry",
    )

    def __init__(self, max_size: int = 1024 * 1024) -> None:
        if max_size < 1:
            raise ValueError(f"max_size must be at least 1 byte, not {max_size}")
        self.last_event_id: str | None = None
        self.retry: int | None = None
        self._max_size: Final = max_size
        self._at_start = True
        self._after_cr = False
        self._too_large = False
        self._line = _Pile()
        self._data = _Pile()
        self._has_data = False
        self._name = b""
        self._id: bytes | None = None
        self._block_retry: int | None = None
        self._room = max_size

    @property
    def unfinished(self) -> bool:
        """Whether an event or a line has begun and not ended; at the end of a stream it is lost."""
        return bool(self._line.size or self._has_data or self._name or self._id is not None)

    def feed(self, chunk: bytes) -> list[ServerSentEvent[str]]:
        """Read the next bytes of the stream, which may be split anywhere.

        Args:
            chunk: The received bytes; empty ones change nothing.

        Returns:
            The events that these bytes complete, in order.  Their ``id`` is
            the last id of the stream so far, their ``retry`` that of their own block.

        Raises:
            EventTooLarge: The unfinished event has outgrown ``max_size``; so does every later
                call.  Events that were completed before it by the same bytes are not lost: they
                are returned, and the next call raises.
        """
        events: list[ServerSentEvent[str]] = []
        if not self._too_large:
            self._read(chunk, events)
        if self._too_large and not events:
            raise EventTooLarge(self._max_size)
        return events

    def _read(self, chunk: bytes, events: list[ServerSentEvent[str]]) -> None:
        lines, rest = self._cut(chunk)
        for line in lines:
            if len(line) > self._room:
                return self._give_up()
            text = self._without_bom(line) if self._at_start else line
            if text:
                self._field(text)
            elif event := self._dispatch():
                events.append(event)
        self._keep(rest)

    def _cut(self, chunk: bytes) -> tuple[list[bytes], bytes]:
        """Split into the lines that are finished now and the start of the next."""
        # bytes.splitlines, unlike that of str, splits only at CRLF, LF and CR.
        lines = self._without_lf(chunk).splitlines()
        rest = b"" if not lines or chunk.endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._line.size:
            self._line.add(lines[0])
            lines[0] = self._line.take()
        return lines, rest

    def _without_lf(self, chunk: bytes) -> bytes:
        """Drop the LF of a CRLF that was split between two chunks."""
        after_cr = self._after_cr
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk

    def _without_bom(self, line: bytes) -> bytes:
        """Drop the stream's one BOM. The first line is complete here, however the BOM was split."""
        self._at_start = False
        return line.removeprefix(_BOM)

    def _keep(self, rest: bytes) -> None:
        if self._line.size + len(rest) > self._room:
            self._give_up()
        elif rest:
            self._line.add(rest)

    def _give_up(self) -> None:
        self._too_large = True
        self._line = self._data = _Pile()

    def _field(self, line: bytes) -> None:
        # A line without a colon is a name only; a comment has an empty name, which is unknown.
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._take_data(value)
        elif name == b"event":
            self._take_name(value)
        elif name == b"id":
            self._take_id(value)
        elif name == b"retry":
            self._take_retry(value)

    def _take_data(self, value: bytes) -> None:
        if self._has_data:
            self._data.add(b"\n")
        self._has_data = True
        self._data.add(value)
        self._room -= len(value) + 1

    def _take_name(self, value: bytes) -> None:
        self._room += len(self._name) - len(value)
        self._name = value

    def _take_id(self, value: bytes) -> None:
        if 0 not in value:  # a client ignores an id with NUL in it
            self._room += len(self._id or b"") - len(value)
            self._id = value

    def _take_retry(self, value: bytes) -> None:
        # bytes.isdigit is true for ASCII digits only.  A received number may have any length, for
        # which int() takes quadratic time or raises: a number that is too long becomes MAX_RETRY.
        if value.isdigit():
            digits = value.lstrip(b"0") or b"0"
            fits = len(digits) <= _RETRY_DIGITS
            self.retry = self._block_retry = min(int(digits), MAX_RETRY) if fits else MAX_RETRY

    def _dispatch(self) -> ServerSentEvent[str] | None:
        # The id is kept even if the block has no data, and then nothing is dispatched.
        if self._id is not None:
            self.last_event_id = _text(self._id)
        event = self._event() if self._has_data else None
        self._has_data = False
        self._name = b""
        self._id = self._block_retry = None
        self._room = self._max_size
        return event

    def _event(self) -> ServerSentEvent[str]:
        data = _text(self._data.take())
        return unchecked(data, _text(self._name) or None, self.last_event_id, self._block_retry)


class _Pile:
    """Bytes that are collected in pieces of any size.

    Not one growing bytearray, which allocates an eighth of its size in advance, nor a list of the
    pieces, each of which takes forty bytes more.
    """

    __slots__ = ("_blocks", "_open", "size")

    def __init__(self) -> None:
        self.size = 0
        self._blocks: list[bytes] = []
        self._open = bytearray()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._open += piece
        if len(self._open) >= _BLOCK:
            self._blocks.append(bytes(self._open))
            self._open.clear()

    def take(self) -> bytes:
        """Return all bytes, and clear it."""
        whole = bytes(self._open)
        if self._blocks:
            whole = b"".join((*self._blocks, whole))
            self._blocks.clear()
        self._open.clear()
        self.size = 0
        return whole


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
