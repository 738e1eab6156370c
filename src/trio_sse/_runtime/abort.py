"""Abort: why something other than its handler ends a request, and what follows from each reason.

Owns the reasons, the table of their consequences, and `Aborted`, by which handlers learn of them. The consequences
are data; `connection`, `responder` and `stream` act on them. A new reason is a member of `AbortReason` and a row of
`RULES`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import attrs
import trio

from .._http.event_stream import EXPIRED
from ..errors import HTTPError, Unauthorized
from .rejection import ShuttingDown

__all__ = ("RULES", "AbortReason", "Aborted", "Rule", "expired")


class AbortReason(enum.StrEnum):
    """Why something other than the handler ended a request. The first reason counts.

    The values are labels: they stand in the access log, in `Statistics.ended` and in metrics.
    """

    CLIENT_GONE = "client_gone"
    """The client closed the connection, or its half of it."""
    ERROR = "error"
    """Something beside the handler failed, such as a task in the request's `nursery`, or the server's own I/O."""
    EXPIRED = "expired"
    """The credentials with which the stream was opened have expired; see `expire_at`."""
    TOO_SLOW = "too_slow"
    """The client did not take what was sent to it within `send_timeout`."""
    DRAINING = "draining"
    """The server is shutting down; `draining` is set before."""
    LIFETIME = "lifetime"
    """The stream reached the lifetime that its route sets."""
    CANCELLED = "cancelled"
    """The server cancelled the request; stock hypercorn does so when its shutdown takes longer than
    `graceful_timeout`."""


@attrs.frozen
class Rule:
    """What follows from a reason.

    Attributes:
        finish: Whether the end of the response is still sent: `"never"`; `"limited"`, within `cleanup_timeout`, since a
            client that left may take nothing; or `"always"`.
        cancels_finish: Whether an end of the response that is being sent already is cancelled at once.
        answer: Makes the answer to a request whose response has not started, from the challenge of its credentials.
        last_frame: What a stream sends last.
    """

    finish: Literal["never", "limited", "always"]
    cancels_finish: bool = False
    answer: Callable[[str], HTTPError] | None = None
    last_frame: bytes = b""


def expired(challenge: str) -> Unauthorized:
    """The answer to a request whose credentials have expired."""
    return Unauthorized("The credentials have expired.", challenge=challenge)


def _shutting_down(_challenge: str) -> HTTPError:
    return ShuttingDown()


RULES: Final[Mapping[AbortReason, Rule]] = MappingProxyType(
    {
        # A send to a client that is gone returns by itself under most servers. It is not cancelled at once, because
        # hypercorn says http.disconnect after every response, inside our last send, in which it then prepares the
        # connection's next request; and it needs a limit, because over HTTP/2 it may wait for ever for such a client.
        AbortReason.CLIENT_GONE: Rule("never"),
        AbortReason.ERROR: Rule("always"),
        AbortReason.EXPIRED: Rule("limited", answer=expired, last_frame=EXPIRED),
        AbortReason.TOO_SLOW: Rule("never", cancels_finish=True),
        AbortReason.DRAINING: Rule("limited", answer=_shutting_down),
        AbortReason.LIFETIME: Rule("limited"),
        AbortReason.CANCELLED: Rule("never", cancels_finish=True),
    }
)


@attrs.define(eq=False, repr=False)
class Aborted:
    """Set before anything is cancelled, and only if something other than the handler ended the request.

    Attributes:
        reason: What ended it, or None while nothing has.
    """

    reason: AbortReason | None = attrs.field(default=None, init=False)
    _event: trio.Event | None = attrs.field(default=None, init=False)

    def is_set(self) -> bool:
        """Whether something other than the handler ended the request."""
        return self.reason is not None

    async def wait(self) -> AbortReason:
        """Wait until it is set.

        The handler itself is cancelled right after: this is for tasks that outlive it, as in `app_nursery`.
        """
        if self._event is None:
            self._event = trio.Event()
        if self.reason is not None:
            self._event.set()
        await self._event.wait()
        assert self.reason is not None  # noqa: S101 - set together with the event
        return self.reason

    def _set(self, reason: AbortReason) -> None:
        if self.reason is None:
            self.reason = reason
            if self._event is not None:  # made when a task waits, which is rare
                self._event.set()

    def __repr__(self) -> str:
        return f"<Aborted: {self.reason or 'not set'}>"
