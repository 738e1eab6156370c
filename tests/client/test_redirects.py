"""Redirects: which method, headers, body, cookies and credentials the next request has."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from trio.testing import MockClock

from trio_sse.client import ConnectionFailed, EventSource

from .scripted import Answer, Server, refusing, streaming

GONE = refusing(204)
STATUSES = (301, 302, 303, 307, 308)
HERE = ("/there", "http://server/there", "http://server:80/there", "//server/there", "http://SERVER/there")
UPGRADE = "https://server/there"
ELSEWHERE = (
    "http://other/stream",
    "https://other/stream",
    "http://server:81/stream",
    "https://server:81/stream",
    "http://server.other/stream",
    "http://server@other/stream",
    "//other/stream",
)


async def read(source: EventSource) -> list[object]:
    async with source:
        return [event.data async for event in source]


def method_after(status: int, method: str) -> str:
    """WHATWG Fetch, "HTTP-redirect fetch", step 12."""
    if (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD")):
        return "GET"
    return method


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"q"), (308, "POST", b"q")],
)
async def test_redirects_follow_the_method_rules(
    status: int, method: str, body: bytes, autojump_clock: MockClock
) -> None:
    """RFC 9110, 15.4, as browsers read it (WHATWG Fetch, HTTP-redirect fetch)."""
    server = Server(refusing(status, location="/there"), streaming(b"data: a\n\n"), GONE)
    assert await read(server.source(content="q", last_event_id="5")) == ["a"]
    assert [str(r.url) for r in server.requests] == [
        "http://server/stream",
        "http://server/there",
        "http://server/stream",
    ]
    assert (server.requests[1].method, server.requests[1].content) == (method, body)
    assert server.ids()[1] == "5"
    assert server.open == 0


async def test_no_credentials_go_to_another_origin(autojump_clock: MockClock) -> None:
    server = Server(
        refusing(307, location="/elsewhere", set_cookie="session=1"),
        refusing(307, location="http://other/stream"),
        GONE,
    )
    client = server.client(auth=("user", "secret"))
    await read(server.source(client=client))
    first, second, third = server.requests
    assert first.headers["authorization"] == second.headers["authorization"] != ""
    assert second.headers["cookie"] == "session=1"
    assert third.url.host == "other"
    assert "authorization" not in third.headers
    assert "cookie" not in third.headers


async def test_an_authorization_header_does_not_go_to_another_origin(autojump_clock: MockClock) -> None:
    server = Server(refusing(308, location="http://other/stream"), GONE)
    await read(server.source(headers={"Authorization": "Bearer t"}))
    assert ["authorization" in request.headers for request in server.requests] == [True, False]


# -- the method and the body


@pytest.mark.parametrize("location", [*HERE, UPGRADE])
@pytest.mark.parametrize(
    ("status", "method"), list(product(STATUSES, ["GET", "POST", "PUT", "QUERY", "DELETE", "HEAD", "post"]))
)
async def test_within_an_origin_the_body_goes_with_the_method(
    location: str, status: int, method: str, autojump_clock: MockClock
) -> None:
    server = Server(refusing(status, location=location), GONE)
    await read(server.source(method=method, content="q", headers={"content-type": "text/q", "content-language": "tlh"}))
    _, request = server.requests
    kept = method_after(status, method.upper()) == method.upper()
    assert request.method == method_after(status, method.upper())
    assert request.content == (b"q" if kept else b"")
    described = {"content-type": "text/q", "content-language": "tlh", "content-length": "1"} if kept else {}
    assert {name: value for name, value in request.headers.items() if name.startswith("content-")} == described
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("location", ELSEWHERE)
@pytest.mark.parametrize(("status", "method"), list(product(STATUSES, ["GET", "POST", "PUT"])))
async def test_a_body_does_not_go_to_another_origin(
    location: str, status: int, method: str, autojump_clock: MockClock
) -> None:
    server = Server(refusing(status, location=location), GONE)
    source = server.source(method=method, content="secret")
    if method_after(status, method) == method:
        with pytest.raises(
            ConnectionFailed, match=rf"redirected \({status}\) to .*: .* not sent to another origin"
        ) as caught:
            await read(source)
        assert type(caught.value) is ConnectionFailed
        assert len(server.requests) == 1
    else:
        await read(source)
        assert (server.requests[1].method, server.requests[1].content) == ("GET", b"")
        assert not [name for name in server.requests[1].headers if name.startswith("content-")]
    assert server.open == 0


@pytest.mark.parametrize("status", STATUSES)
async def test_a_method_without_a_body_is_kept_as_within_an_origin(status: int, autojump_clock: MockClock) -> None:
    server = Server(refusing(status, location=ELSEWHERE[0]), GONE)
    await read(server.source(method="POST"))
    assert server.requests[1].method == method_after(status, "POST")
    assert server.requests[1].content == b""


# -- headers

CUSTOM = {
    "Authorization": "Bearer t",
    "Cookie": "session=1",
    "Proxy-Authorization": "Basic eA==",
    "X-Api-Key": "secret",
    "X-Tenant": "7",
    "Origin": "http://server",
    "Referer": "http://server/private",
    "Accept-Language": "tlh",
}


@pytest.mark.parametrize("location", [*HERE, UPGRADE])
@pytest.mark.parametrize("status", STATUSES)
async def test_within_an_origin_all_headers_are_sent(location: str, status: int, autojump_clock: MockClock) -> None:
    server = Server(refusing(status, location=location), GONE)
    await read(server.source(headers=CUSTOM, last_event_id="5"))
    first, second = (dict(request.headers) for request in server.requests)
    assert first == second
    assert CUSTOM.items() <= {name: second[name.lower()] for name in CUSTOM}.items()
    assert second["last-event-id"] == "5"


@pytest.mark.parametrize("location", ELSEWHERE)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("of_the_client", [False, True])
async def test_only_what_describes_the_client_goes_to_another_origin(
    location: str, status: int, of_the_client: bool, autojump_clock: MockClock
) -> None:
    server = Server(refusing(status, location=location), GONE)
    client = server.client(headers=CUSTOM if of_the_client else {})
    await read(server.source(client=client, headers={} if of_the_client else CUSTOM, last_event_id="5"))
    request = server.requests[1]
    assert dict(request.headers) == {
        "host": request.url.netloc.decode(),
        "accept": "text/event-stream",
        "accept-encoding": server.requests[0].headers["accept-encoding"],
        "accept-language": "tlh",
        "cache-control": "no-cache",
        "connection": "keep-alive",
        "user-agent": server.requests[0].headers["user-agent"],
        **({"authorization": "Basic c2VydmVyOg=="} if "@" in location else {}),  # the URL's own
    }


@pytest.mark.parametrize("options", [{"headers": CUSTOM}, {"client_auth": True}, {"user": True}])
async def test_what_has_left_once_does_not_come_back(options: dict[str, Any], autojump_clock: MockClock) -> None:
    """The second server has chosen the URL at the first one."""
    server = Server(refusing(302, location="http://other/"), refusing(302, location="http://server/delete?all"), GONE)
    client = server.client(auth=("user", "secret") if options.get("client_auth") else None, cookies={"session": "1"})
    url = "http://user:secret@server/" if options.get("user") else "http://server/"
    await read(server.source(url, client=client, headers=options.get("headers"), last_event_id="5"))
    for request in server.requests[1:]:
        assert not {"authorization", "cookie", "x-api-key", "last-event-id"} & set(request.headers)


async def test_every_attempt_begins_at_home(autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location="http://other/"), refusing(503), streaming(b"id: 6\ndata: a\n\n"), GONE)
    await read(server.source(headers=CUSTOM, last_event_id="5"))
    assert [str(request.url) for request in server.requests] == [
        "http://server/stream",
        "http://other/",
        "http://server/stream",
        "http://server/stream",
    ]
    assert server.ids() == ["5", None, "5", "6"]


async def test_from_https_to_http_is_another_origin(autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location="https://server/"), refusing(302, location="http://server/"), GONE)
    await read(server.source(headers=CUSTOM))
    assert ["x-api-key" in request.headers for request in server.requests] == [True, True, False]


async def test_the_host_header_is_that_of_the_location(autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location="/a"), refusing(302, location="http://other:8080/"), GONE)
    await read(server.source(headers={"Host": "virtual"}))
    assert [request.headers["host"] for request in server.requests] == ["virtual", "virtual", "other:8080"]


# -- credentials and cookies of a client


@pytest.mark.parametrize(
    ("location", "sent"), [(HERE[0], True), (HERE[1], True), (UPGRADE, True), (ELSEWHERE[0], False)]
)
@pytest.mark.parametrize("way", ["client", "url"])
async def test_credentials_stay_at_home(location: str, sent: bool, way: str, autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location=location), GONE)
    client = server.client(auth=("user", "secret") if way == "client" else None)
    await read(server.source("http://user:secret@server/" if way == "url" else "http://server/", client=client))
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert ("authorization" in server.requests[1].headers) is sent


async def test_cookies_that_no_domain_has_set_stay_at_home(autojump_clock: MockClock) -> None:
    server = Server(
        refusing(302, location="/there", set_cookie="b=2"),
        refusing(302, location="http://other/", set_cookie="c=3"),
        refusing(302, location="http://other/again", set_cookie="d=4"),
        GONE,
    )
    await read(server.source(client=server.client(cookies={"a": "1"})))
    cookies = [set(re.findall(r"\w=\d", request.headers.get("cookie", ""))) for request in server.requests]
    assert cookies == [{"a=1"}, {"a=1", "b=2"}, set(), {"d=4"}]


async def test_parameters_of_the_client_are_for_the_first_url(autojump_clock: MockClock) -> None:
    server = Server(refusing(302, location="/there"), GONE)
    await read(server.source(client=server.client(params={"key": "secret"})))
    assert [request.url.query for request in server.requests] == [b"key=secret", b""]


# -- where to


@pytest.mark.parametrize("location", ["ftp://user:secret@other/?secret#secret", "file:///etc/passwd", "ws://server/"])
async def test_only_http_is_followed(location: str, autojump_clock: MockClock) -> None:
    with pytest.raises(ConnectionFailed, match=r"redirected to .*, which is not an HTTP URL") as caught:
        await read(Server(refusing(302, location=location)).source())
    assert "secret" not in str(caught.value)


async def test_other_statuses_with_a_location_are_answers(autojump_clock: MockClock) -> None:
    for status in (201, 300, 304, 305, 306, 404):
        with pytest.raises(ConnectionFailed, match=f"the response has status {status}"):
            await read(Server(Answer((), status=status, headers={"location": "/there"})).source())
