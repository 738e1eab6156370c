"""What all connections of a server have in common.

Owns the server's own response headers, which are the same for a second. It must not know a protocol.
"""

from __future__ import annotations

import time
from typing import Final

import attrs
import trio
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState

from .._runtime.server_extension import Drain
from .config import StreamConfig

__all__ = ("CLOSED", "LATE_SECONDS", "Shared")

CLOSED = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)
"""The errors of reading and writing when either side has closed the connection."""

LATE_SECONDS: Final = 0.25
"""Seconds that an idle connection stays open when the server shuts down, for a request that the client has sent."""


@attrs.define(eq=False)
class Shared:
    """What all connections of a server have in common.

    Attributes:
        app: The app, wrapped by hypercorn.
        config: The configuration.
        context: hypercorn's record of the shutdown.
        state: The state of the app's lifespan.
        drain: The shutdown, as requests see it.
    """

    app: AppWrapper
    config: StreamConfig
    context: WorkerContext
    state: ConnectionState
    drain: Drain
    _second: int = attrs.field(default=-1, init=False)
    _own_headers: bytes = attrs.field(default=b"", init=False)

    def own_headers(self) -> bytes:
        """The headers that the server adds to a response of HTTP/1.1, as lines: the date, and what is configured."""
        second = int(time.time())
        if second != self._second:
            pairs = self.config.response_headers("h11")
            self._own_headers = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
            self._second = second
        return self._own_headers
