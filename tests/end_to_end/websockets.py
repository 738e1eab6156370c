"""A WebSocket's client whose socket is always closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

__all__ = ("websocket",)

MAX_MESSAGE = 16 * 1024 * 1024


@asynccontextmanager
async def websocket(url: str) -> AsyncIterator[WebSocketConnection]:
    """Connect to a `ws://` address while the block lasts.

    trio_websocket's `open_websocket_url` does not close its socket if the other side has closed the WebSocket first:
    `WebSocketConnection.aclose` then returns at once, and the task that reads ends without closing. The garbage
    collector warns about it later, in whichever test it runs. So the stream is opened, and closed, here.
    """
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    stream = await trio.open_tcp_stream(address.hostname, address.port)
    async with stream, trio.open_nursery() as nursery:
        connection = await wrap_client_stream(
            nursery, stream, address.netloc, address.path, max_message_size=MAX_MESSAGE
        )
        async with connection:
            yield connection
