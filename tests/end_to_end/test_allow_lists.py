"""Who may talk to an app, over real sockets: where it listens, which hosts and origins it takes, what Chromium does."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trio

from trio_sse import SSE, App, Get, Limits, Response
from trio_sse._server import make_config

from .chromium import Browser
from .limits import within
from .serving import Certificate, serving
from .sockets import connected

Browse = Callable[[], AbstractAsyncContextManager[Browser]]

LIMITS = Limits(hosts=("shop.example", "*.shop.example", "127.0.0.1"), origins=("https://app.example",))

MATRIX = [  # host, origin, status
    ("shop.example", None, 200),
    ("shop.example:8443", None, 200),
    ("Eu.Shop.example", None, 200),
    ("shop.example.evil", None, 421),
    ("evil-shop.example", None, 421),
    ("localhost", None, 421),
    ("shop.example", "https://app.example", 200),
    ("shop.example", "https://shop.example", 200),
    ("shop.example:8443", "https://shop.example:8443", 200),
    ("shop.example", "http://app.example", 403),
    ("shop.example", "https://app.example:8443", 403),
    ("shop.example", "https://app.example.evil", 403),
    ("shop.example", "https://evil.example", 403),
    ("shop.example", "null", 403),
    ("evil.example", "https://evil.example", 421),  # a rebound name
]


async def hello() -> AsyncIterator[Any]:
    yield {"data": "hello"}


def app() -> App:
    return App(limits=LIMITS).add(SSE("/events").handle(hello))


def test_it_listens_to_its_own_machine_unless_told_otherwise() -> None:
    [bind] = make_config().bind
    assert bind.rpartition(":")[0] == "127.0.0.1"


@within(5)
async def test_nobody_else_reaches_a_loopback_bind() -> None:
    async with serving(app()) as server:
        with socket.socket() as other:  # the address is free on every other interface
            other.bind(("127.0.0.2", server.port))


@within(5)
@pytest.mark.parametrize(("host", "origin", "status"), MATRIX)
async def test_hosts_and_origins_by_http_1(host: str, origin: str | None, status: int) -> None:
    async with serving(app()) as server, connected(server.port) as peer:
        lines = [f"GET /events HTTP/1.1\r\nhost: {host}", *([] if origin is None else [f"origin: {origin}"])]
        await peer.send("\r\n".join([*lines, "accept: text/event-stream", "", ""]).encode())
        head = await peer.head()
        body = await peer.body(head)
    assert head.status == status
    assert (b"data: hello" in body) == (status == 200)


@within(5)
async def test_a_request_without_a_host_is_refused() -> None:
    async with serving(app()) as server, connected(server.port) as peer:
        await peer.send(b"GET /events HTTP/1.0\r\n\r\n")
        assert (await peer.head()).status == 421


@within(10)
async def test_hosts_and_origins_by_http_2(certificate: Certificate) -> None:
    async with serving(app(), certificate=certificate) as server:
        for host, origin, status in MATRIX:
            assert await by_http_2(server.port, certificate, host, origin) == status, (host, origin)


@within(10)
@pytest.mark.parametrize("authority", ["shop.example", "evil.example"])
async def test_an_authority_cannot_be_overruled_by_a_host(authority: str, certificate: Certificate) -> None:
    """Two that differ are an error of the protocol: nothing of the request reaches the app."""
    other = "evil.example" if authority == "shop.example" else "shop.example"
    async with serving(app(), certificate=certificate) as server:
        status = await by_http_2(server.port, certificate, authority, None, ("host", other))
    assert status is None


async def by_http_2(
    port: int, certificate: Certificate, authority: str, origin: str | None, *more: tuple[str, str]
) -> int | None:
    """The status of a request; None where the server ends the connection or the stream instead."""
    context = certificate.context()
    context.set_alpn_protocols(["h2"])
    settings = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False)
    connection = h2.connection.H2Connection(settings)
    connection.initiate_connection()
    headers = [(":method", "GET"), (":path", "/events"), (":scheme", "https"), (":authority", authority), *more]
    connection.send_headers(1, headers + ([] if origin is None else [("origin", origin)]), end_stream=True)
    async with await trio.open_tcp_stream("127.0.0.1", port) as transport:
        stream = trio.SSLStream(transport, context, server_hostname="127.0.0.1", https_compatible=True)
        await stream.send_all(connection.data_to_send())
        while data := await stream.receive_some():
            for event in connection.receive_data(bytes(data)):
                if isinstance(event, h2.events.ResponseReceived):
                    fields = {bytes(name): bytes(value) for name, value in event.headers or ()}
                    return int(fields[b":status"])
                if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    return None
    return None


@within(5)
async def test_sizes_over_a_socket() -> None:
    small = App(limits=Limits(header_bytes=300, query_bytes=20)).add(SSE("/events").handle(hello))
    async with serving(small) as server, httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answers = [
            (await client.get(server.url + path, headers=headers)).status_code
            for path, headers in (
                ("/events?" + "q" * 20, {}),
                ("/events?" + "q" * 21, {}),
                ("/events", {"cookie": "c" * 300}),
            )
        ]
    assert answers == [200, 414, 431]


# -- a browser

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Another site</title>
<script>
  const read = (url) => new Promise((resolve) => {
    const source = new EventSource(url, { withCredentials: true })
    source.onmessage = (event) => { source.close(); resolve(event.data) }
    source.onerror = () => { source.close(); resolve('error') }
  })
</script>
"""


class Shop:
    """An app with a page, a stream, and a note of each handler that ran."""

    def __init__(self, **limits: Any) -> None:
        self.ran: list[str | None] = []
        self.app = App(limits=Limits(**limits)).add(
            Get("/").handle(lambda: Response(PAGE, media_type="text/html; charset=utf-8")),
            SSE("/events").handle(self.stream),
        )

    async def stream(self, headers: Any) -> AsyncIterator[Any]:
        self.ran.append(headers.get("origin"))
        yield {"data": "secret"}
        await trio.sleep_forever()


@within(60)
async def test_a_page_of_another_site_opens_no_stream_and_ones_own_does(browse: Browse) -> None:
    """Without the limit the other page could not read the stream either, but it would have been opened."""
    open_, closed = Shop(), Shop(origins=())
    async with serving(open_.app) as first, serving(closed.app) as second, browse() as browser:
        other_site = first.url.replace("127.0.0.1", "localhost")
        page = await browser.open(other_site + "/")
        assert await page.evaluate(f"read('{second.url}/events')") == "error"
        assert closed.ran == []
        assert await page.evaluate(f"read('{first.url}/events')") == "error"
        assert open_.ran == [other_site]
        own = await browser.open(second.url + "/")
        assert await own.evaluate("read('/events')") == "secret"
        assert await own.evaluate(f"read('{second.url}/events')") == "secret"
    assert len(closed.ran) == 2
