"""Errors in the app's own shape: one function answers every error, and makes the data of a failed stream's event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from trio_sse import (
    SSE,
    App,
    EventStream,
    Get,
    HTTPError,
    Limits,
    NotFound,
    Post,
    Redirect,
    Request,
    Response,
    Unauthorized,
)
from trio_sse.errors import BuildError, HTTPException, MethodNotAllowed, NoContent, ServiceUnavailable
from trio_sse.testing import TestClient, TestResponse

EVENTS = {"accept": "text/event-stream"}


def shape(error: HTTPException, _request: Request) -> Response:
    return Response({"error": {"message": error.detail or error.title, "code": error.status}}, status=error.status)


@attrs.frozen
class Order:
    number: int


def take(body: Order) -> int:
    return body.number


def broken() -> None:
    raise LookupError("secret")


def credentials() -> None:
    raise Unauthorized("Log in.")


def refuse() -> bool:
    return False


def teapot() -> None:
    raise HTTPError("Short and stout.", status=418, headers={"x-tea": "1"})


async def events() -> AsyncIterator[Any]:
    yield {"data": 1}


APP = App(error_response=shape, limits=Limits(hosts=["127.0.0.1"])).add(
    Post("/orders").body(Order, max_size=100).handle(take),
    Get("/broken").handle(broken),
    Get("/login").use(credentials).handle(broken),
    Get("/no").guard(refuse).handle(broken),
    Get("/teapot").handle(teapot),
    SSE("/events").handle(events),
)


def shown(reply: TestResponse) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert error["code"] == reply.status
    return reply.status, error["message"]


@pytest.mark.parametrize(
    ("method", "target", "options", "expected"),
    [
        ("GET", "/nowhere", {}, (404, "There is nothing at this path.")),
        ("DELETE", "/orders", {}, (405, "This path allows OPTIONS, POST.")),
        (
            "GET",
            "/events",
            {"headers": {"accept": "text/html"}},
            (406, "This path gives text/event-stream."),
        ),
        ("POST", "/orders", {"body": b"{", "headers": {"content-type": "application/json"}}, (400, None)),
        ("POST", "/orders", {"json": {"number": "x"}}, (422, None)),
        ("POST", "/orders", {"body": b"1"}, (415, None)),
        ("POST", "/orders", {"json": "x" * 200}, (413, None)),
        ("GET", "/login", {}, (401, "Log in.")),
        ("GET", "/no", {}, (403, "Forbidden")),
        ("GET", "/teapot", {}, (418, "Short and stout.")),
        ("GET", "/no", {"headers": {"host": "evil.example"}}, (421, None)),
    ],
)
async def test_every_error_has_the_apps_shape(
    method: str, target: str, options: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    status, message = shown(await TestClient(APP).request(method, target, **options))
    assert status == expected[0]
    assert message == expected[1] or expected[1] is None


async def test_an_unexpected_error_has_it_too_and_is_raised() -> None:
    async with TestClient(APP).stream("/broken") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert json.loads(stream.raw) == {"error": {"message": "Internal Server Error", "code": 500}}
    assert b"secret" not in stream.raw


async def test_what_a_status_demands_is_kept() -> None:
    reply = await TestClient(APP).request("DELETE", "/orders")
    assert reply.headers["allow"] == "OPTIONS, POST"
    assert (await TestClient(APP).get("/login")).headers["www-authenticate"] == "Bearer"
    assert (await TestClient(APP).get("/teapot")).headers["x-tea"] == "1"


async def test_the_function_knows_the_cause_and_the_request() -> None:
    seen: list[Any] = []

    def note(error: HTTPException, request: Request) -> Response:
        seen.append((type(error), type(error.__cause__), request.path))
        return Response(status=error.status)

    app = App(error_response=note).add(Get("/broken").handle(broken))
    async with TestClient(app).stream("/broken") as stream:
        await stream.ended()
        stream.claim_error()
    await TestClient(app).delete("/broken")
    assert seen == [(HTTPError, LookupError, "/broken"), (MethodNotAllowed, type(None), "/broken")]


async def test_a_redirect_to_the_login_page() -> None:
    def to_login(error: HTTPException, request: Request) -> Response:
        if error.status == 401 and "text/html" in request.headers.get("accept", ""):
            return Redirect("/login").delete_cookie("session")
        return Response(f"<h1>{error.title}</h1>", status=error.status, media_type="text/html")

    app = App(error_response=to_login).add(Get("/page").use(credentials).handle(broken))
    reply = await TestClient(app).get("/page", headers={"accept": "text/html"})
    assert (reply.status, reply.headers["location"], reply.body) == (303, "/login", b"")
    assert reply.headers["set-cookie"].startswith("session=; Max-Age=0")
    assert "www-authenticate" not in reply.headers, "the status has changed, so what it demands has gone"
    reply = await TestClient(app).get("/page")
    assert (reply.status, reply.body) == (401, b"<h1>Unauthorized</h1>")
    assert reply.headers["content-type"] == "text/html"


async def test_answers_that_are_no_errors_are_not_passed_to_it() -> None:
    def never(error: HTTPException, _request: Request) -> Response:
        raise AssertionError(error)

    def nothing() -> None:
        raise NoContent

    client = TestClient(App(error_response=never).add(Get("/").handle(nothing)))
    assert (await client.get("/")).status == 204
    assert (await client.request("OPTIONS", "/")).status == 204


async def test_an_event_source_that_should_retry_is_still_told_so() -> None:
    def busy() -> None:
        raise ServiceUnavailable("Too much to do.", retry=True)

    client = TestClient(App(error_response=shape, reconnect_delay=(2.0, 2.0)).add(SSE("/").use(busy).handle(events)))
    reply = await client.get("/", headers=EVENTS)
    assert (reply.status, reply.body) == (200, b"retry: 2000\n")
    reply = await client.get("/")
    assert shown(reply) == (503, "Too much to do.")
    assert reply.headers["retry-after"] == "2"


# -- a stream that fails


async def failing() -> AsyncIterator[Any]:
    yield {"data": 1}
    raise NotFound("It is gone.")


@pytest.mark.parametrize(
    ("app", "frame"),
    [
        (App(), b'event: stream-error\ndata: {"title":"Not Found","status":404,"detail":"It is gone."}\n\n'),
        (App(error_response=shape), b'event: stream-error\ndata: {"error":{"message":"It is gone.","code":404}}\n\n'),
        (App(error_response=shape, error_event=None), b'data: {"error":{"message":"It is gone.","code":404}}\n\n'),
        (App(error_event="oops"), b'event: oops\ndata: {"title":"Not Found","status":404,"detail":"It is gone."}\n\n'),
        (
            App(error_response=lambda error, _: Response("<p>a\n<p>b", status=error.status, media_type="text/html")),
            b"event: stream-error\ndata: <p>a\ndata: <p>b\n\n",
        ),
        (
            App(error_response=lambda _error, _request: Redirect("/login")),
            b'event: stream-error\ndata: {"title":"Not Found","status":404,"detail":"It is gone."}\n\n',
        ),
    ],
)
async def test_the_last_event_has_the_content_of_the_answer(app: App, frame: bytes, autojump_clock: MockClock) -> None:
    for route in (SSE("/").handle(failing), Get("/").handle(lambda: EventStream(failing()))):
        async with TestClient(app.add(route)).stream("/") as stream:
            await stream.ended()
            assert isinstance(stream.claim_error(), NotFound)
        assert stream.raw == b":\ndata: 1\n\n" + frame
        assert not stream.complete


@pytest.mark.parametrize("name", ["", "a\nb", "\0"])
def test_a_name_that_cannot_be_that_of_the_event_is_refused(name: str) -> None:
    with pytest.raises(BuildError, match="error_event"):
        App(error_event=name)


# -- a function that fails


def raises(_error: HTTPException, _request: Request) -> Response:
    raise ZeroDivisionError


def returns_a_dict(_error: HTTPException, _request: Request) -> Any:
    return {"error": 1}


def returns_pieces(_error: HTTPException, _request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"

    return Response(pieces())


async def returns_later(_error: HTTPException, _request: Request) -> Any:
    return Response("x")


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (raises, "ZeroDivisionError"),
        (returns_a_dict, "it has to return a Response"),
        (returns_pieces, "its content has to be whole"),
    ],
)
async def test_the_error_is_answered_even_if_the_function_fails(
    function: Any, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(App(error_response=function).add(Get("/").handle(teapot)))
    reply = await client.get("/")
    assert (reply.status, reply.headers["content-type"]) == (418, "application/problem+json")
    (record,) = caplog.records
    assert "error_response failed for 418" in record.getMessage()
    assert cause in caplog.text


async def test_the_stream_ends_with_a_problem_if_the_function_fails(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with TestClient(App(error_response=raises).add(SSE("/").handle(failing))).stream("/") as stream:
        await stream.ended()
        stream.claim_error()
    assert json.loads(stream.raw.rpartition(b"data: ")[2]) == {
        "title": "Not Found",
        "status": 404,
        "detail": "It is gone.",
    }


@pytest.mark.parametrize("function", [returns_later, "shape", lambda error: None])
def test_a_function_of_another_kind_is_a_mistake_of_the_app(function: Any) -> None:
    with pytest.raises(BuildError, match="error_response"):
        App(error_response=function)
