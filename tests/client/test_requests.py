"""What a source asks for: headers, bodies, redirects, cookies, credentials."""

from __future__ import annotations

import attrs
import httpx2
import pytest
from trio.testing import MockClock

from trio_sse.client import BadResponse, ConnectionFailed, EventSource

from .scripted import Server, refusing, streaming

GONE = refusing(204)


async def read(source: EventSource) -> list[object]:
    async with source:
        return [event.data async for event in source]


async def test_the_request_is_that_of_an_event_source(autojump_clock: MockClock) -> None:
    server = Server(GONE)
    await read(server.source("http://server/a?b=c"))
    [request] = server.requests
    assert (request.method, str(request.url), request.content) == ("GET", "http://server/a?b=c", b"")
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["cache-control"] == "no-cache"
    assert "last-event-id" not in request.headers


async def test_headers_are_sent_with_each_request_and_replace_the_defaults(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"data: a\n\n"), GONE)
    await read(server.source(headers={"Accept": "*/*", "X-Name": "é", "authorization": "Bearer t"}))
    for request in server.requests:
        raw = dict(request.headers.raw)
        assert [value for name, value in request.headers.raw if name.lower() == b"accept"] == [b"*/*"]
        assert raw[b"x-name"] == "é".encode()
        assert raw[b"authorization"] == b"Bearer t"


async def test_a_header_that_is_none_is_not_sent(autojump_clock: MockClock) -> None:
    server = Server(GONE)
    await read(server.source(headers={"X-Name": None, "accept": None}))
    [request] = server.requests
    assert "x-name" not in request.headers
    assert request.headers["accept"] == "text/event-stream"


async def test_a_body_is_sent_again_with_each_connection(autojump_clock: MockClock) -> None:
    server = Server(streaming(b"id: 1\ndata: a\n\n"), refusing(503), GONE)
    await read(server.source(content="question", headers={"content-type": "text/plain"}))
    assert [(r.method, r.content) for r in server.requests] == [("POST", b"question")] * 3
    assert {r.headers["content-type"] for r in server.requests} == {"text/plain"}
    assert server.ids() == [None, "1", "1"]


async def test_json_is_written_as_events_are(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Question:
        text: str

    server = Server(GONE)
    await read(server.source(json=Question("why?")))
    [request] = server.requests
    assert (request.method, request.content) == ("POST", b'{"text":"why?"}')
    assert request.headers["content-type"] == "application/json"


async def test_json_null_is_a_body(autojump_clock: MockClock) -> None:
    server = Server(GONE)
    await read(server.source(json=None, method="PUT"))
    assert (server.requests[0].method, server.requests[0].content) == ("PUT", b"null")


# -- redirects: see test_redirects for what they send


async def test_redirects_without_end_are_final(autojump_clock: MockClock) -> None:
    server = Server(*[refusing(302, location="/")] * 21)
    with pytest.raises(ConnectionFailed, match="more than 20 redirects"):
        await read(server.source())
    assert server.open == 0


async def test_twenty_redirects_are_followed(autojump_clock: MockClock) -> None:
    server = Server(*[refusing(302, location="/")] * 20, GONE)
    assert await read(server.source()) == []


async def test_the_body_of_a_redirect_is_not_read(autojump_clock: MockClock) -> None:
    server = Server(refusing(302, *[b"x" * 65_536] * 1000, location="/there"), GONE)
    client = server.client(follow_redirects=True)
    await read(server.source(client=client))
    assert server.sent < 100 * 65_536


@pytest.mark.parametrize("location", ["ftp://other/", "http://server:port/"])
async def test_a_redirect_to_nowhere_is_final(location: str, autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location=location))
    client = httpx2.AsyncClient(mounts={"http://": server}) if location.startswith("ftp") else server.client()
    with pytest.raises(ConnectionFailed):
        await read(server.source(client=client))


async def test_a_redirect_without_a_place_is_a_bad_response(autojump_clock: MockClock) -> None:
    with pytest.raises(BadResponse, match="302"):
        await read(Server(refusing(302)).source())


# -- clients and secrets


async def test_a_client_of_the_users_stays_open_and_its_time_outs_do_not_count(autojump_clock: MockClock) -> None:
    server = Server(streaming(60, b"data: a\n\n"), GONE)
    client = server.client(timeout=1, headers={"x-name": "theirs"})
    assert await read(server.source(client=client)) == ["a"]
    assert not client.is_closed
    assert server.requests[0].headers["x-name"] == "theirs"
    assert server.requests[0].extensions["timeout"] == {"connect": None, "read": None, "write": None, "pool": None}


async def test_errors_do_not_tell_what_may_be_secret(autojump_clock: MockClock) -> None:
    with pytest.raises(BadResponse) as caught:
        await read(Server(refusing(403)).source("http://user:secret@server/stream?token=secret#secret"))
    assert "secret" not in str(caught.value)
    assert str(caught.value) == "http://server/stream: the response has status 403 Forbidden"


def test_a_url_that_is_none_is_told_at_once() -> None:
    with pytest.raises(httpx2.InvalidURL):
        EventSource("http://server:port/")
