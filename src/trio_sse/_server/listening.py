"""Listening: the sockets that clients connect to, and how many of them are let in.

Owns the sockets' options, and the count of connections against the limit of open files: accepting stops before it could
fail, and the last seats are for clients that are only told to come back.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket as stdlib_socket
from collections.abc import Callable
from contextlib import suppress

import trio

__all__ = ("Accepted", "ConnectionLimit", "accept_all", "prepare")

RESERVED = 24
"""Descriptors that are left to the app, to log files and the like, beyond what is open when the server starts."""

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accepting fails with when the process, or the machine, has nothing left to accept with."""
EXHAUSTED_SECONDS = 1.0

logger = logging.getLogger("trio_sse.server")

Accepted = Callable[[stdlib_socket.socket, bool], None]
"""Takes a new connection, and whether it is to be turned away."""


class ConnectionLimit:
    """How many connections may be open.

    Args:
        limit: The most; what the limit of open files leaves, unless set.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = max(1, _descriptors_left() - RESERVED) if limit is None else limit
        self.for_refusals = min(64, max(1, self.limit // 8))
        self.taken = 0
        self._freed = trio.Event()

    @property
    def crowded(self) -> bool:
        """Whether only seats for refusals are left."""
        return self.taken > self.limit - self.for_refusals

    async def wait_for_a_free_one(self, seconds: float) -> None:
        """Wait until somebody leaves, but not for long."""
        with trio.move_on_after(seconds):
            await self._freed.wait()

    async def wait_for_one(self) -> None:
        """Wait until there is a seat."""
        while self.taken >= self.limit:
            await self._freed.wait()

    def take(self) -> None:
        """Take a seat."""
        self.taken += 1

    def free(self) -> None:
        """Give a seat back."""
        self.taken -= 1
        self._freed.set()
        self._freed = trio.Event()


def _descriptors_left() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 20
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return limit - len(os.listdir(folder))  # noqa: PTH208 - names are enough
    return limit - 16


def prepare(listener: stdlib_socket.socket, peer_seconds: float) -> None:
    """Set up a listening socket. Connections inherit its options.

    A client that vanishes without a word is given up after `peer_seconds`: by TCP_USER_TIMEOUT if something is on its
    way to it, by keep-alive probes if not.
    """
    listener.setblocking(False)
    if listener.family not in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
        return
    probe = max(1, round(peer_seconds / 3))
    listener.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", probe),
        ("TCP_KEEPALIVE", probe),  # as macOS calls it
        ("TCP_KEEPINTVL", probe),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", round(peer_seconds * 1000)),
    ):
        if hasattr(stdlib_socket, name):
            listener.setsockopt(stdlib_socket.IPPROTO_TCP, getattr(stdlib_socket, name), value)


async def accept_all(listener: stdlib_socket.socket, seats: ConnectionLimit, accepted: Accepted) -> None:
    """Accept connections until cancelled; then, last of all, those that have been waiting for it."""
    try:
        while True:
            await seats.wait_for_one()
            try:
                if not _accept(listener, seats, accepted):
                    await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                logger.warning("no connection can be accepted for now: %s", error.strerror)
                await seats.wait_for_a_free_one(EXHAUSTED_SECONDS)
            await trio.lowlevel.checkpoint()
    finally:
        with suppress(OSError):
            while seats.taken < seats.limit and _accept(listener, seats, accepted):
                pass


def _accept(listener: stdlib_socket.socket, seats: ConnectionLimit, accepted: Accepted) -> bool:
    """Accept one connection; False if nobody is waiting."""
    try:
        client, _ = listener.accept()
    except (BlockingIOError, InterruptedError):
        return False
    except ConnectionError:  # it has gone before it was accepted
        return True
    seats.take()
    accepted(client, seats.crowded)
    return True
