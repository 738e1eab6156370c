"""The `aborted` value: tells a handler that something other than itself ended the request, and what."""

from __future__ import annotations

import enum

import trio

__all__ = ("AbortReason", "Aborted")


class AbortReason(enum.StrEnum):
    """Why a request was ended by something other than its handler. The first reason counts."""

    CLIENT_GONE = "client_gone"
    """The client closed the connection, or its half of it."""
    ERROR = "error"
    """Something beside the handler failed, such as a task in the request's `nursery`, or the server's own I/O."""
    EXPIRED = "expired"
    """The credentials that the stream was opened with have expired; see `expire_at`."""
    TOO_SLOW = "too_slow"
    """The client did not take what was sent to it within `send_timeout`."""
    DRAINING = "draining"
    """The server is shutting down; `draining` is set before."""
    LIFETIME = "lifetime"
    """The stream has lasted as long as its route lets it."""
    CANCELLED = "cancelled"
    """The server cancelled the request; stock hypercorn does so when its shutdown has lasted `graceful_timeout`."""


class Aborted:
    """Set before anything is cancelled, and only if something other than the handler ended the request.

    Attributes:
        reason: What ended it, or None while nothing has.
    """

    def __init__(self) -> None:
        self.reason: AbortReason | None = None
        self._event = trio.Event()

    def is_set(self) -> bool:
        """Whether the request has been ended from outside."""
        return self.reason is not None

    async def wait(self) -> AbortReason:
        """Wait until it is set.

        Note that the handler itself is cancelled right after: this is for other tasks, which outlive it.
        """
        await self._event.wait()
        assert self.reason is not None  # noqa: S101 - set together with the event
        return self.reason

    def _set(self, reason: AbortReason) -> None:
        if self.reason is None:
            self.reason = reason
            self._event.set()

    def __repr__(self) -> str:
        return f"<Aborted: {self.reason or 'not set'}>"
