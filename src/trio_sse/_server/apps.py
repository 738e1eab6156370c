"""Starting an app for a request: with its link to the server, and an inbox of its own.

Owns what an app receives, and that nobody waits for ever with something for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import AppWrapper

from .._runtime.server_extension import EXTENSION, ServerExtension

__all__ = ("ReceiveQueue", "Tasks")


class ReceiveQueue:
    """What an app is sent. The disconnect waits for nobody, and whoever has waited with a part of the body may go.

    hypercorn's own lets the end of a response wait for an app that has left its request's body unread: for ever.

    Args:
        size: Messages that are kept for the app.
    """

    def __init__(self, size: int) -> None:
        self._put, self._get = trio.open_memory_channel[Any](size)
        self._disconnect: Any = None

    async def put(self, message: Any) -> None:
        """Send the app a message."""
        if message["type"] == "http.disconnect":
            self._disconnect = message
            self._put.close()
        else:
            with suppress(trio.ClosedResourceError):
                await self._put.send(message)

    async def receive(self) -> Any:
        """ASGI's receive."""
        try:
            return await self._get.receive()
        except trio.EndOfChannel:
            return self._disconnect


class Tasks(TaskGroup):
    """hypercorn's task group of a connection, which also hands each request its link and its inbox.

    Args:
        link: Makes the link of a request, of its scope and hypercorn's stream.
    """

    def __init__(self, link: Callable[[Any, Any], ServerExtension]) -> None:
        super().__init__()
        self._link = link

    async def spawn_app(self, app: AppWrapper, config: Config, scope: Any, send: Any) -> Any:
        """Start the app for a request."""
        if scope["type"] != "http":
            return await super().spawn_app(app, config, scope, send)
        scope["extensions"][EXTENSION] = self._link(scope, send.__self__)
        inbox = ReceiveQueue(config.max_app_queue_size)

        async def with_inbox(scope: Any, _receive: Any, *others: Any) -> None:
            await app(scope, inbox.receive, *others)

        await super().spawn_app(with_inbox, config, scope, send)  # type: ignore[arg-type]  # called by hypercorn alone
        return inbox.put
