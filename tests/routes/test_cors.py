"""CORS as a setting of the app: which origins, preflights, and the headers of every response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from trio_sse import CORS, SSE, App, Get, Mount, NotFound, Post
from trio_sse.errors import BuildError
from trio_sse.testing import TestClient, TestResponse

PAGE = "https://page.example"
OTHER = "https://other.example"
ALLOWED = "access-control-allow-"


async def events() -> AsyncIterator[Any]:
    yield {"data": 1}


def value() -> int:
    return 1


def missing() -> None:
    raise NotFound("There is none.")


def app_with(cors: CORS) -> App:
    return App(cors=cors).add(
        SSE("/events").handle(events),
        Get("/value").handle(value),
        Post("/value").handle(value),
        Get("/no").handle(missing),
    )


async def ask(cors: CORS, target: str, origin: str | None, method: str = "GET", **headers: str) -> TestResponse:
    sent = {"origin": origin, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return await TestClient(app_with(cors)).request(method, target, headers=sent)


def cors_headers(reply: TestResponse) -> dict[str, str]:
    return {name: text for name, text in reply.headers.items() if name.startswith("access-control") or name == "vary"}


@pytest.mark.parametrize("target", ["/events", "/value", "/no", "/nowhere", "/value?a=%ff"])
async def test_a_page_may_read_every_response(target: str) -> None:
    reply = await ask(CORS(origins=PAGE), target, PAGE)
    assert cors_headers(reply) == {f"{ALLOWED}origin": PAGE, "vary": "Origin"}


async def test_a_wrong_method_may_be_read_too() -> None:
    reply = await ask(CORS(origins=PAGE), "/value", PAGE, "DELETE")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (405, PAGE)


@pytest.mark.parametrize("origin", [OTHER, None, "null", PAGE + ".evil.example", "http://page.example", PAGE + ":444"])
async def test_other_origins_may_not_read_and_caches_are_told(origin: str | None) -> None:
    reply = await ask(CORS(origins=[PAGE]), "/value", origin)
    assert reply.status == 200
    assert cors_headers(reply) == {"vary": "Origin"}


async def test_all_origins() -> None:
    reply = await ask(CORS(origins="*"), "/events", OTHER)
    assert cors_headers(reply) == {f"{ALLOWED}origin": "*"}


async def test_credentials_and_readable_headers() -> None:
    reply = await ask(CORS(origins=[PAGE], credentials=True, expose=["X-Request-Id", "etag"]), "/value", PAGE)
    assert cors_headers(reply) == {
        f"{ALLOWED}origin": PAGE,
        f"{ALLOWED}credentials": "true",
        "access-control-expose-headers": "etag, x-request-id",
        "vary": "Origin",
    }


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Page.Example", PAGE),
        ("https://page.example:443", PAGE),
        ("http://localhost:8080", "http://localhost:8080"),
        ("null", "null"),
    ],
)
async def test_an_origin_is_written_as_browsers_write_it(given: str, origin: str) -> None:
    reply = await ask(CORS(origins=given), "/value", origin)
    assert reply.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("asked", ["last-event-id", "Cache-Control, Last-Event-ID", "x-other", "", "bad header"])
async def test_a_preflight_is_answered_without_a_route(asked: str) -> None:
    """With all names, whatever it asks for: a browser keeps the permission for a client that reconnects with an id."""
    reply = await ask(
        CORS(origins=PAGE),
        "/value",
        PAGE,
        "OPTIONS",
        access_control_request_method="POST",
        access_control_request_headers=asked,
    )
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert cors_headers(reply) == {
        f"{ALLOWED}origin": PAGE,
        f"{ALLOWED}methods": "GET, HEAD, OPTIONS, POST",
        f"{ALLOWED}headers": "cache-control, content-type, last-event-id",
        "access-control-max-age": "600",
        "vary": "Origin",
    }


async def test_no_headers_may_be_allowed() -> None:
    cors = CORS(origins=PAGE, headers=())
    reply = await ask(cors, "/value", PAGE, "OPTIONS", access_control_request_method="POST")
    assert f"{ALLOWED}headers" not in reply.headers


async def test_all_headers_may_be_allowed_and_are_named_because_of_credentials() -> None:
    reply = await ask(
        CORS(origins=PAGE, headers="*", credentials=True, max_age=0),
        "/events",
        PAGE,
        "OPTIONS",
        access_control_request_method="GET",
        access_control_request_headers="X-A, authorization,bad header",
    )
    assert reply.headers["access-control-allow-headers"] == "x-a, authorization"
    assert reply.headers["vary"] == "Origin, Access-Control-Request-Headers"
    assert reply.headers["access-control-max-age"] == "0"


async def test_a_preflight_of_another_origin_gets_no_permission() -> None:
    reply = await ask(CORS(origins=PAGE), "/value", OTHER, "OPTIONS", access_control_request_method="POST")
    assert reply.status == 204
    assert cors_headers(reply) == {"vary": "Origin"}


async def test_a_plain_options_request_is_no_preflight() -> None:
    reply = await ask(CORS(origins=PAGE), "/value", PAGE, "OPTIONS")
    assert cors_headers(reply) == {f"{ALLOWED}origin": PAGE, "vary": "Origin"}


async def test_a_mounted_app_answers_for_itself() -> None:
    asked: list[str] = []

    async def other(scope: Any, _receive: Any, send: Any) -> None:
        asked.append(scope["method"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = app_with(CORS(origins=PAGE)).add(Mount("/other", other))
    headers = {"origin": PAGE, "access-control-request-method": "GET"}
    reply = await TestClient(app).request("OPTIONS", "/other/x", headers=headers)
    assert asked == ["OPTIONS"]
    assert cors_headers(reply) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"origins": "page.example"}, "CORS(origins=…): 'page.example' is not an origin"),
        ({"origins": ["https://page.example/path"]}, "is not an origin"),
        ({"origins": []}, "allows nothing"),
        ({"origins": "*", "credentials": True}, "name the origins for credentials"),
        ({"origins": ["*", PAGE]}, "is for all sites"),
        ({"origins": PAGE, "headers": ["bad header"]}, "CORS(headers=…): 'bad header' is not the name of a header"),
        ({"origins": PAGE, "expose": [""]}, "CORS(expose=…): '' is not the name of a header"),
        ({"origins": PAGE, "max_age": -1}, "CORS(max_age=…) is a number of seconds, not -1"),
    ],
)
def test_a_mistake_is_found_when_the_app_is_built(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError) as raised:
        CORS(**settings)
    assert message in str(raised.value)
