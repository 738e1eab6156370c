"""Authentication and expiry over real sockets: what foreign clients are told, and what they do about it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio

from trio_sse import SSE, Aborted, App, Get, Post, Response
from trio_sse.auth import basic, bearer, cookie, fixed_passwords

from .chromium import Browser
from .limits import within
from .npm import npm_eventsource
from .programs import running
from .serving import Certificate, serving
from .sockets import connected

LASTS = 0.3
"""Seconds that credentials are good for."""

EXPIRED = {"event": "stream-expired", "data": "null"}


@attrs.frozen
class Session:
    name: str
    expires_at: float


class House:
    """An app whose credentials are good for a moment, and what its streams saw."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.reasons: list[str | None] = []
        self.resumed_from: list[str | None] = []

    def open(self, name: str, seconds: float) -> None:
        self.sessions[name] = Session(name, time.time() + seconds)

    def page(self) -> Response:
        self.open("first", 1)
        cookies = {"set-cookie": "session=first; Path=/; HttpOnly; SameSite=Strict"}
        return Response(PAGE, media_type="text/html; charset=utf-8", headers=cookies)

    def renew(self) -> Response:
        self.open("second", 2)
        return Response(status=204, headers={"set-cookie": "session=second; Path=/; HttpOnly; SameSite=Strict"})

    def just_now(self, token: str) -> Session:
        return Session(token, time.time() + LASTS)

    async def stream(self, user: Session, aborted: Aborted, last_event_id: str | None) -> AsyncIterator[Any]:
        self.resumed_from.append(last_event_id)
        try:
            yield {"event": "welcome", "id": user.name, "data": user.name}
            await trio.sleep_forever()
        finally:
            self.reasons.append(aborted.reason)

    def app(self) -> App:
        return App().add(
            SSE("/token").use(user=bearer(self.just_now)).handle(self.stream),
            SSE("/cookie").use(user=cookie(self.sessions.get)).retry(500).handle(self.stream),
            SSE("/anybody").use(user=lambda: self.just_now("anybody")).use(until).retry(10).handle(self.stream),
            Post("/renew").handle(self.renew),
            Get("/").handle(self.page),
            Get("/password").use(user=basic(fixed_passwords({"ada": "pässwörd"}))).handle(lambda user: user),
        )


def until(user: Session, expire_at: Callable[[float], None]) -> None:
    expire_at(user.expires_at)


@within(10)
async def test_curl_is_told_how_to_authenticate(curl: str) -> None:
    async with serving(House().app()) as server:

        async def ask(path: str, *options: str) -> tuple[str, str]:
            written = r"%{http_code} %header{www-authenticate}\n"
            command = ("--silent", "--output", "/dev/null", "--write-out", written, *options, server.url + path)
            async with running(curl, *command) as program:
                status, _, challenge = (await program.line()).partition(" ")
                assert await program.wait() == 0
            return status, challenge

        assert await ask("/token") == ("401", 'Bearer realm="app"')
        assert await ask("/token", "--oauth2-bearer", "a b") == ("401", 'Bearer realm="app", error="invalid_token"')
        assert await ask("/cookie", "--cookie", "a=1") == ("401", 'Cookie realm="app", cookie-name="session"')
        assert await ask("/password") == ("401", 'Basic realm="app", charset="UTF-8"')
        assert await ask("/password", "--user", "ada:wrong") == ("401", 'Basic realm="app", charset="UTF-8"')
        assert await ask("/password", "--user", "ada:pässwörd") == ("200", "")


@within(10)
async def test_what_no_client_library_would_send_is_a_401() -> None:
    async with serving(House().app()) as server, connected(server.port) as peer:
        for lines in (
            b"authorization: Bearer a\r\nauthorization: Bearer a\r\n",
            b"authorization: Bearer \xff\r\n",
            b"authorization: Bearer\r\n",
            b"authorization:\r\n",
        ):
            await peer.send(b"GET /token HTTP/1.1\r\nhost: 127.0.0.1\r\n" + lines + b"\r\n")
            head = await peer.head()
            await peer.body(head)
            assert head.status == 401, lines
            assert head.headers["www-authenticate"].startswith('Bearer realm="app"')


@within(10)
@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "h2"])
async def test_a_stream_ends_in_order_when_its_token_expires(http2: bool, certificate: Certificate) -> None:
    house = House()
    async with (
        serving(house.app(), certificate=certificate) as server,
        httpx.AsyncClient(trust_env=False, timeout=5, http2=http2, verify=certificate.context()) as client,
    ):
        started = trio.current_time()
        response = await client.get(f"{server.url}/token", headers={"authorization": "Bearer abc"})
        assert LASTS - 0.1 < trio.current_time() - started < LASTS + 3
        assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert response.text == ":\nevent: welcome\nid: abc\ndata: abc\n\nevent: stream-expired\ndata: null\n\n"
        assert (await client.get(f"{server.url}/password")).status_code == 401, "the connection is good for more"
    assert house.reasons == ["expired"]


@within(15)
async def test_npm_eventsource_is_told_and_comes_back_where_it_was(node_modules: Path) -> None:
    house = House()
    async with (
        serving(house.app()) as server,
        npm_eventsource(f"{server.url}/anybody", "welcome", "stream-expired") as source,
    ):
        for _ in range(2):
            assert await source.event() == ("welcome", "anybody", "anybody")
            assert await source.event() == ("stream-expired", "", "null")  # it has no id, and takes none away
        assert await source.event() == ("welcome", "anybody", "anybody")
    assert house.resumed_from == [None, "anybody", "anybody"]
    assert house.reasons[:2] == ["expired", "expired"]


# Renews its session when it is told, and notes what happens until it is turned away.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Prices</title>
<script>
  const diary = []
  let renewed = false
  const turnedAway = new Promise((resolve) => {
    const source = new EventSource('/cookie')
    source.addEventListener('welcome', (event) => diary.push(['welcome', event.data]))
    source.addEventListener('stream-expired', async (event) => {
      diary.push(['stream-expired', event.lastEventId])
      if (renewed) return
      renewed = true
      await fetch('/renew', { method: 'POST' })
    })
    source.addEventListener('error', () => {
      diary.push(['error', source.readyState])
      if (source.readyState === EventSource.CLOSED) resolve(diary)
    })
  })
</script>
"""


@within(30)
async def test_a_page_comes_back_with_fresh_credentials_and_is_turned_away_without(
    browse: Callable[[], AbstractAsyncContextManager[Browser]],
) -> None:
    house = House()
    async with serving(house.app()) as server, browse() as browser:
        tab = await browser.open(f"{server.url}/")
        diary = await tab.evaluate("turnedAway")
    assert diary == [
        ["welcome", "first"],
        ["stream-expired", "first"],
        ["error", 0],
        ["welcome", "second"],
        ["stream-expired", "second"],
        ["error", 0],
        ["error", 2],
    ]
    assert house.resumed_from == [None, "first"]
    assert house.reasons == ["expired", "expired"]
