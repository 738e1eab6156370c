"""The access log: one line for each stream, when it has ended.

Owns the line and its fields. The logger is `trio_sse.access`, at the level INFO.
"""

from __future__ import annotations

import logging
from typing import Protocol

from .._ground.text import escape

__all__ = ("Stream", "log_stream")

logger = logging.getLogger("trio_sse.access")


class Stream(Protocol):
    """A stream, as the counters and the log see it."""

    @property
    def label(self) -> str:
        """The label of its route."""
        ...

    @property
    def client(self) -> str:
        """The client's address."""
        ...

    @property
    def events(self) -> int:
        """Events that it has sent."""
        ...

    @property
    def sent(self) -> int:
        """Bytes that it has sent."""
        ...


def log_stream(stream: Stream, seconds: float, reason: str) -> None:
    """Write a line for people, with the same values as fields of the log record for programs."""
    if not logger.isEnabledFor(logging.INFO):
        return
    client = stream.client  # it is looked up in the headers
    logger.info(
        "%s to %s: %.3f s, %d events, %d bytes, %s",
        stream.label,
        escape(client) or "an unknown client",
        seconds,
        stream.events,
        stream.sent,
        reason,
        extra={
            "route": stream.label,
            "client": client,
            "seconds": seconds,
            "events": stream.events,
            "bytes": stream.sent,
            "reason": reason,
        },
    )
