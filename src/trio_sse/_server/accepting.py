"""Accepting connections, within the limit of connections.

Owns the loop over one listening socket. It must not know what becomes of a connection.
"""

from __future__ import annotations

import errno
import logging
import socket as stdlib_socket
from collections.abc import Callable
from contextlib import suppress

import trio

from .connection_limit import ConnectionLimit

__all__ = ("OnAccept", "accept_all")

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Errors of accepting when the process, or the machine, has no resources left for a connection."""
RETRY_SECONDS = 1.0
"""Seconds before the next try after such an error, unless a connection is closed before."""

logger = logging.getLogger("trio_sse.server")

OnAccept = Callable[[stdlib_socket.socket, bool], None]
"""Called with a new connection, and whether its requests are to be refused."""


async def accept_all(listener: stdlib_socket.socket, limit: ConnectionLimit, on_accept: OnAccept) -> None:
    """Accept connections until cancelled, and then those that are still in the kernel's queue."""
    try:
        while True:
            await limit.wait_until_below()
            try:
                if not _accept(listener, limit, on_accept):
                    await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                logger.warning("no connection can be accepted for now: %s", error.strerror)
                await limit.wait_for_a_release(RETRY_SECONDS)
            await trio.lowlevel.checkpoint()
    finally:
        # The kernel has completed these connections: closing the listener would reset them.
        with suppress(OSError):
            while not limit.reached and _accept(listener, limit, on_accept):
                pass


def _accept(listener: stdlib_socket.socket, limit: ConnectionLimit, on_accept: OnAccept) -> bool:
    """Accept one connection; False if none is waiting."""
    try:
        client, _ = listener.accept()
    except (BlockingIOError, InterruptedError):
        return False
    except ConnectionError:  # the client has gone before it was accepted
        return True
    limit.acquire()
    on_accept(client, limit.overloaded)
    return True
