"""Requests and limits: what is refused before any step runs, and which client a request counts for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.asgi import scope_of
from trio_sse import SSE, App, Get, HTTPError, Limits, Post, Request
from trio_sse._runtime.admission import Admission
from trio_sse.auth import bearer
from trio_sse.testing import TestClient


def status_of(limits: Limits, headers: Mapping[str, str], **scope: Any) -> int:
    """The status that a request is refused with; 200 where it is not."""
    try:
        Admission(limits).check(Request(scope_of("GET", "/", headers, **scope)))
    except HTTPError as refused:
        return refused.status
    return 200


# -- hosts

HOSTS = ("example.org", "*.wild.example", "shop.example:8443", "plain.example:80", "[::1]", "[2001:db8::1]:8000")

HOST_MATRIX = {
    # exact, on whatever port
    "example.org": True,
    "example.org:443": True,
    "example.org:65000": True,
    "example.org:": True,
    "EXAMPLE.Org": True,
    "Example.ORG:8080": True,
    # a wildcard is for the names below, however deep
    "a.wild.example": True,
    "a.b.wild.example:8000": True,
    "A.WILD.example": True,
    "wild.example": False,
    ".wild.example": False,
    "awild.example": False,
    "evil-wild.example": False,
    # with a port: that one; the scheme's own may be left out
    "shop.example:8443": True,
    "SHOP.example:8443": True,
    "shop.example:8444": False,
    "shop.example:443": False,
    "shop.example": False,
    "plain.example:80": True,
    "plain.example": True,
    "plain.example:8080": False,
    # IPv6
    "[::1]": True,
    "[::1]:8000": True,
    "[::2]": False,
    "::1": False,
    "[2001:db8::1]:8000": True,
    "[2001:DB8::1]:8000": True,
    "[2001:db8::1]": False,
    "[2001:db8::1]:80": False,
    # names that look like ours
    "evil-example.org": False,
    "evilexample.org": False,
    "example.org.evil": False,
    "example.org.": False,
    "example.orgevil": False,
    "example": False,
    "example.com": False,
    "sub.example.org": False,
    "a.wild.example.evil": False,
    "evil.example:80.wild.example": False,
    "evil.example/.wild.example": False,
    "evil.example#.wild.example": False,
    "user@a.wild.example": False,
    "example.org@evil.example": False,
    "example.org:80:80": False,
    "example.org:8a": False,
    "example.org:-1": False,
    "example.org, evil.example": False,
    "example.org evil.example": False,
    "http://example.org": False,
    "ex\u0430mple.org": False,  # a Cyrillic letter
    # nothing of the sort
    "": False,
    ":80": False,
    ".": False,
    "*": False,
    "*.wild.example": False,
    "[": False,
    "[]": False,
    "[::1": False,
    "127.0.0.1": False,
    "localhost": False,
}


@pytest.mark.parametrize(("host", "known"), HOST_MATRIX.items())
def test_an_app_answers_to_its_own_names_only(host: str, known: bool) -> None:
    assert status_of(Limits(hosts=HOSTS), {"host": host}) == (200 if known else 421)


def test_a_request_without_a_host_is_for_nobody() -> None:
    assert status_of(Limits(hosts=HOSTS), {}) == 421


@pytest.mark.parametrize("second", [b"example.org", b"evil.example", b""])
def test_a_request_with_two_hosts_is_for_nobody(second: bytes) -> None:
    """Whoever stands before the app might have read the other one."""
    scope = scope_of("GET", "/", {})
    scope["headers"] = [(b"host", b"example.org"), (b"host", second)]
    with pytest.raises(HTTPError) as raised:
        Admission(Limits(hosts=HOSTS)).check(Request(scope))
    assert raised.value.status == 421


@pytest.mark.parametrize("host", ["example.org", "", "anything:1"])
def test_without_a_list_every_host_is_answered_to(host: str) -> None:
    assert status_of(Limits(), {"host": host}) == 200


def test_an_empty_list_answers_to_nobody() -> None:
    assert status_of(Limits(hosts=()), {"host": "example.org"}) == 421


# -- origins

OWN = "shop.example"
ALLOWED = ("https://app.example", "http://dev.example:3000", "https://port.example:443", "app://desktop")

ORIGIN_MATRIX = {  # whether it is let in where the app itself speaks http, and https
    None: (True, True),
    # the app's own
    "https://shop.example": (True, True),
    "HTTPS://Shop.Example": (True, True),
    "https://shop.example:443": (True, True),
    "http://shop.example": (True, False),  # a proxy may speak TLS for an app that speaks http; the reverse is no page's
    # allowed by name
    "https://app.example": (True, True),
    "HTTPS://APP.EXAMPLE": (True, True),
    "http://dev.example:3000": (True, True),
    "https://port.example": (True, True),
    "app://desktop": (True, True),
    # another scheme or port is another origin
    "http://app.example": (False, False),
    "https://app.example:8443": (False, False),
    "http://dev.example": (False, False),
    "http://dev.example:3001": (False, False),
    "https://dev.example:3000": (False, False),
    "https://shop.example:8443": (False, False),
    "http://shop.example:443": (False, False),
    "ftp://shop.example": (False, False),
    "chrome-extension://shop.example": (False, False),
    # others, and what looks like ours
    "https://evil.example": (False, False),
    "https://evil-app.example": (False, False),
    "https://sub.app.example": (False, False),
    "https://app.example.evil": (False, False),
    "https://app.example.": (False, False),
    "https://shop.example.evil": (False, False),
    "https://evil-shop.example": (False, False),
    "https://user@shop.example": (False, False),
    "https://shop.example@evil.example": (False, False),
    "https://shop.example/": (False, False),
    "https://evil.example/https://shop.example": (False, False),
    "https://app.example https://evil.example": (False, False),
    "https://app.example, https://evil.example": (False, False),
    # opaque, or none at all
    "null": (False, False),
    "shop.example": (False, False),
    "//shop.example": (False, False),
    "https://": (False, False),
    "https://[": (False, False),
    "https://[::1": (False, False),
    "*": (False, False),
    "https://*": (False, False),
}


@pytest.mark.parametrize("cookies", [False, True], ids=["anonymous", "with credentials"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("origin", "let_in"), ORIGIN_MATRIX.items())
def test_pages_of_other_origins_are_let_in_by_name_only(
    origin: str | None, let_in: tuple[bool, bool], scheme: str, cookies: bool
) -> None:
    headers = {"host": OWN} | ({} if origin is None else {"origin": origin}) | ({"cookie": "a=1"} if cookies else {})
    expected = 200 if let_in[scheme == "https"] else 403
    assert status_of(Limits(origins=ALLOWED), headers, scheme=scheme) == expected


@pytest.mark.parametrize(
    ("host", "origin", "let_in"),
    [
        ("shop.example:8000", "http://shop.example:8000", True),
        ("shop.example:8000", "http://shop.example", False),
        ("shop.example:8000", "http://shop.example:8001", False),
        ("shop.example:443", "https://shop.example", True),  # as some proxies write it
        ("shop.example:80", "http://shop.example", True),
        ("shop.example:80", "https://shop.example", False),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("[::1]", "http://[::1]", True),
        ("[::1]:8000", "http://[::2]:8000", False),
        ("127.0.0.1:8000", "http://localhost:8000", False),
        ("", "http://shop.example", False),
        ("", "http://", False),
        ("", "null", False),
        ("", "", True),
    ],
)
def test_the_apps_own_origin_is_that_of_its_host(host: str, origin: str, let_in: bool) -> None:
    assert status_of(Limits(origins=()), {"host": host, "origin": origin}) == (200 if let_in else 403)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "https://["])
def test_without_a_list_every_page_is_let_in(origin: str | None) -> None:
    assert status_of(Limits(), {"host": OWN} | ({} if origin is None else {"origin": origin})) == 200


def test_two_origins_are_none() -> None:
    scope = scope_of("GET", "/", {"host": OWN})
    scope["headers"] += [(b"origin", b"https://app.example"), (b"origin", b"https://app.example")]
    with pytest.raises(HTTPError) as raised:
        Admission(Limits(origins=ALLOWED)).check(Request(scope))
    assert raised.value.status == 403


@given(origin=st.text(max_size=30), host=st.text(max_size=30))
def test_nothing_that_a_client_writes_is_an_error_of_ours(origin: str, host: str) -> None:
    status = status_of(Limits(origins=ALLOWED, hosts=HOSTS), {"host": host, "origin": origin})
    assert status in (200, 403, 421)


REBOUND = {"host": "evil.example:8000", "origin": "http://evil.example:8000"}


def test_a_rebound_name_passes_for_the_apps_own_origin_and_is_stopped_by_its_hosts() -> None:
    """DNS rebinding: a page's own name suddenly leads to our address, so its origin and our Host header agree."""
    assert status_of(Limits(origins=()), REBOUND) == 200
    assert status_of(Limits(origins=(), hosts=("localhost", "127.0.0.1")), REBOUND) == 421


def test_the_scheme_of_an_origin_may_have_punctuation() -> None:
    extension = Limits(origins=("chrome-extension://abcdefghijklmnop",))
    assert status_of(extension, {"host": OWN, "origin": "chrome-extension://abcdefghijklmnop"}) == 200
    assert status_of(extension, {"host": OWN, "origin": "chrome-extension://other"}) == 403


# -- sizes


@pytest.mark.parametrize(("length", "status"), [(0, 200), (9, 200), (10, 200), (11, 414), (10_000, 414)])
def test_a_query_string_has_a_size(length: int, status: int) -> None:
    assert status_of(Limits(query_bytes=10), {}, query_string=b"q" * length) == status


@pytest.mark.parametrize(("length", "status"), [(0, 200), (96, 200), (97, 431), (10_000, 431)])
def test_headers_have_a_size_together(length: int, status: int) -> None:
    headers = {"ab": "x" * (length // 2), "cd": "x" * (length - length // 2)}
    assert status_of(Limits(header_bytes=100), headers) == status


@pytest.mark.parametrize(("length", "query", "headers"), [(8192, 200, 200), (8193, 414, 200), (16_383, 414, 200)])
def test_the_default_sizes(length: int, query: int, headers: int) -> None:
    assert status_of(Limits(), {}, query_string=b"q" * length) == query
    assert status_of(Limits(), {"a": "x" * length}) == headers
    assert status_of(Limits(), {"a": "x" * (16 * 1024)}) == 431
    assert status_of(Limits(query_bytes=None, header_bytes=None), {"a": "x" * 100_000}, query_string=b"q" * 9000) == 200


# -- in an app


async def endless() -> AsyncIterator[Any]:
    yield {"data": "x"}


def never() -> None:
    raise AssertionError("no step runs for what is refused")


@pytest.mark.parametrize(
    ("limits", "headers", "target", "status", "detail"),
    [
        (Limits(hosts=("a.example",)), {"host": "b.example"}, "/", 421, "This server does not answer to that host."),
        (
            Limits(origins=()),
            {"host": "a.example", "origin": "https://b.example"},
            "/",
            403,
            "Pages of that origin may not use this server.",
        ),
        (Limits(query_bytes=3), {}, "/?abcd", 414, "The query string is too long."),
        (Limits(header_bytes=40), {"cookie": "a" * 35}, "/", 431, "The request's headers are too large."),
    ],
)
@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
async def test_what_is_refused_at_sight_has_a_real_status(
    limits: Limits, headers: dict[str, str], target: str, status: int, detail: str, accept: str
) -> None:
    """Also for an EventSource: it is wrong today and tomorrow, so it is to give up."""
    given = {**headers, "accept": accept}
    for route in (SSE("/").use(never).handle(endless), Get("/").use(never).handle(never)):
        app = App(limits=limits).add(route)
        reply = await TestClient(app).get(target, headers=given)
        assert (reply.status, reply.json()["detail"]) == (status, detail)
        assert "retry-after" not in reply.headers
    assert (await TestClient(App(limits=limits)).get("/nowhere" + target[1:], headers=given)).status == status


async def test_other_methods_are_held_against_them_too() -> None:
    app = App(limits=Limits(origins=())).add(Post("/").handle(lambda: "posted"))
    assert (await TestClient(app).post("/", headers={"host": OWN, "origin": "null"})).status == 403
    assert (await TestClient(app).request("OPTIONS", "/", headers={"host": OWN, "origin": "null"})).status == 403
    assert (await TestClient(app).post("/", headers={"host": OWN, "origin": f"http://{OWN}"})).json() == "posted"


async def test_an_authenticated_cross_site_request_is_refused_before_its_credentials_are_looked_at() -> None:
    def verify(token: str) -> str:
        raise AssertionError(token)

    app = App(limits=Limits(origins=())).add(Get("/").use(user=bearer(verify)).handle(never))
    headers = {"host": OWN, "origin": "https://evil.example", "authorization": "Bearer abc"}
    assert (await TestClient(app).get("/", headers=headers)).status == 403


# -- whose request it is

PROXIES = ("10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48")


def client_of(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = PROXIES) -> str:
    scope = scope_of("GET", "/", {}, client=None if peer is None else (peer, 50000))
    scope["headers"] = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Admission(Limits(trusted_proxies=proxies)).client_of(Request(scope))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # whoever is no proxy is the client, whatever it says
        ("198.51.100.1", (), "198.51.100.1"),
        ("198.51.100.1", ("203.0.113.9",), "198.51.100.1"),
        ("198.51.100.1", ("10.0.0.1, 10.0.0.2",), "198.51.100.1"),
        # one proxy; several
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("192.0.2.7", ("203.0.113.9",), "203.0.113.9"),
        ("192.0.2.8", ("203.0.113.9",), "192.0.2.8"),
        ("10.0.0.1", ("203.0.113.9, 10.0.0.2, 192.0.2.7",), "203.0.113.9"),
        ("10.0.0.1", (" 203.0.113.9 ,10.0.0.2",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9", "10.0.0.2"), "203.0.113.9"),
        # what the client itself has put there is on the left, and never looked at
        ("10.0.0.1", ("1.2.3.4, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("10.0.0.9, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("1.2.3.4", "203.0.113.9, 10.0.0.2"), "203.0.113.9"),
        ("10.0.0.1", ("garbage, 203.0.113.9",), "203.0.113.9"),
        # all of them proxies: the first
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        # nothing there: the proxy itself
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("unknown",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9, unknown, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("203.0.113.9,",), "10.0.0.1"),
        # HTTP knows two characters for white space, Python's strip() many more
        ("10.0.0.1", ("\t203.0.113.9 ",), "203.0.113.9"),
        ("10.0.0.1", ("\x1c203.0.113.9",), "10.0.0.1"),
        # with ports, as some proxies write it
        ("10.0.0.1", ("203.0.113.9:50123",), "203.0.113.9"),
        ("10.0.0.1", ("[2001:db8:1:2:3::4]:50123",), "2001:db8:1:2::/64"),
        ("10.0.0.1", ("[2001:db8:1:2:3::4]",), "2001:db8:1:2::/64"),
        # IPv6: who has one address has all that share its first half
        ("2001:db8:1:2::1", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", (), "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", (), "2001:db8:1:3::/64"),
        ("2001:db8:ffff::1", ("2001:db8:1:2::1",), "2001:db8:1:2::/64"),
        ("2001:db8:fffe::1", ("2001:db8:1:2::1",), "2001:db8:fffe::/64"),
        ("::1", (), "::/64"),
        # IPv4 by a socket for both
        ("::ffff:198.51.100.1", (), "198.51.100.1"),
        ("::ffff:10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("::ffff:203.0.113.9",), "203.0.113.9"),
        # not an address at all
        (None, (), ""),
        (None, ("203.0.113.9",), ""),
        ("testclient", ("203.0.113.9",), "testclient"),
    ],
)
def test_a_client_is_the_last_address_that_is_no_trusted_proxys(
    peer: str | None, forwarded: tuple[str, ...], client: str
) -> None:
    assert client_of(peer, *forwarded) == client


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", "::1"])
def test_nobody_is_trusted_unless_named(peer: str) -> None:
    assert client_of(peer, "203.0.113.9", proxies=()) == client_of(peer)


@given(forged=st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20), max_size=4))
def test_what_a_client_forges_never_counts(forged: list[str]) -> None:
    assert client_of("10.0.0.1", *forged, "203.0.113.9, 10.0.0.2") == "203.0.113.9"
