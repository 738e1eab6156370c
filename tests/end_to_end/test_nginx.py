"""The configuration in docs/how-to/nginx.md does what that page says: a real nginx runs it, in front of our server."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
import trio

from trio_sse import SSE, Aborted, App, Get, Limits, Post, Request, Response
from trio_sse._server import make_config

from .chromium import Browser
from .http2 import connected_by_http2
from .limits import within
from .nginx import SBIN, Nginx, free_port, nginx, replaced
from .requirements import needs
from .serving import Certificate, Server, serving
from .sockets import Head, Peer, Truncated

DOCS = Path(__file__).parent.parent.parent / "docs"
CONFIG, UNIX, PREFIX = re.findall(
    r"^```nginx\n(.*?)^```$", (DOCS / "how-to/nginx.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)

Proxied = Callable[..., AbstractAsyncContextManager[Nginx]]
Browse = Callable[[], AbstractAsyncContextManager[Browser]]


@pytest.fixture
def nginx_path() -> str:
    return needs("nginx", SBIN)


@pytest.fixture
def proxied(nginx_path: str, certificate: Certificate, tmp_path: Path) -> Proxied:
    """Starts nginx in front of some servers, with the page's configuration but for some changes."""

    @asynccontextmanager
    async def start(*servers: Server | str, changes: Mapping[str, str] | None = None) -> AsyncIterator[Nginx]:
        upstreams = [each if isinstance(each, str) else f"127.0.0.1:{each.port}" for each in servers]
        async with nginx(nginx_path, tmp_path, replaced(CONFIG, changes or {}), upstreams, certificate) as front:
            yield front

    return start


@asynccontextmanager
async def connected(front: Nginx, certificate: Certificate, *, source: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """Connect over TLS, for HTTP/1.1, from an address of this machine."""
    with trio.socket.socket() as sock:
        await sock.bind((source, 0))
        await sock.connect(("127.0.0.1", front.port))
        tls = trio.SSLStream(trio.SocketStream(sock), certificate.context(), server_hostname="127.0.0.1")
        yield Peer(tls)  # type: ignore[arg-type]  # it only sends and receives


async def get_as(peer: Peer, path: str, *headers: str, method: str = "GET") -> Head:
    """Send a request with all of its headers, Host included."""
    await peer.send("\r\n".join((f"{method} {path} HTTP/1.1", *headers, "", "")).encode())
    return await peer.head()


@attrs.define
class Watched:
    """An app whose streams tell what the test says, and when and why they have ended."""

    name: str = "watched"
    last: float = math.inf
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    said: trio.Event = attrs.field(factory=trio.Event)
    left: trio.Event = attrs.field(factory=trio.Event)
    reasons: list[str | None] = attrs.field(factory=list)
    resumed_from: list[str | None] = attrs.field(factory=list)

    @property
    def app(self) -> App:
        return App(**self.settings).add(
            SSE("/stream").heartbeat(None).handle(self.stream),
            Get("/name").handle(self.show),
        )

    def say(self) -> None:
        self.said.set()
        self.said = trio.Event()

    def show(self) -> dict[str, str]:
        return {"name": self.name * 500}

    async def stream(self, aborted: Aborted, last_event_id: str | None) -> AsyncIterator[Any]:
        self.resumed_from.append(last_event_id)
        number = int(last_event_id or 0)
        try:
            while number < self.last:
                number += 1
                said = self.said
                yield {"id": str(number), "data": self.name}
                await said.wait()
        finally:
            self.reasons.append(aborted.reason)
            self.left.set()


def seconds(setting: str) -> float:
    """What the page sets a time to."""
    [value] = re.findall(rf"^ *{setting} (\d+)s;$", CONFIG, re.MULTILINE)
    return float(value)


def test_the_times_on_the_page_fit_ours() -> None:
    """A heartbeat comes well before nginx gives up, and nginx leaves an idle connection before our server does."""
    heartbeat = SSE("/").options.heartbeat
    assert heartbeat is not None and 2 * heartbeat < seconds("proxy_read_timeout")
    assert seconds("keepalive_timeout") < make_config().keep_alive_timeout


# -- an event arrives when it is sent

BUFFERING: dict[str, dict[str, str]] = {
    "as on the page": {},
    "by our header alone": {"proxy_buffering off;": "proxy_buffering on;"},
    "by the setting alone": {"proxy_buffering off;": "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;"},
}


@within(10)
@pytest.mark.parametrize("way", BUFFERING)
async def test_each_event_arrives_at_once(way: str, proxied: Proxied, certificate: Certificate) -> None:
    """The next one is sent only when the client has got the one before."""
    watched = Watched(last=3)
    async with serving(watched.app) as server, proxied(server, changes=BUFFERING[way]) as front:
        for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
            async with (
                httpx2.AsyncClient(http2=http2, verify=certificate.context(), trust_env=False) as client,
                client.stream("GET", f"{front.url}/stream") as response,
            ):
                assert (response.status_code, response.http_version) == (200, version)
                assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
                assert response.headers["cache-control"] == "no-store, no-transform"
                number, received = 1, b""
                async for chunk in response.aiter_raw():
                    received += chunk
                    if received.endswith(b"id: %d\ndata: watched\n\n" % number):
                        number += 1
                        watched.say()
            assert number == 4


@within(10)
async def test_each_event_arrives_at_once_through_unix_sockets(
    proxied: Proxied, certificate: Certificate, tmp_path: Path
) -> None:
    watched, bind = Watched(), f"unix:{tmp_path}/1.sock"
    assert [line.strip() for line in CONFIG.splitlines() if "server 127" in line] == [
        line.replace("unix:/run/shop/", "127.0.0.1:800").replace(".sock", "") for line in UNIX.splitlines()
    ]
    async with (
        serving(watched.app, bind=bind),
        proxied(bind) as front,
        connected(front, certificate) as peer,
    ):
        await peer.get("/stream")
        for number in range(1, 4):
            assert await peer.event() == {"id": str(number), "data": "watched"}
            watched.say()


@within(10)
async def test_a_stream_is_not_compressed_where_other_answers_are(proxied: Proxied, certificate: Certificate) -> None:
    watched = Watched()
    async with (
        serving(watched.app) as server,
        proxied(server) as front,
        connected(front, certificate) as peer,
    ):
        head = await peer.get("/name", accept_encoding="gzip")
        assert head.headers["content-encoding"] == "gzip"
        await peer.body(head)
        head = await peer.get("/stream", accept_encoding="gzip")
        assert "content-encoding" not in head.headers
        assert await peer.event() == {"id": "1", "data": "watched"}


@within(10)
async def test_a_stream_would_be_compressed_by_gzip_types_with_a_star(
    proxied: Proxied, certificate: Certificate
) -> None:
    """In spite of no-transform, of which nginx takes no notice."""
    watched, types = Watched(), "application/json text/css text/javascript;"
    async with (
        serving(watched.app) as server,
        proxied(server, changes={types: "*;"}) as front,
        connected(front, certificate) as peer,
    ):
        assert (await peer.get("/stream", accept_encoding="gzip")).headers["content-encoding"] == "gzip"


# -- a stream lasts, and ends


@within(10)
async def test_a_heartbeat_keeps_an_idle_stream_open_that_nginx_would_break_off(
    proxied: Proxied, certificate: Certificate
) -> None:
    beating, silent = Watched(), Watched()
    app = App().add(
        SSE("/beating").heartbeat(0.1).handle(beating.stream), SSE("/silent").heartbeat(None).handle(silent.stream)
    )
    async with (
        serving(app) as server,
        proxied(server, changes={"proxy_read_timeout 60s;": "proxy_read_timeout 600ms;"}) as front,
        connected(front, certificate) as one,
        connected(front, certificate) as other,
    ):
        await one.get("/beating")
        assert (await one.event())["id"] == "1"
        began = trio.current_time()
        await other.get("/silent")
        with pytest.raises(Truncated):
            await until_the_end(other)
        await silent.left.wait()
        assert silent.reasons == ["client_gone"]
        while trio.current_time() - began < 1.2:
            assert await one.frame() == ":"
        beating.say()
        assert (await one.event())["id"] == "2"


async def until_the_end(peer: Peer) -> None:
    """Read until a stream ends in order.

    Raises:
        Truncated: It has ended otherwise.
    """
    while await peer.chunk():
        pass


@within(10)
@pytest.mark.parametrize("way", ["close", "close over HTTP/2", "reset the stream"])
async def test_the_handler_ends_at_once_when_the_client_goes(
    way: str, proxied: Proxied, certificate: Certificate
) -> None:
    """It is idle, and there is no heartbeat that could notice."""
    watched = Watched()
    async with serving(watched.app) as server, proxied(server) as front:
        if way == "close":
            async with connected(front, certificate) as peer:
                await peer.get("/stream")
                assert (await peer.event())["id"] == "1"
        else:
            async with connected_by_http2(front.port, certificate) as both:
                id = await both.get("/stream")
                await both.received(id, b"data: watched\n\n")
                if way == "reset the stream":
                    await both.reset(id)
                    with trio.fail_after(1):
                        await watched.left.wait()
        with trio.fail_after(1):
            await watched.left.wait()
    assert watched.reasons == ["client_gone"]


@within(10)
async def test_a_stream_that_broke_off_can_be_told_from_one_that_ended(
    proxied: Proxied, certificate: Certificate
) -> None:
    async def stream(way: str) -> AsyncIterator[Any]:
        yield {"data": way}
        if way == "fails":
            raise LookupError("secret")

    app = App().add(SSE("/:way").handle(stream))
    async with serving(app) as server, proxied(server) as front:
        async with connected(front, certificate) as peer:
            await peer.get("/ends")
            assert await peer.event() == {"data": "ends"}
            assert await peer.chunk() == b""
        async with connected(front, certificate) as peer:
            await peer.get("/fails")
            assert await peer.event() == {"data": "fails"}
            assert (await peer.event())["event"] == "stream-error"
            with pytest.raises(Truncated):
                await peer.chunk()


@within(10)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_the_client_of_a_post_learns_that_its_stream_is_cut_off(
    version: str, proxied: Proxied, certificate: Certificate
) -> None:
    """Towards an app with HTTP/1.0, nginx takes the end of the connection for the end of the stream."""

    async def ask() -> AsyncIterator[Any]:
        yield {"data": "because"}
        await trio.sleep_forever()

    app = App().add(SSE("/ask", method="POST").handle(ask))
    changes = {"proxy_http_version 1.1;": f"proxy_http_version {version};"}
    async with (
        serving(app) as server,
        proxied(server, changes=changes) as front,
        connected(front, certificate) as peer,
    ):
        await get_as(peer, "/ask", "host: shop.example.org", "content-length: 0", method="POST")
        assert await peer.event() == {"data": "because"}
        await server.shut_down()
        assert (await peer.event())["event"] == "stream-error"
        if version == "1.0":
            assert await peer.chunk() == b""
        else:
            with pytest.raises(Truncated):
                await peer.chunk()


@within(15)
@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_a_client_that_stalls_is_dropped_and_little_is_held_for_it(
    protocol: str, proxied: Proxied, certificate: Certificate
) -> None:
    """What is between us and it is filled first: nginx's own buffer, and those of the kernel."""
    sent, since, left, reasons = 0, 0.0, trio.Event(), list[str | None]()

    async def flood(aborted: Aborted) -> AsyncIterator[Any]:
        nonlocal sent, since
        try:
            while True:
                since = trio.current_time()
                yield {"data": "x" * 20_000}
                sent += 20_000
        finally:
            reasons.append(aborted.reason)
            left.set()

    app = App(send_timeout=0.5).add(SSE("/flood").handle(flood), Get("/hello").handle(lambda: "hello"))
    async with serving(app) as server, proxied(server) as front:
        if protocol == "h2":
            async with connected_by_http2(front.port, certificate) as both:
                await both.get("/flood")
                await left.wait()
        else:
            async with connected(front, certificate) as peer:
                await peer.get("/flood")
                await left.wait()
                assert 0.5 <= trio.current_time() - since < 1.5
                with pytest.raises(Truncated):
                    await until_the_end(peer)
        assert reasons == ["too_slow"]
        assert 64 * 1024 < sent < 1024 * 1024
        async with connected(front, certificate) as peer:
            assert await peer.json("/hello") == "hello", "nginx holds it against the server"
        assert "temporarily disabled" not in front.errors


# -- restarts


@within(15)
async def test_when_a_server_drains_its_clients_are_told_and_go_to_the_other(
    proxied: Proxied, certificate: Certificate
) -> None:
    """nginx asks a server that is gone once, and then no more until `fail_timeout` is over."""
    settings = {"reconnect_delay": (0.25, 0.25)}
    ports = {name: free_port() for name in ("one", "two")}
    apps = {name: Watched(name, settings=settings) for name in ports}
    binds = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    changes = {"fail_timeout=5s;": "fail_timeout=2s;"}
    async with (
        serving(apps["one"].app, bind=binds["one"], graceful_timeout=5) as first,
        serving(apps["two"].app, bind=binds["two"], graceful_timeout=5) as second,
        proxied(*binds.values(), changes=changes) as front,
        connected(front, certificate) as peer,
    ):
        await peer.get("/stream")
        gone = (await peer.event())["data"]
        stays = "two" if gone == "one" else "one"
        await (first if gone == "one" else second).shut_down()
        assert await peer.event() == {"retry": "250"}
        assert await peer.chunk() == b""
        assert apps[gone].reasons == ["draining"]

        for _ in range(6):  # of all workers of nginx
            async with connected(front, certificate) as new:
                assert (await new.json("/name"))["name"].startswith(stays)
        assert front.errors.count("Connection refused") == 1

        async with serving(apps[gone].app, bind=binds[gone]):
            while not (await peer.json("/name"))["name"].startswith(gone):  # noqa: ASYNC110 - only asking tells
                await trio.sleep(0.05)


@within(10)
async def test_without_a_server_an_eventsource_is_told_to_come_back(proxied: Proxied, certificate: Certificate) -> None:
    async with proxied(f"127.0.0.1:{free_port()}") as front, connected(front, certificate) as peer:
        head = await peer.get("/stream", accept="text/event-stream")
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        assert await peer.body(head) == b"retry: 3000\n"
        head = await peer.get("/name")
        assert (head.status, head.headers["retry-after"]) == (503, "3")


@within(10)
@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
async def test_what_may_have_been_acted_upon_is_not_sent_again(
    method: str, times: int, proxied: Proxied, certificate: Certificate
) -> None:
    requests: list[bytes] = []

    async def hang_up(stream: trio.SocketStream) -> None:
        requests.append(bytes(await stream.receive_some(65_536)))

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with proxied(f"127.0.0.1:{port}") as front, connected(front, certificate) as peer:
            head = await get_as(peer, "/orders", "host: 127.0.0.1", "content-length: 0", method=method)
            assert head.status == 503
        nursery.cancel_scope.cancel()
    assert [request.partition(b" ")[0] for request in requests] == [method.encode()] * times


@within(10)
async def test_streams_outlive_a_reload_of_nginx_and_end_when_its_old_workers_do(
    proxied: Proxied, certificate: Certificate
) -> None:
    watched = Watched()
    async with (
        serving(watched.app) as server,
        proxied(server, changes={"worker_shutdown_timeout 10m;": "worker_shutdown_timeout 1s;"}) as front,
        connected(front, certificate) as peer,
    ):
        await peer.get("/stream")
        assert (await peer.event())["id"] == "1"
        await front.reload()
        watched.say()
        assert (await peer.event())["id"] == "2"
        with pytest.raises(Truncated):
            await until_the_end(peer)
        await watched.left.wait()
    assert watched.reasons == ["client_gone"]


# -- refusals


@within(10)
@pytest.mark.parametrize(
    ("limits", "status"), [(Limits(streams=1), 503), (Limits(streams_per_client=1), 429)], ids=["503", "429"]
)
async def test_a_refusal_passes_as_it_is(
    limits: Limits, status: int, proxied: Proxied, certificate: Certificate
) -> None:
    watched = Watched(settings={"limits": limits, "reconnect_delay": (2, 2)})
    async with (
        serving(watched.app) as server,
        proxied(server) as front,
        connected(front, certificate) as taken,
        connected(front, certificate) as peer,
    ):
        await taken.get("/stream")
        assert (await taken.event())["id"] == "1"
        head = await peer.get("/stream")
        assert (head.status, head.headers["retry-after"]) == (status, "2")
        assert head.headers["content-type"] == "application/problem+json"
        assert json.loads(await peer.body(head))["status"] == status
        head = await peer.get("/stream", accept="text/event-stream")
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert await peer.body(head) == b"retry: 2000\n"


@within(10)
async def test_a_client_counts_by_the_address_that_nginx_has_seen(proxied: Proxied, certificate: Certificate) -> None:
    """Whatever it says of itself."""
    limits = Limits(streams_per_client=1, trusted_proxies=("127.0.0.1",))
    watched = Watched(settings={"limits": limits})
    async with (
        serving(watched.app) as server,
        proxied(server) as front,
        connected(front, certificate, source="127.0.0.2") as one,
        connected(front, certificate, source="127.0.0.3") as other,
        connected(front, certificate, source="127.0.0.2") as again,
    ):
        assert (await one.get("/stream")).status == 200
        assert (await other.get("/stream")).status == 200
        assert (await again.get("/stream", x_forwarded_for="192.0.2.1")).status == 429


# -- names and addresses


def show(request: Request) -> dict[str, str]:
    names = ("host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
    return {name: request.headers[name] for name in names}


@within(10)
async def test_the_app_sees_the_host_that_the_client_has_asked_for(proxied: Proxied, certificate: Certificate) -> None:
    limits = Limits(hosts=("shop.example.org",), origins=())
    app = App(limits=limits).add(Get("/").handle(show), Post("/").handle(lambda: "posted"))
    async with serving(app) as server, proxied(server) as front, connected(front, certificate) as peer:
        head = await get_as(peer, "/", "host: shop.example.org:8443")
        assert json.loads(await peer.body(head)) == {
            "host": "shop.example.org:8443",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-host": "shop.example.org:8443",
            "x-forwarded-proto": "https",
        }
        for origin, status in (("https://shop.example.org:8443", 200), ("https://shop.example.org", 403)):
            host = "host: shop.example.org:8443"
            head = await get_as(peer, "/", host, f"origin: {origin}", "content-length: 0", method="POST")
            assert (origin, head.status) == (origin, status)
            await peer.body(head)
        head = await get_as(peer, "/", "host: other.example.org")
        assert head.status == 421


@within(10)
async def test_under_a_prefix_paths_stay_as_they_were_sent(proxied: Proxied, certificate: Certificate) -> None:
    def greet(name: str, url: Callable[..., str]) -> list[str]:
        return [name, url("hello", name=name)]

    app = App().add(hello=Get("/hello/:name").handle(greet))
    async with (
        serving(app, root_path="/shop") as server,
        proxied(server, changes={"location / {": PREFIX.strip()}) as front,
        connected(front, certificate) as peer,
    ):
        assert await peer.json("/shop/hello/a%2Fb") == ["a/b", "/shop/hello/a%2Fb"]
        assert (await peer.get("/hello/world")).status == 404


@within(10)
async def test_without_tls_a_client_is_sent_to_where_there_is(proxied: Proxied, certificate: Certificate) -> None:
    async with proxied("127.0.0.1:1") as front, await trio.open_tcp_stream("127.0.0.1", front.plain_port) as stream:
        head = await get_as(Peer(stream), "/stream?room=blue", "host: shop.example.org")
        assert (head.status, head.headers["location"]) == (301, "https://shop.example.org/stream?room=blue")


@within(10)
async def test_requests_share_connections_to_the_app(proxied: Proxied, certificate: Certificate) -> None:
    app = App().add(Get("/client").handle(lambda request: request.client))
    async with serving(app) as server, proxied(server) as front, connected(front, certificate) as peer:
        assert len({(await peer.json("/client"))[1] for _ in range(5)}) == 1


# -- a browser

PAGE = """<!doctype html>
<meta charset="utf-8">
<script>
  const diary = []
  let changed = () => {}
  const source = new EventSource('/stream')
  source.onmessage = (event) => { diary.push([event.lastEventId, event.data]); changed() }
  const until = async (count) => {
    while (diary.length < count) await new Promise((resolve) => { changed = resolve })
    return diary
  }
</script>
"""


@within(30)
async def test_a_browser_goes_on_with_the_other_server_after_its_last_event(
    browse: Browse, proxied: Proxied, certificate: Certificate
) -> None:
    settings = {"reconnect_delay": (0.1, 0.1)}
    servers: dict[str, Server] = {}
    watched = {name: Watched(name, settings=settings) for name in ("one", "two")}
    page = Get("/").handle(lambda: Response(PAGE, media_type="text/html; charset=utf-8"))
    async with (
        serving(watched["one"].app.add(page), graceful_timeout=5) as servers["one"],
        serving(watched["two"].app.add(page), graceful_timeout=5) as servers["two"],
        proxied(*servers.values()) as front,
        browse() as browser,
    ):
        tab = await browser.open("about:blank")
        await browser.call("Security.setIgnoreCertificateErrors", tab._session, ignore=True)
        await tab.go_to(f"{front.url}/")
        [[_, first]] = await tab.evaluate("until(1)")
        watched[first].say()
        assert await tab.evaluate("until(2)") == [["1", first], ["2", first]]
        await servers[first].shut_down()
        other = "two" if first == "one" else "one"
        assert await tab.evaluate("until(3)") == [["1", first], ["2", first], ["3", other]]
        assert watched[other].resumed_from == ["2"]
        assert '"GET /stream HTTP/2.0" 200' in front.accesses
