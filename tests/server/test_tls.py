"""TLS over the memory buffers of an SSL object: what waits, what comes together with the handshake, and how it ends."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest
import trio
import trio.testing
import trustme
from trio.testing import MockClock

from trio_sse._server.tls import Handshake, TLSTransport, TransportStream

CA = trustme.CA()
CERTIFICATE = CA.issue_cert("127.0.0.1")


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CERTIFICATE.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


class Client:
    """A client whose bytes are sent when the test says so."""

    def __init__(self, sock: socket.socket, *protocols: str) -> None:
        context = ssl.create_default_context()
        CA.configure_trust(context)
        context.set_alpn_protocols(list(protocols))
        self.socket = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def flush(self) -> None:
        self.socket.sendall(self.outgoing.read())

    def fill(self) -> None:
        self.incoming.write(self.socket.recv(1 << 20))

    def shake_hands(self, then: bytes = b"") -> None:
        """The client's side of the handshake; `then` leaves together with its last part."""
        while True:
            try:
                self.ssl.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            else:
                if then:
                    self.ssl.write(then)
                self.flush()
                return


@pytest.fixture
def pair() -> Iterator[tuple[TLSTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    transport = TLSTransport(ours, server_context())
    with ours, theirs:
        yield transport, theirs


async def connected(transport: TLSTransport, client: Client, then: bytes = b"") -> str | None:
    alpn: str | None = None

    async def serve() -> None:
        nonlocal alpn
        alpn = await transport.handshake()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.to_thread.run_sync(client.shake_hands, then)
    return alpn


async def received(transport: TLSTransport) -> bytes:
    data = None
    while data is None:
        await transport.wait_readable()
        data = transport.receive()
    return data


@pytest.mark.parametrize(("protocols", "alpn"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["x"], None)])
async def test_a_protocol_is_agreed_on(
    pair: tuple[TLSTransport, socket.socket], protocols: list[str], alpn: str | None
) -> None:
    transport, theirs = pair
    assert await connected(transport, Client(theirs, *protocols)) == alpn


async def test_what_comes_together_with_the_handshake_is_received(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    await connected(transport, Client(theirs, "http/1.1"), b"GET / HTTP/1.1\r\n")
    assert await received(transport) == b"GET / HTTP/1.1\r\n"
    assert transport.receive() is None


async def test_both_directions(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    client = Client(theirs, "http/1.1")
    await connected(transport, client)
    client.ssl.write(b"hello")
    client.flush()
    assert await received(transport) == b"hello"
    assert transport.send(b"world") == 5
    assert not transport.pending
    client.fill()
    assert client.ssl.read(100) == b"world"


async def test_what_the_socket_does_not_take_waits_and_nothing_overtakes_it(
    pair: tuple[TLSTransport, socket.socket],
) -> None:
    transport, theirs = pair
    client = Client(theirs, "http/1.1")
    await connected(transport, client)
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = b""
    while not transport.pending:
        data = bytes([len(sent) % 251]) * 30_000
        assert transport.send(data) == len(data)
        sent += data
    assert transport.send(b"late") == 0, "nothing is encrypted while something waits"
    read = b""
    while len(read) < len(sent):
        client.fill()
        transport.flush()
        try:
            while True:
                read += client.ssl.read(1 << 16)
        except ssl.SSLWantReadError:
            pass
    assert read == sent
    assert not transport.pending


async def test_a_large_write_is_encrypted_in_parts(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    client = Client(theirs, "http/1.1")
    await connected(transport, client)
    data, read = bytes(range(256)) * 4000, b""
    stream = TransportStream(transport)

    def read_all() -> None:
        nonlocal read
        while len(read) < len(data):
            client.fill()
            try:
                while True:
                    read += client.ssl.read(1 << 16)
            except ssl.SSLWantReadError:
                pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        await trio.to_thread.run_sync(read_all)
    assert read == data


@pytest.mark.parametrize("way", ["close_notify", "FIN", "nonsense"])
async def test_the_end_of_the_client(pair: tuple[TLSTransport, socket.socket], way: str) -> None:
    transport, theirs = pair
    client = Client(theirs, "http/1.1")
    await connected(transport, client)
    client.ssl.write(b"last")
    if way == "close_notify":
        with pytest.raises(ssl.SSLWantReadError):
            client.ssl.unwrap()
    client.flush()
    if way == "nonsense":
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
    theirs.shutdown(socket.SHUT_WR)
    assert await received(transport) == b"last"
    assert await received(transport) == b""


async def test_our_end_is_told_inside_of_the_encryption(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    client = Client(theirs, "http/1.1")
    await connected(transport, client)
    transport.send(b"last")
    transport.end()
    client.fill()
    assert client.ssl.read(100) == b"last"
    assert client.ssl.read(100) == b"", "a close_notify, without which it would want to read more"
    assert theirs.recv(100) == b""


async def test_a_client_without_tls_ends_it(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert await Handshake(transport).run(10) is None
    assert transport.closed


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"])
async def test_a_handshake_has_a_time_limit(
    pair: tuple[TLSTransport, socket.socket], begun: bytes, autojump_clock: MockClock
) -> None:
    transport, theirs = pair
    theirs.sendall(begun)
    assert await Handshake(transport).run(10) is None
    assert trio.current_time() == pytest.approx(10)
    assert transport.closed


async def test_a_client_that_leaves_ends_it(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, theirs = pair
    theirs.close()
    assert await Handshake(transport).run(10) is None


async def test_a_shutdown_ends_it_at_once(pair: tuple[TLSTransport, socket.socket]) -> None:
    transport, _ = pair
    handshake = Handshake(transport)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handshake.run, 10)
        await trio.testing.wait_all_tasks_blocked()
        handshake.drain()
    assert transport.closed
