"""Starting the app for a request: with the server's ASGI extension, and a queue of the messages that the app receives.

Owns that queue, and the rule that no task waits for ever to put a message into it.
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

__all__ = ("ReceiveQueue", "RequestTasks")


class ReceiveQueue:
    """The messages that an app receives. Putting the disconnect never waits, and wakes a task that waits to put a body.

    With hypercorn's queue, the end of a response waits for ever if the app has not read the body of its request.

    Args:
        size: The messages that are kept for the app.
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


class RequestTasks(TaskGroup):
    """hypercorn's task group of a connection, which adds the extension and the queue to each request.

    Args:
        extension_for: Makes the extension of a request, from its scope and hypercorn's stream.
    """

    def __init__(self, extension_for: Callable[[Any, Any], ServerExtension]) -> None:
        super().__init__()
        self._extension_for = extension_for

    async def spawn_app(self, app: AppWrapper, config: Config, scope: Any, send: Any) -> Any:
        """Start the app for a request."""
        if scope["type"] != "http":
            return await super().spawn_app(app, config, scope, send)
        scope["extensions"][EXTENSION] = self._extension_for(scope, send.__self__)
        queue = ReceiveQueue(config.max_app_queue_size)

        async def with_queue(scope: Any, _receive: Any, *others: Any) -> None:
            await app(scope, queue.receive, *others)

        await super().spawn_app(with_queue, config, scope, send)  # type: ignore[arg-type]  # called by hypercorn alone
        return queue.put
