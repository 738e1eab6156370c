"""What a request of the testing kit carries: a host, cookies, forms, files."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.message import Message
from email.utils import formatdate
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from trio_sse import App, Get, Headers, Limits, Post, Response
from trio_sse.testing import TestClient


def show_headers(headers: Headers) -> dict[str, str]:
    return dict(headers)


def show_body(body: bytes) -> Response:
    return Response(body)


APP = App().add(
    Get("/").handle(show_headers),
    Get("/shop/cart").handle(show_headers),
    Get("/shopping").handle(show_headers),
    Post("/").handle(show_headers),
    Post("/body").handle(show_body),
)


# -- the host


async def test_a_host_is_sent_as_any_client_does(autojump_clock: MockClock) -> None:
    assert (await TestClient(APP).get("/")).json()["host"] == "127.0.0.1:8000"


@pytest.mark.parametrize("name", ["host", "Host"])
async def test_another_host_takes_its_place(name: str, autojump_clock: MockClock) -> None:
    client = TestClient(APP, headers={name: "shop.example"})
    assert (await client.get("/")).json()["host"] == "shop.example"
    strict = TestClient(App(limits=Limits(hosts=["shop.example"])).add(Get("/").handle(show_headers)))
    assert (await strict.get("/")).status == 421
    assert (await strict.get("/", headers={name: "shop.example"})).status == 200


# -- cookies


def setting(*cookies: str, path: str = "/") -> App:
    """An app that answers one path with cookies."""

    def answer() -> Response:
        return Response("", headers=[("set-cookie", cookie) for cookie in cookies])

    return App().add(
        Get(path).handle(answer), Get("/shown").handle(show_headers), Get("/shop/shown").handle(show_headers)
    )


async def sent_after(*cookies: str, path: str = "/", to: str = "/shown") -> str | None:
    """The Cookie header that a client sends after it has been given cookies."""
    client = TestClient(setting(*cookies, path=path))
    await client.get(path)
    found: str | None = (await client.get(to)).json().get("cookie")
    return found


@pytest.mark.parametrize(
    ("cookies", "sent"),
    [
        ([], None),
        (["session=abc"], "session=abc"),
        (["session=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Domain=shop.example"], "session=abc"),
        (["a=1", "b=2"], "a=1; b=2"),
        (["a=1", "a=2"], "a=2"),
        (["a=1; Path=/", "a=2; Path=/shown"], "a=2; a=1"),
        (['a="1 2"'], 'a="1 2"'),
        (["a=b=c"], "a=b=c"),
        (["a="], "a="),
        (["a=1; Max-Age=0"], None),
        (["a=1", "a=; Max-Age=-1"], None),
        (["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
        (["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5"], "a=1"),
        (["a=1; Expires=soon; Max-Age=soon"], "a=1"),
        (["nothing", "=1"], None),
    ],
    ids=str,
)
async def test_what_a_response_sets_is_sent_later(
    cookies: list[str], sent: str | None, autojump_clock: MockClock
) -> None:
    assert await sent_after(*cookies) == sent


@pytest.mark.parametrize(
    ("cookie", "path", "to", "sent"),
    [
        ("a=1; Path=/shop", "/", "/shop/shown", True),
        ("a=1; Path=/shop/", "/", "/shop/shown", True),
        ("a=1; Path=/shop", "/", "/shown", False),
        ("a=1; Path=/sho", "/", "/shown", False),
        ("a=1", "/shop/login", "/shop/shown", True),
        ("a=1", "/shop/login", "/shown", False),
        ("a=1; Path=shop", "/login", "/shown", True),
    ],
)
async def test_a_cookie_belongs_to_a_path(
    cookie: str, path: str, to: str, sent: bool, autojump_clock: MockClock
) -> None:
    assert (await sent_after(cookie, path=path, to=to) is not None) is sent


async def test_a_cookie_expires_in_the_time_of_trio(autojump_clock: MockClock) -> None:
    client = TestClient(
        setting("a=1; Max-Age=60", f"b=2; Expires={formatdate(time.time() + 3600, usegmt=True)}", "c=3")
    )
    await client.get("/")
    await trio.sleep(59)
    assert "a" in client.cookies
    await trio.sleep(1)
    assert "a" not in client.cookies
    await trio.sleep(60 * 60)
    assert dict(client.cookies) == {"c": "3"}


async def test_cookies_may_be_given_and_changed(autojump_clock: MockClock) -> None:
    client = TestClient(APP, cookies={"session": "abc"})
    client.cookies["theme"] = "dark"
    assert (await client.get("/shop/cart")).json()["cookie"] == "session=abc; theme=dark"
    del client.cookies["session"]
    assert (await client.get("/")).json()["cookie"] == "theme=dark"
    assert (len(client.cookies), client.cookies["theme"]) == (1, "dark")
    with pytest.raises(KeyError):
        del client.cookies["session"]
    client.cookies.clear()
    assert "cookie" not in (await client.get("/")).json()
    assert repr(client.cookies) == "<CookieJar with no cookies>"


async def test_a_header_of_the_requests_own_is_sent_alone(autojump_clock: MockClock) -> None:
    client = TestClient(APP, cookies={"session": "abc"})
    assert (await client.get("/", headers={"Cookie": "other=1"})).json()["Cookie".lower()] == "other=1"


async def test_a_stream_sets_cookies_when_it_starts(autojump_clock: MockClock) -> None:
    client = TestClient(setting("session=abc"))
    async with client.stream("/"):
        assert client.cookies["session"] == "abc"


# -- forms


async def test_a_form(autojump_clock: MockClock) -> None:
    client, form = TestClient(APP), {"what": "tea & milk", "tag": ["a", "b"], "number": 5}
    assert (await client.post("/body", form=form)).text == "what=tea+%26+milk&tag=a&tag=b&number=5"
    assert (await client.post("/", form=form)).json()["content-type"] == "application/x-www-form-urlencoded"


async def sent_parts(**options: Any) -> list[tuple[str, str, bytes]]:
    """The parts of a form with files, as the standard library reads them."""
    client = TestClient(APP)
    media_type = (await client.post("/", **options)).json()["content-type"]
    body = (await client.post("/body", **options)).body
    message = message_from_bytes(b"Content-Type: " + media_type.encode() + b"\r\n\r\n" + body)
    parts = cast("list[Message]", message.get_payload())
    return [
        (part["content-disposition"], part.get_content_type(), cast("bytes", part.get_payload(decode=True)))
        for part in parts
    ]


async def test_a_form_with_files(autojump_clock: MockClock) -> None:
    files = {"one": b"1\r\n2", "two": ("a.txt", b"text"), "three": ("b.png", b"\x89PNG", "image/png")}
    assert await sent_parts(form={"name": "tea", "tag": ["a", "b"]}, files=files) == [
        ('form-data; name="name"', "text/plain", b"tea"),
        ('form-data; name="tag"', "text/plain", b"a"),
        ('form-data; name="tag"', "text/plain", b"b"),
        ('form-data; name="one"; filename="one"', "application/octet-stream", b"1\r\n2"),
        ('form-data; name="two"; filename="a.txt"', "application/octet-stream", b"text"),
        ('form-data; name="three"; filename="b.png"', "image/png", b"\x89PNG"),
    ]


async def test_a_file_may_contain_a_boundary(autojump_clock: MockClock) -> None:
    [(_, _, content)] = await sent_parts(files={"one": b"--boundary-0\r\n--boundary-1\r\n"})
    assert content == b"--boundary-0\r\n--boundary-1\r\n"


async def test_a_name_cannot_start_another_header(autojump_clock: MockClock) -> None:
    [(disposition, _, _)] = await sent_parts(files={'a"\r\nb': b""})
    assert disposition == 'form-data; name="a%22%0D%0Ab"; filename="a%22%0D%0Ab"'


async def test_a_content_type_of_the_requests_own_stays(autojump_clock: MockClock) -> None:
    reply = await TestClient(APP).post("/", form={}, headers={"Content-Type": "text/odd"})
    assert reply.json()["content-type"] == "text/odd"


@pytest.mark.parametrize(
    "options", [{"json": 1, "form": {}}, {"json": 1, "body": b"1"}, {"files": {}, "body": b"1"}], ids=str
)
async def test_a_request_has_one_body(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="one body"):
        await TestClient(APP).request("POST", "/", **options)
