"""The link between a request and the server that runs it: what `trio_sse.serve` tells and offers beyond ASGI.

Owns the ASGI extension by which both meet. Under another server it is absent: nothing ever drains, nothing is
overloaded, every write goes through ASGI.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import attrs
import trio

__all__ = ("BODY_FOLLOWS", "EXTENSION", "Drain", "Draining", "ServerExtension")

EXTENSION: Final = "trio_sse.server"
"""The key in `scope["extensions"]`, where `trio_sse.serve` puts a `ServerExtension`."""


BODY_FOLLOWS: Final = "trio_sse.body_follows"
"""A key of the message that starts a response: the app sends a part of the body at once, so that this server may send
both in one write. Other servers ignore it."""

Hook = Callable[[], None]


class Draining:
    """Set when the server has begun to shut down; what handlers and steps know as `draining`."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def is_set(self) -> bool:
        """Whether the server is shutting down."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until the server shuts down."""
        await self._event.wait()

    def _set(self) -> None:
        self._event.set()

    def __repr__(self) -> str:
        return f"<Draining: {'set' if self.is_set() else 'not set'}>"


class Drain:
    """A server's shutdown, as its requests see it.

    Attributes:
        draining: Set when it begins.
        deadline: When requests have to be over, in Trio's time.
    """

    def __init__(self) -> None:
        self.draining = Draining()
        self.deadline = math.inf
        self._hooks: dict[Hook, None] = {}  # in the order of the requests

    def join(self, hook: Hook) -> None:
        """Have a function called when it begins."""
        self._hooks[hook] = None

    def leave(self, hook: Hook) -> None:
        """Take the function out again."""
        self._hooks.pop(hook, None)

    def begin(self, seconds: float) -> None:
        """Begin: requests have that many seconds from now. Once only."""
        if self.draining.is_set():
            return
        self.deadline = trio.current_time() + seconds
        self.draining._set()  # pyright: ignore[reportPrivateUsage] - nothing else may set it
        for hook in tuple(self._hooks):
            hook()


@attrs.frozen
class ServerExtension:
    """What a server says of one request.

    Attributes:
        drain: The server's shutdown.
        overloaded: Whether the server has no room for the request and only lets it in to be turned away.
        try_write: Takes a part of the response's body, if that needs no waiting: True says that the client's socket has
            it. After False the same part has to be given to ASGI's `send`, before anything else.
        send: The server's own `send`, to which `try_write` is a short way.
        break_off: Makes the server end the response that has started without its proper end, also if a middleware
            sends that end later.
    """

    drain: Drain
    overloaded: bool = False
    try_write: Callable[[bytes], bool] | None = None
    send: object = None
    break_off: Hook | None = None

    def direct_writer(self, send: object) -> Callable[[bytes], bool] | None:
        """`try_write`, unless something stands between the app and the server, and must not be passed by."""
        return self.try_write if send == self.send else None
