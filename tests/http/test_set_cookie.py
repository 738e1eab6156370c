"""Set-Cookie: the header for each attribute, its defaults, and what a browser would refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from trio_sse import Redirect, Response
from trio_sse._http.set_cookie import deleted_cookie, set_cookie

REST = "; Path=/; Secure; HttpOnly; SameSite=Lax"
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("attributes", "header"),
    [
        ({}, "a=b" + REST),
        ({"max_age": 60}, "a=b; Max-Age=60" + REST),
        ({"max_age": 59.9}, "a=b; Max-Age=59" + REST),
        ({"max_age": None}, "a=b" + REST),
        (
            {"expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)},
            "a=b; Expires=Wed, 02 Jan 2030 03:04:05 GMT" + REST,
        ),
        (
            {"expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=EAST)},
            "a=b; Expires=Wed, 02 Jan 2030 01:04:05 GMT" + REST,
        ),
        ({"path": "/shop"}, "a=b; Path=/shop; Secure; HttpOnly; SameSite=Lax"),
        ({"domain": "example.org"}, "a=b; Path=/; Domain=example.org; Secure; HttpOnly; SameSite=Lax"),
        ({"secure": False}, "a=b; Path=/; HttpOnly; SameSite=Lax"),
        ({"http_only": False}, "a=b; Path=/; Secure; SameSite=Lax"),
        ({"same_site": "strict"}, "a=b; Path=/; Secure; HttpOnly; SameSite=Strict"),
        ({"same_site": "none"}, "a=b; Path=/; Secure; HttpOnly; SameSite=None"),
    ],
)
def test_each_attribute_has_its_place(attributes: dict[str, Any], header: str) -> None:
    assert set_cookie("a", "b", **attributes) == header


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\n", '"a"'])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="name is letters, digits"):
        set_cookie(name, "b")


@pytest.mark.parametrize("value", ["a b", "a;b", "a,b", 'a"b', "a\\b", "é", "a\r\nset-cookie: c=d", "\x7f"])
def test_a_value_with_other_characters_has_to_be_encoded(value: str) -> None:
    with pytest.raises(ValueError, match="encode it"):
        set_cookie("a", value)


def test_a_value_has_all_characters_that_a_cookie_can_have() -> None:
    every = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
    assert set_cookie("a", every).startswith(f"a={every}; ")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"path": "/a;b"}, "the path of the cookie 'a'"),
        ({"path": ""}, "the path of the cookie 'a'"),
        ({"domain": "a\nb"}, "the domain of the cookie 'a'"),
        ({"same_site": "Lax"}, "same_site is 'strict', 'lax' or 'none'"),
        ({"same_site": "none", "secure": False}, "browsers refuse the cookie 'a'"),
        ({"expires": datetime(2030, 1, 1)}, "has no time zone"),
    ],
)
def test_an_attribute_that_a_browser_refuses_is_an_error(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        set_cookie("a", "b", **attributes)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("__Secure-a", {"secure": False}),
        ("__Host-a", {"secure": False}),
        ("__Host-a", {"path": "/shop"}),
        ("__host-a", {"domain": "example.org"}),
    ],
)
def test_the_prefixes_have_rules(name: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="browsers refuse the cookie"):
        set_cookie(name, "b", **attributes)
    assert set_cookie(name, "b").startswith(f"{name}=b; Path=/; Secure")


def test_a_cookie_is_deleted_where_it_was_set() -> None:
    assert deleted_cookie("a", path="/shop", domain="example.org") == (
        "a=; Max-Age=0; Path=/shop; Domain=example.org; Secure; HttpOnly; SameSite=Lax"
    )


def test_a_response_with_a_cookie_is_another_response() -> None:
    shared = Response("hello", media_type="text/html", headers={"x": "1"})
    one = shared.set_cookie("a", "b", secure=False).delete_cookie("c")
    assert shared == Response("hello", media_type="text/html", headers={"x": "1"})
    assert one.headers == (
        ("x", "1"),
        ("set-cookie", "a=b; Path=/; HttpOnly; SameSite=Lax"),
        ("set-cookie", "c=; Max-Age=0" + REST),
    )
    assert (one.content, one.media_type, one.status) == ("hello", "text/html", 200)
    assert "a=b" not in repr(one), "a cookie may be secret"


def test_a_redirect_takes_a_cookie_along() -> None:
    response = Redirect("/").set_cookie("a", "b")
    assert response.status == 303
    assert response.headers == (("location", "/"), ("set-cookie", "a=b" + REST))


@pytest.mark.parametrize(
    ("location", "header"),
    [
        ("/", "/"),
        ("/a b/é?q=ü#x", "/a%20b/%C3%A9?q=%C3%BC#x"),
        ("/a%20b", "/a%20b"),
        ("https://example.org/?a=b&c=[d]", "https://example.org/?a=b&c=[d]"),
        ("/a\r\nset-cookie: b=c", "/a%0D%0Aset-cookie:%20b=c"),
        ("", ""),
    ],
)
def test_the_location_of_a_redirect_is_quoted(location: str, header: str) -> None:
    assert Redirect(location).headers == (("location", header),)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_has_a_status_of_its_own(status: int) -> None:
    assert Redirect("/", status=status).header_pairs() == ((b"location", b"/"), (b"content-length", b"0"))


@pytest.mark.parametrize("status", [200, 204, 300, 304, 305, 400])
def test_another_status_is_no_redirect(status: int) -> None:
    with pytest.raises(ValueError, match="a redirect has the status 301"):
        Redirect("/", status=status)
