"""A minimal HTTP/2 client on the `h2` package, for what httpx cannot do: reset one stream, send no window update."""

from __future__ import annotations

import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import h2.config
import h2.connection
import h2.events
import trio
from h2.settings import SettingCodes

from .serving import Certificate
from .sockets import cut_frame

__all__ = ("Http2Peer", "connected_by_http2", "upgraded_to_http2")


class Http2Peer:
    """The client's end of one connection. It reads only while it is asked to, and gives the window back as it reads.

    Args:
        stream: The connection.
        gives_window: Whether what has been read may be sent again; otherwise only `widen` does that.

    Attributes:
        heads: The headers of the responses, by the number of the stream.
        resets: The error codes of the streams that the server has reset.
    """

    def __init__(self, stream: trio.abc.Stream, *, gives_window: bool = True) -> None:
        self._stream = stream
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._gives_window = gives_window
        self._bodies: dict[int, bytearray] = defaultdict(bytearray)
        self._ended: set[int] = set()
        self._has_left = False
        self.heads: dict[int, dict[str, str]] = {}
        self.resets: dict[int, int] = {}

    async def start(self, settings: Mapping[SettingCodes | int, int] | None = None) -> None:
        """Send the preface."""
        if settings is not None:
            self._connection.local_settings.update(settings)
            self._connection.local_settings.acknowledge()
        self._connection.initiate_connection()
        await self._flush()

    async def upgrade(self, path: str) -> None:
        """Start with a request over HTTP/1.1."""
        settings = (self._connection.initiate_upgrade_connection() or b"").decode()
        lines = (
            f"GET {path} HTTP/1.1",
            "host: 127.0.0.1",
            "connection: upgrade, http2-settings",
            "upgrade: h2c",
            f"http2-settings: {settings}",
        )
        await self._stream.send_all("\r\n".join((*lines, "", "")).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += await self._stream.receive_some(65_536)
        head, _, rest = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        await self._feed(rest)

    # -- requests

    async def get(self, path: str, *headers: tuple[str, str]) -> int:
        """Send a GET request; the number of its stream."""
        return await self.request("GET", path, *headers)

    async def request(self, method: str, path: str | bytes, *headers: tuple[str, str], body: bytes = b"") -> int:
        """Send a request, with as much of the body as the window lets through; the number of its stream."""
        id = self._connection.get_next_available_stream_id()
        pseudo: list[Any] = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "127.0.0.1")]
        self._connection.send_headers(id, [*pseudo, *headers], end_stream=not body)
        if body:
            self._connection.send_data(id, body, end_stream=True)
        await self._flush()
        return id

    async def request_raw(self, method: bytes, path: bytes | None, *headers: tuple[bytes, bytes]) -> int:
        """Send the head of a request without a look at it, as a client does that is wrong or means no good."""
        id = self._connection.get_next_available_stream_id()
        pseudo = [(b":method", method), (b":authority", b"127.0.0.1")]
        if path is not None:
            pseudo += [(b":path", path), (b":scheme", b"https")]
        self._connection.config.validate_outbound_headers = False
        special = [pair for pair in headers if pair[0].startswith(b":")]
        self._connection.send_headers(id, [*pseudo, *special, *(pair for pair in headers if pair not in special)])
        await self._flush()
        return id

    # -- responses

    async def received(self, id: int, data: bytes) -> None:
        """Read until some bytes have come on a stream.

        Raises:
            EOFError: The stream or the connection has ended without them.
        """
        while data not in self._bodies[id]:
            if id in self._ended:
                raise EOFError(bytes(self._bodies[id]))
            await self.read()

    async def event(self, id: int) -> dict[str, str]:
        """Take one event; comments are passed over."""
        while (event := self.event_nowait(id)) is None:
            if id in self._ended:
                raise EOFError(bytes(self._bodies[id]))
            await self.read()
        return event

    def event_nowait(self, id: int) -> dict[str, str] | None:
        """Take one event, if one has come already."""
        while (found := cut_frame(bytes(self._bodies[id]))) is not None:
            frame, self._bodies[id] = found[0], bytearray(found[1])
            fields = dict(line.split(": ", 1) for line in frame.decode().split("\n") if not line.startswith(":"))
            if fields:
                return fields
        return None

    async def whole(self, id: int) -> bytes:
        """Read until a stream has ended; its body."""
        while id not in self._ended:
            await self.read()
        return bytes(self._bodies.pop(id, b""))

    async def status(self, id: int) -> int:
        """Read until the response has begun."""
        while id not in self.heads:
            if id in self._ended:
                raise EOFError("the stream has ended without a response")
            await self.read()
        return int(self.heads[id][":status"])

    def has_ended(self, id: int) -> bool:
        """Whether the end of a stream has come."""
        return id in self._ended

    def size(self, id: int) -> int:
        """Bytes that have come on a stream and not been taken."""
        return len(self._bodies[id])

    # -- the connection

    async def reset(self, id: int) -> None:
        """Reset a stream, as a browser does that closes an EventSource."""
        self._connection.reset_stream(id)
        await self._flush()

    async def go_away(self) -> None:
        """Send GOAWAY; what comes from now on is not looked at."""
        self._connection.close_connection()
        await self._flush()
        self._has_left = True

    async def widen(self, size: int, id: int | None = None) -> None:
        """Send WINDOW_UPDATE for a stream, or for the connection."""
        self._connection.increment_flow_control_window(size, id)
        await self._flush()

    async def set(self, setting: SettingCodes, value: int) -> None:
        """Send SETTINGS."""
        self._connection.update_settings({setting: value})
        await self._flush()

    async def prioritize(self, id: int, depends_on: int = 0) -> None:
        """Send PRIORITY, for any stream."""
        self._connection.prioritize(id, depends_on=depends_on)
        await self._flush()

    async def ping(self) -> None:
        """Send PING, and read until its answer has come: the server has seen all that was sent before."""
        self._connection.ping(b"are you?")
        await self._flush()
        while not any(isinstance(event, h2.events.PingAckReceived) for event in await self.read()):
            pass

    async def send_raw(self, data: bytes) -> None:
        """Send bytes that are no HTTP/2."""
        await self._stream.send_all(data)

    async def read(self) -> list[h2.events.Event]:
        """Read what has come.

        Raises:
            EOFError: The connection has ended.
        """
        try:
            chunk = await self._stream.receive_some(65_536)
        except trio.BrokenResourceError:
            chunk = b""
        if not chunk:
            raise EOFError("the connection has ended")
        return await self._feed(bytes(chunk))

    async def read_on(self) -> None:
        """Read for ever, or until the connection has ended."""
        with suppress(EOFError):
            while True:
                await self.read()

    async def _feed(self, data: bytes) -> list[h2.events.Event]:
        events = [] if self._has_left else self._connection.receive_data(data)
        for event in events:
            self._take(event)
        await self._flush()
        return events

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=int(id), headers=list(headers)):
                self.heads[id] = {str(name, "ascii"): str(value, "latin-1") for name, value in headers}
            case h2.events.DataReceived(stream_id=int(id), data=bytes(data), flow_controlled_length=int(size)):
                self._bodies[id] += data
                if self._gives_window:
                    self._connection.acknowledge_received_data(size, id)
            case h2.events.StreamEnded(stream_id=int(id)):
                self._ended.add(id)
            case h2.events.StreamReset(stream_id=int(id), error_code=code):
                self._ended.add(id)
                self.resets[id] = int(code or 0)
            case _:
                pass

    async def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data:
            await self._stream.send_all(data)


@asynccontextmanager
async def connected_by_http2(
    port: int,
    certificate: Certificate | None,
    *,
    settings: Mapping[SettingCodes | int, int] | None = None,
    gives_window: bool = True,
) -> AsyncIterator[Http2Peer]:
    """Connect to 127.0.0.1; the connection is closed with the block.

    Args:
        port: Where to.
        certificate: What to trust; without it HTTP/2 is spoken without TLS, by prior knowledge.
        settings: What to send in the preface's SETTINGS, other than the defaults.
        gives_window: As for `Http2Peer`.
    """
    async with await trio.open_tcp_stream("127.0.0.1", port) as transport:
        stream: trio.abc.Stream = transport
        if certificate is not None:
            context: ssl.SSLContext = certificate.context()
            context.set_alpn_protocols(["h2"])
            tls = trio.SSLStream(transport, context, server_hostname="127.0.0.1", https_compatible=True)
            await tls.do_handshake()
            assert tls.selected_alpn_protocol() == "h2"
            stream = tls
        peer = Http2Peer(stream, gives_window=gives_window)
        await peer.start(settings)
        yield peer


@asynccontextmanager
async def upgraded_to_http2(port: int, path: str) -> AsyncIterator[Http2Peer]:
    """Ask for something over HTTP/1.1, and for HTTP/2 from there on; the response comes on stream 1."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as transport:
        peer = Http2Peer(transport)
        await peer.upgrade(path)
        yield peer
