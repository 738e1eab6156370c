"""Headers, cookies and the status of responses: from the app, from routes, from steps, and from what is returned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from trio.testing import MockClock

from trio_sse import CORS, SSE, App, Controller, EventStream, Forbidden, Get, NotFound, Post, Redirect, Response, Route
from trio_sse.errors import BuildError, NoContent, ResponseStarted, ServiceUnavailable
from trio_sse.responses import ResponseHead
from trio_sse.testing import TestClient, TestResponse

SECURITY = {"x-content-type-options": "nosniff", "Referrer-Policy": "same-origin"}


async def events() -> AsyncIterator[Any]:
    yield {"data": 1}


def value() -> dict[str, int]:
    return {"a": 1}


def refuse() -> bool:
    return False


def broken() -> None:
    raise LookupError


async def ask(route: Route, app: App | None = None, target: str = "/", **options: Any) -> TestResponse:
    return await TestClient((app or App()).add(route)).request(route.method, target, **options)


ROUTES: dict[str, Callable[[], Route]] = {
    "a value": lambda: Get("/").handle(value),
    "a response": lambda: Get("/").handle(lambda: Response("hello")),
    "no content": lambda: Get("/").handle(lambda: None),
    "a redirect": lambda: Get("/").handle(lambda: Redirect("/x")),
    "pieces": lambda: Get("/").handle(lambda: Response(pieces())),
    "a stream": lambda: SSE("/").handle(events),
    "a returned stream": lambda: Post("/").handle(lambda: EventStream(events())),
    "a refusal": lambda: Get("/").guard(refuse).handle(value),
}


async def pieces() -> AsyncIterator[bytes]:
    yield b"a"


@pytest.mark.parametrize("kind", ROUTES)
async def test_every_response_has_the_headers_of_the_app_and_of_the_route(kind: str, autojump_clock: MockClock) -> None:
    route = ROUTES[kind]().headers({"X-Route": "1"})
    reply = await ask(route, App(headers=SECURITY))
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["x-route"] == "1"


async def test_head_has_them_too(autojump_clock: MockClock) -> None:
    for kind in ("a value", "a stream"):
        client = TestClient(App(headers=SECURITY).add(ROUTES[kind]().headers({"x-route": "1"})))
        reply = await client.request("HEAD", "/")
        assert (reply.headers["x-content-type-options"], reply.headers["x-route"]) == ("nosniff", "1")


@pytest.mark.parametrize(
    ("target", "method", "status"), [("/nowhere", "GET", 404), ("/", "DELETE", 405), ("/", "OPTIONS", 204)]
)
async def test_an_answer_without_a_route_has_those_of_the_app(target: str, method: str, status: int) -> None:
    reply = await TestClient(App(headers=SECURITY).add(ROUTES["a value"]())).request(method, target)
    assert (reply.status, reply.headers["x-content-type-options"]) == (status, "nosniff")


async def test_a_500_has_them(autojump_clock: MockClock) -> None:
    async with TestClient(App(headers=SECURITY).add(Get("/").handle(broken))).stream("/") as stream:
        await stream.ended()
        stream.claim_error()
    assert (stream.status, stream.headers["x-content-type-options"]) == (500, "nosniff")


def set_by_step(response: ResponseHead) -> None:
    response.headers["x-layer"] = "step"
    response.headers["cache-control"] = "step"


LAYERS = [
    (App(), Get("/"), {}, None),
    (App(headers={"x-layer": "app"}), Get("/"), {}, "app"),
    (App(headers={"x-layer": "app"}), Get("/").headers({"x-layer": "route"}), {}, "route"),
    (App(headers={"x-layer": "app"}), Get("/").headers({"x-layer": "route"}).use(set_by_step), {}, "step"),
    (
        App(headers={"x-layer": "app"}),
        Get("/").headers({"x-layer": "route"}).use(set_by_step),
        {"x-layer": "returned"},
        "returned",
    ),
    (App(headers={"x-layer": "app"}), Get("/"), {"x-layer": "returned"}, "returned"),
    (App(), Get("/").headers({"x-layer": "first"}).headers({"X-Layer": "second"}), {}, "second"),
]


@pytest.mark.parametrize(("app", "route", "returned", "winner"), LAYERS)
async def test_the_nearer_layer_goes_before(
    app: App, route: Route, returned: dict[str, str], winner: str | None, autojump_clock: MockClock
) -> None:
    expected = () if winner is None else (winner,)
    for handler in (
        lambda: Response("x", headers=returned),
        lambda: Response(pieces(), headers=returned),
        lambda: EventStream(events(), headers=returned),
    ):
        reply = await ask(route.handle(handler), app)
        assert reply.headers.get_all("x-layer") == expected


async def test_a_controller_has_headers_for_its_routes() -> None:
    controller = Controller("/a").headers({"x-controller": "1", "x-both": "controller"})
    class_of = controller.routes(one=Get("/b").headers({"x-both": "route"}).handle(value))
    reply = await TestClient(App().add(class_of)).get("/a/b")
    assert (reply.headers["x-controller"], reply.headers["x-both"]) == ("1", "route")


async def test_the_librarys_own_are_replaced_on_purpose_only(autojump_clock: MockClock) -> None:
    own = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
    }
    app = App(headers={"cache-control": "no-cache", "content-type": "text/plain", "x-accel-buffering": "yes"})
    reply = await ask(SSE("/").handle(events), app)
    assert dict(reply.headers.items()) == own, "headers for all responses do not replace them"
    reply = await ask(SSE("/").headers({"cache-control": "no-cache"}).handle(events), app)
    assert dict(reply.headers.items()) == own | {"cache-control": "no-cache"}
    reply = await ask(SSE("/").use(set_by_step).handle(events), app)
    assert dict(reply.headers.items()) == own | {"cache-control": "step", "x-layer": "step"}


async def test_the_type_of_a_value_may_be_set_by_a_route_and_by_what_is_returned() -> None:
    route = Get("/").headers({"content-type": "application/vnd.api+json"})
    assert (await ask(route.handle(value))).headers.get_all("content-type") == ("application/vnd.api+json",)
    reply = await ask(route.handle(lambda: Response("<p>", media_type="text/html")))
    assert reply.headers.get_all("content-type") == ("text/html",)
    assert reply.headers["content-length"] == "3"


async def test_a_step_sets_the_status_of_a_success(autojump_clock: MockClock) -> None:
    def created(response: ResponseHead) -> None:
        response.status = 201

    assert (await ask(Post("/").use(created).handle(value))).status == 201
    assert (await ask(Post("/").use(created).handle(lambda: Response("x", status=202)))).status == 202
    assert (await ask(Post("/").use(created).guard(refuse).handle(value))).status == 403
    assert (await ask(Post("/").use(created).handle(lambda: None))).status == 201
    assert (await ask(SSE("/").use(created).handle(events))).status == 201
    assert (await ask(Get("/").use(created).handle(lambda: EventStream(events())))).status == 201
    assert (await ask(Get("/").use(created).handle(lambda: EventStream(events(), status=202)))).status == 202


async def test_a_status_that_allows_no_content_is_a_mistake_of_a_stream(autojump_clock: MockClock) -> None:
    def wrong(response: ResponseHead) -> None:
        response.status = 204

    async with TestClient(App().add(SSE("/").use(wrong).handle(events))).stream("/") as stream:
        await stream.ended()
        assert "allows content, not 204" in str(stream.claim_error())
    assert stream.status == 500


async def test_cookies_of_all_layers_are_kept(autojump_clock: MockClock) -> None:
    def login(response: ResponseHead) -> None:
        response.set_cookie("a", "1", secure=False)
        response.set_cookie("b", "2", secure=False)

    route = Get("/").headers({"set-cookie": "r=1"}).use(login)
    for handler in (
        lambda: Response("x").set_cookie("c", "3", secure=False),
        lambda: EventStream(events(), headers={"set-cookie": "c=3; Path=/; HttpOnly; SameSite=Lax"}),
    ):
        reply = await ask(route.handle(handler))
        assert [cookie.partition(";")[0] for cookie in reply.headers.get_all("set-cookie")] == [
            "r=1",
            "a=1",
            "b=2",
            "c=3",
        ]


async def test_a_coroutine_handler_sets_headers_before_its_stream(autojump_clock: MockClock) -> None:
    async def handler(response: ResponseHead) -> Any:
        response.set_cookie("seen", "yes")
        response.headers["x-room"] = "blue"
        return events()

    reply = await ask(SSE("/").handle(handler))
    assert reply.headers["x-room"] == "blue"
    assert reply.headers["set-cookie"].startswith("seen=yes; ")


async def test_after_the_start_it_is_too_late(autojump_clock: MockClock) -> None:
    late: list[Exception] = []

    async def handler(response: ResponseHead) -> AsyncIterator[Any]:
        yield {"data": 1}
        changes: list[Callable[[], object]] = [
            lambda: response.headers.update(a="1"),
            lambda: response.set_cookie("a", "1"),
            lambda: setattr(response, "status", 201),
        ]
        for change in changes:
            with pytest.raises(ResponseStarted) as raised:
                change()
            late.append(raised.value)

    reply = await ask(SSE("/").handle(handler))
    assert reply.body == b":\ndata: 1\n\n"
    assert [str(error).partition(":")[0] for error in late] == [
        "the header 'a' comes too late",
        "the header 'set-cookie' comes too late",
        "the status 201 comes too late",
    ]


async def test_a_step_may_set_headers_on_its_way_out_of_a_plain_route_and_not_of_a_stream(
    autojump_clock: MockClock,
) -> None:
    @asynccontextmanager
    async def session(response: ResponseHead) -> AsyncIterator[None]:
        yield
        response.set_cookie("session", "saved", secure=False)

    reply = await ask(Get("/").use(session).handle(value))
    assert reply.headers["set-cookie"].startswith("session=saved")
    async with TestClient(App().add(SSE("/").use(session).handle(events))).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), ResponseStarted)
    assert not stream.complete


@pytest.mark.parametrize("error", [Forbidden(), NotFound(), ServiceUnavailable(), LookupError()])
async def test_an_error_keeps_what_does_not_describe_the_content(error: Exception) -> None:
    def step(response: ResponseHead) -> None:
        response.set_cookie("flash", "1")
        response.headers["x-request-id"] = "7"
        response.headers["cache-control"] = "max-age=60"
        response.headers["etag"] = '"1"'

    def handler() -> None:
        raise error

    route = Get("/").headers({"content-disposition": "attachment", "x-frame-options": "DENY"}).use(step).handle(handler)
    async with TestClient(App().add(route)).stream("/") as stream:
        await stream.ended()
        if isinstance(error, LookupError):
            stream.claim_error()
    assert dict(stream.headers.items()).keys() == {
        "x-request-id",
        "x-frame-options",
        "set-cookie",
        "content-type",
        "content-length",
    }
    assert stream.headers["content-type"] == "application/problem+json"


async def test_the_headers_of_an_error_go_before_those_of_the_route() -> None:
    def handler() -> None:
        raise Forbidden(headers={"x-layer": "error", "retry-after": "3"})

    reply = await ask(Get("/").headers({"x-layer": "route", "retry-after": "9"}).handle(handler))
    assert (reply.headers.get_all("x-layer"), reply.headers["retry-after"]) == (("error",), "3")


async def test_a_204_that_is_raised_keeps_them() -> None:
    def handler() -> None:
        raise NoContent

    reply = await ask(Get("/").headers({"x-route": "1"}).handle(handler))
    assert (reply.status, reply.headers["x-route"]) == (204, "1")


async def test_vary_is_joined(autojump_clock: MockClock) -> None:
    app = App(cors=CORS(origins="https://page.example")).add(
        SSE("/").headers({"vary": "Cookie"}).handle(events), Get("/").handle(value)
    )
    reply = await TestClient(app).get("/", headers={"accept": "text/event-stream"})
    assert reply.headers.get_all("vary") == ("Origin, Cookie, Accept",)
    reply = await TestClient(app).get("/")
    assert reply.headers.get_all("vary") == ("Origin, Accept",)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: App(headers={"a\n": "b"}), "App(headers=…): header 'a\\n': 'b' cannot be sent"),
        (
            lambda: App(headers={"Content-Length": "3"}),
            "App(headers=…): the server sets the header 'content-length' itself",
        ),
        (lambda: Get("/x").headers({"a": "b\r\nc: d"}), "GET /x: .headers(): header 'a'"),
        (lambda: Controller("/x").headers({"transfer-encoding": "chunked"}), ".headers(): the server sets the header"),
    ],
)
def test_a_mistake_is_found_when_the_app_is_built(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(BuildError) as raised:
        build()
    assert message in str(raised.value)


def test_a_route_shows_its_headers_but_no_secrets() -> None:
    route = Get("/x").headers({"x-a": "1", "set-cookie": "secret=1"})
    assert ".headers([('x-a', '1'), ('set-cookie', " in repr(route)
    assert "secret" not in repr(route)
