"""A minimal HTTP/2 client on the `h2` package, for what httpx cannot do: reset one stream, send no window update."""

from __future__ import annotations

import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import trio

from .serving import Certificate

__all__ = ("Http2Peer", "connected_by_http2")


class Http2Peer:
    """The client's end of one connection. It reads only while it is asked to, and gives the window back as it reads."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._bodies: dict[int, bytearray] = defaultdict(bytearray)
        self._ended: set[int] = set()

    async def start(self) -> None:
        """Send the preface."""
        self._connection.initiate_connection()
        await self._flush()

    async def get(self, path: str) -> int:
        """Send a GET request; the number of its stream."""
        id = self._connection.get_next_available_stream_id()
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "127.0.0.1")]
        self._connection.send_headers(id, headers, end_stream=True)
        await self._flush()
        return id

    async def received(self, id: int, data: bytes) -> None:
        """Read until some bytes have come on a stream.

        Raises:
            EOFError: The stream or the connection has ended without them.
        """
        while data not in self._bodies[id]:
            if id in self._ended:
                raise EOFError(bytes(self._bodies[id]))
            await self._read()

    async def reset(self, id: int) -> None:
        """Reset a stream, as a browser does that closes an EventSource."""
        self._connection.reset_stream(id)
        await self._flush()

    async def _read(self) -> None:
        chunk = await self._stream.receive_some(65_536)
        if not chunk:
            raise EOFError("the connection has ended")
        for event in self._connection.receive_data(bytes(chunk)):
            if isinstance(event, h2.events.DataReceived):
                self._bodies[event.stream_id] += event.data
                self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                self._ended.add(event.stream_id)
        await self._flush()

    async def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data:
            await self._stream.send_all(data)


@asynccontextmanager
async def connected_by_http2(port: int, certificate: Certificate) -> AsyncIterator[Http2Peer]:
    """Connect to 127.0.0.1 with TLS; the connection is closed with the block."""
    context: ssl.SSLContext = certificate.context()
    context.set_alpn_protocols(["h2"])
    async with await trio.open_tcp_stream("127.0.0.1", port) as transport:
        stream = trio.SSLStream(transport, context, server_hostname="127.0.0.1", https_compatible=True)
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "h2"
        peer = Http2Peer(stream)
        await peer.start()
        yield peer
