"""Whole requests through an app in memory: routing, queries, bodies, responses and errors."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import AsyncGenerator, Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock

from support.asgi import scope_of
from trio_sse import (
    SSE,
    App,
    Delete,
    Forbidden,
    Get,
    HTTPError,
    NotFound,
    Patch,
    PathParams,
    Post,
    Put,
    Request,
    Response,
    Route,
    Unauthorized,
)
from trio_sse.errors import BadRequest, Gone, HTTPException, NoContent, ServiceUnavailable, StepError, TooManyRequests
from trio_sse.testing import TestClient, TestResponse
from trio_sse.wire import DONE_ID

EVENTS = {"accept": "text/event-stream"}
JSON = {"content-type": "application/json"}


async def stream() -> AsyncGenerator[dict[str, Any]]:
    yield {"data": 1}


def client(*routes: Route) -> TestClient:
    return TestClient(App().add(*routes))


async def ask(route: Route, target: str = "/", **options: Any) -> TestResponse:
    return await client(route).request(route.method, target, **options)


def problem(reply: TestResponse) -> tuple[int, str]:
    """The status and the detail of a problem document."""
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == reply.status
    return reply.status, body.get("detail", "")


def noting(log: list[str], name: str) -> Callable[[], bool]:
    """A guard that says yes and notes that it was asked."""

    def guard() -> bool:
        log.append(name)
        return True

    return guard


async def messages(route: Route, *headers: tuple[bytes, bytes]) -> list[Any]:
    """What the app sends to a client that sends no body, ever."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await trio.sleep_forever()

    scope = scope_of(route.method, "/", {}) | {"headers": list(headers)}
    await App().add(route)(scope, receive, send)
    return sent


# -- what a handler returns


@dataclasses.dataclass
class Item:
    name: str
    day: date


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": [1, None, True]}, b'{"a":[1,null,true]}'),
        ("é", '"é"'.encode()),
        (0, b"0"),
        (False, b"false"),
        ([], b"[]"),
        (Item("x", date(2020, 1, 2)), b'{"name":"x","day":"2020-01-02"}'),
    ],
)
@pytest.mark.parametrize("kind", [Get, Post, Put, Patch, Delete])
async def test_a_value_is_sent_as_json(kind: Callable[[str], Route], value: Any, body: bytes) -> None:
    reply = await ask(kind("/").handle(lambda: value))
    assert reply == TestResponse(200, {"content-type": "application/json", "content-length": str(len(body))}, body)


async def test_none_is_a_204_without_content() -> None:
    assert await ask(Get("/").handle(lambda: None)) == TestResponse(204, {}, b"")


async def test_a_response_is_sent_as_it_is() -> None:
    reply = await ask(Get("/").handle(lambda: Response("made", status=201, headers={"Location": "/x"})))
    assert (reply.status, reply.body) == (201, b"made")
    assert reply.headers == {"location": "/x", "content-type": "text/plain; charset=utf-8", "content-length": "4"}


@pytest.mark.parametrize("wrap", [lambda value: value, Response], ids=["value", "response"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([object()], "cannot write builtins.object as JSON: convert it, or pass a JSON encoder"),
        (bytearray(b"a"), "is bytearray, which JSON lacks: decode it, or encode it as base64"),
        (["\ud800"], "list cannot be written as JSON: 'utf-8' codec can't encode character"),
        ({(1, 2): 3}, "cannot write builtins.tuple as JSON"),
    ],
    ids=["class", "bytes", "surrogate", "key"],
)
async def test_a_value_that_json_cannot_express_is_a_500(
    wrap: Callable[[Any], Any], value: object, reason: str
) -> None:
    async with client(Get("/").handle(lambda: wrap(value))).stream("/") as it:
        await it.ended()
        error = it.claim_error()
    assert it.status == 500
    assert type(error) is StepError
    assert str(error).startswith(f"GET /: the value that the handler returned: {reason}")


async def test_what_an_encoder_of_the_app_s_own_raises_is_not_changed() -> None:
    app = App(json=json.dumps).add(Get("/").handle(lambda: {1}))
    async with TestClient(app).stream("/") as it:
        await it.ended()
        assert type(it.claim_error()) is TypeError


# -- methods


def item(room: int) -> dict[str, int]:
    return {"room": room}


async def test_head_runs_the_steps_but_not_the_handler() -> None:
    ran: list[str] = []
    route = Get("/:room").guard(noting(ran, "guard")).handle(lambda room: ran.append("handler"))
    reply = await client(route).request("HEAD", "/1")
    assert (reply.status, reply.body, ran) == (200, b"", ["guard"])
    refused = await client(Get("/").guard(lambda: False).handle(lambda: 1)).request("HEAD", "/")
    assert refused.status == 403


async def test_head_of_a_stream_has_its_headers_and_no_event(autojump_clock: MockClock) -> None:
    reply = await client(SSE("/").handle(stream)).request("HEAD", "/")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(("accept", "kind"), [({}, None), (EVENTS, "text/event-stream; charset=utf-8")])
async def test_head_where_both_share_a_path_follows_accept(accept: dict[str, str], kind: str | None) -> None:
    reply = await client(Get("/").handle(lambda: 1), SSE("/").handle(stream)).request("HEAD", "/", headers=accept)
    assert (reply.headers.get("content-type"), reply.headers["vary"]) == (kind, "Accept")


async def test_options_answers_without_any_step() -> None:
    app = client(
        Get("/x/:room").guard(lambda: False).handle(item),
        SSE("/x/:room", method="POST").guard(lambda: False).handle(stream),
    )
    assert await app.request("OPTIONS", "/x/1") == TestResponse(204, {"allow": "GET, HEAD, OPTIONS, POST"}, b"")
    assert (await app.request("OPTIONS", "/y")).status == 404
    assert (await app.request("OPTIONS", "/x/no-number")).headers["allow"] == "OPTIONS, POST"


async def test_a_wrong_method_says_which_are_right() -> None:
    reply = await client(Get("/").handle(lambda: 1)).request("DELETE", "/")
    assert problem(reply) == (405, "This path allows GET, HEAD, OPTIONS.")
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_the_body_of_a_refused_request_is_taken_from_the_server() -> None:
    async with client(Get("/").handle(lambda: 1)).stream("/", method="POST", body=(b"a",) * 20) as it:
        await it.started()
        await trio.testing.wait_all_tasks_blocked()
    assert it.status == 405


# -- paths


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/1", 200),
        ("/1/", 200),
        ("/%31", 200),
        ("/x", 404),
        ("/1.0", 404),
        ("/", 404),
        ("//1", 404),
        ("/%00", 400),
        ("/%FF", 400),
    ],
)
async def test_paths(target: str, status: int) -> None:
    assert (await ask(Get("/:room").handle(item), target)).status == status


async def test_an_encoded_slash_stays_in_its_segment_and_is_decoded_once() -> None:
    assert (await ask(Get("/:name").handle(lambda name: name), "/a%2Fb%252Fc+d")).json() == "a/b%2Fc+d"


async def test_a_server_without_raw_paths_is_served_too() -> None:
    for raw in (None, b""):
        reply = await ask(Get("/:name").handle(lambda name: name), "/", path="/é%2F", raw_path=raw)
        assert reply.json() == "é%2F"


@pytest.mark.parametrize("extensions", [{}, {"http.response.trailers": {}}])
async def test_another_server_is_served_too(extensions: dict[str, Any]) -> None:
    reply = await ask(Get("/").handle(lambda draining: draining.is_set()), "/", extensions=extensions)
    assert reply.json() is False


@pytest.mark.parametrize("root", ["/api", "/api/"])
async def test_a_mounted_app_answers_below_its_root(root: str) -> None:
    app = client(Get("/").handle(lambda: "root"), Get("/x").handle(lambda: "x"))
    assert (await app.get("/api/x", root_path=root)).json() == "x"
    assert (await app.get("/api", root_path=root)).json() == "root"
    assert (await app.get("/apix", root_path=root)).status == 404


async def test_params_holds_the_converted_path_parameters() -> None:
    def handler(room: int, params: PathParams) -> list[Any]:
        return [params.room, params["room"], params == {"room": room}]

    assert (await ask(Get("/:room").handle(handler), "/7")).json() == [7, 7, True]


# -- Accept


async def test_accept_chooses_between_a_value_and_a_stream(autojump_clock: MockClock) -> None:
    app = client(Get("/").handle(lambda: 1), SSE("/").handle(stream))
    value, events = await app.get("/"), await app.get("/", headers=EVENTS)
    assert (value.headers["content-type"], value.headers["vary"]) == ("application/json", "Accept")
    assert (events.headers["content-type"], events.headers["vary"]) == ("text/event-stream; charset=utf-8", "Accept")


async def test_an_error_of_a_route_that_accept_chose_varies_too() -> None:
    app = client(Get("/").guard(lambda: False).handle(lambda: 1), SSE("/").handle(stream))
    assert (await app.get("/")).headers["vary"] == "Accept"


async def test_accept_that_rules_the_stream_out_is_a_406() -> None:
    reply = await ask(SSE("/").handle(stream), headers={"accept": "application/json"})
    assert problem(reply) == (406, "This path gives text/event-stream.")


async def test_several_accept_headers_are_one_list() -> None:
    accepts = [(b"accept", b"application/json"), (b"accept", b"text/event-stream")]
    assert (await messages(SSE("/").handle(stream), *accepts))[0]["status"] == 200


async def test_accept_never_refuses_a_plain_route() -> None:
    assert (await ask(Get("/").handle(lambda: 1), headers={"accept": "image/png"})).status == 200


# -- the end of a stream


async def test_a_client_that_comes_back_after_the_end_is_sent_away_before_any_step() -> None:
    ran: list[str] = []
    route = SSE("/").guard(noting(ran, "guard")).handle(stream)
    reply = await ask(route, headers={"last-event-id": DONE_ID})
    assert (reply.status, reply.body, ran) == (204, b"", [])
    assert (await ask(Get("/").handle(lambda: 1), headers={"last-event-id": DONE_ID})).status == 200


# -- errors


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (NotFound, 404, {"title": "Not Found", "status": 404}),
        (NotFound("no such room"), 404, {"title": "Not Found", "status": 404, "detail": "no such room"}),
        (Forbidden(), 403, {"title": "Forbidden", "status": 403}),
        (Gone("moved"), 410, {"title": "Gone", "status": 410, "detail": "moved"}),
        (BadRequest("é"), 400, {"title": "Bad Request", "status": 400, "detail": "é"}),
        (HTTPError("short", status=418), 418, {"title": "I'm a Teapot", "status": 418, "detail": "short"}),
        (HTTPError(status=499), 499, {"title": "Error", "status": 499}),
        (HTTPError(), 500, {"title": "Internal Server Error", "status": 500}),
        (HTTPError(status=413), 413, {"title": "Content Too Large", "status": 413}),
        (HTTPError(status=422), 422, {"title": "Unprocessable Content", "status": 422}),
    ],
)
async def test_an_http_error_becomes_a_problem_document(error: Any, status: int, body: dict[str, Any]) -> None:
    def handler() -> None:
        raise error

    reply = await ask(Get("/").handle(handler))
    assert (reply.status, reply.json()) == (status, body)
    assert reply.headers["content-type"] == "application/problem+json"


def test_every_http_error_has_a_status_of_its_own() -> None:
    kinds: list[type[HTTPException]] = [NoContent, *HTTPError.__subclasses__()]
    found = {kind.default_status: kind.__name__ for kind in kinds}
    assert found == {
        204: "NoContent",
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        405: "MethodNotAllowed",
        406: "NotAcceptable",
        409: "Conflict",
        410: "Gone",
        413: "ContentTooLarge",
        415: "UnsupportedMediaType",
        422: "UnprocessableContent",
        429: "TooManyRequests",
        503: "ServiceUnavailable",
    }


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (Unauthorized(), "www-authenticate", "Bearer"),
        (Unauthorized(challenge="Basic"), "www-authenticate", "Basic"),
        (Unauthorized(headers={"WWW-Authenticate": "Digest"}), "www-authenticate", "Digest"),
        (TooManyRequests(headers={"Retry-After": "5"}), "retry-after", "5"),
        (ServiceUnavailable(headers={"retry-after": "5"}), "retry-after", "5"),
    ],
)
async def test_an_http_error_may_bring_headers(error: HTTPError, name: str, value: str) -> None:
    def handler() -> None:
        raise error

    start, _ = await messages(Get("/").handle(handler))
    assert [given for other, given in start["headers"] if other == name.encode()] == [value.encode()]


async def test_no_content_is_an_error_without_a_body() -> None:
    def handler() -> None:
        raise NoContent

    assert await ask(Get("/").handle(handler)) == TestResponse(204, {}, b"")


async def test_an_unexpected_error_leaks_nothing_and_is_raised_with_its_route() -> None:
    def handler() -> None:
        raise ValueError("the password is 1234")

    async with client(Get("/x").handle(handler)).stream("/x") as it:
        await it.ended()
        error = it.claim_error()
    assert (it.status, b"1234" in it.raw, it.complete) == (500, False, True)
    assert repr(error) == "ValueError('the password is 1234')"
    assert error.__notes__ == [
        "while answering GET /x with test_an_unexpected_error_leaks_nothing_and_is_raised_with_its_route.handler()"
    ]


# -- queries


class Color(enum.StrEnum):
    RED = "red"


@attrs.frozen
class Search:
    text: str
    page: int = 1
    tags: list[str] = attrs.Factory(list[str])
    color: Color | None = None
    exact: bool = False
    sizes: frozenset[int] | None = None
    sort: Literal[1, 2] = 1
    price: Decimal | None = None
    _hidden: int = 0


def show(query: Search) -> dict[str, Any]:
    return {k.strip("_"): sorted(v) if isinstance(v, frozenset) else v for k, v in attrs.asdict(query).items()}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("text=a", {"text": "a", "page": 1, "tags": [], "color": None, "exact": False, "sizes": None, "sort": 1}),
        ("text=a&page=2&exact=true&sort=2", {"page": 2, "exact": True, "sort": 2}),
        ("text=", {"text": ""}),
        ("text=null", {"text": "null"}),
        ("text=1", {"text": "1"}),
        ("text=a+b%20c%2B%E2%82%AC", {"text": "a b c+€"}),
        ("text=a&tags=x&tags=y", {"tags": ["x", "y"]}),
        ("text=a&tags=x", {"tags": ["x"]}),
        ("text=a&sizes=3&sizes=1&sizes=3", {"sizes": [1, 3]}),
        ("text=a&color=red&price=1.50", {"color": "red", "price": "1.50"}),
        ("text=a&unknown=1&unknown=2", {"text": "a"}),
        ("text=a&Page=2", {"page": 1}),
        ("text=a&exact=1", {"exact": True}),
    ],
)
async def test_a_query_is_read_into_a_model(query: str, fields: dict[str, Any]) -> None:
    reply = await ask(Get("/").query(Search).handle(show), f"/?{query}")
    assert reply.status == 200
    assert reply.json().items() >= fields.items()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "The query does not fit: Object missing required field `text`"),
        ("text=a&text=b", "The query names 'text' more than once."),
        ("text=a&page=x", "The query does not fit: Expected `int`, got `str` - at `$.page`"),
        ("text=a&page=", "The query does not fit: Expected `int`, got `str` - at `$.page`"),
        ("text=a&page=%D9%A3", "The query does not fit: Expected `int`, got `str` - at `$.page`"),
        ("text=a&page=" + "9" * 5000, "The query does not fit: Integer value out of range - at `$.page`"),
        ("text=a&exact=yes", "The query does not fit: Expected `bool`, got `str` - at `$.exact`"),
        ("text=a&color=blue", "The query does not fit: Invalid enum value 'blue' - at `$.color`"),
        ("text=a&sort=3", "The query does not fit: Invalid enum value 3 - at `$.sort`"),
        ("text=a&sizes=1&sizes=x", "The query does not fit: Expected `int`, got `str` - at `$.sizes[1]`"),
    ],
)
async def test_a_query_that_does_not_fit_is_a_422_that_names_the_field(query: str, detail: str) -> None:
    assert problem(await ask(Get("/").query(Search).handle(show), f"/?{query}")) == (422, detail)


async def test_a_query_that_is_not_utf8_is_a_400() -> None:
    for route in (Get("/").query(Search).handle(show), Get("/").handle(lambda query: dict(query))):  # noqa: PLW0108
        assert (await ask(route, "/?text=%FF")).status == 400


async def test_a_raw_query_is_a_mapping() -> None:
    route = Get("/").handle(lambda query: [query["a"], query.get_all("a")])
    assert (await ask(route, "/?a=1&a=2")).json() == ["1", ["1", "2"]]


@attrs.frozen
class Since:
    time: datetime


@pytest.mark.parametrize("time", ["253402300800", "1e18", "-62135596801", "yesterday"])
async def test_a_time_that_the_calendar_does_not_have_is_a_422(time: str) -> None:
    status, detail = problem(await ask(Get("/").query(Since).handle(lambda query: query.time), f"/?time={time}"))
    assert status == 422
    assert detail.startswith("The query does not fit: ")


class Renamed(msgspec.Struct, rename="camel"):
    page_size: int = 5


@dataclasses.dataclass
class Even:
    size: int

    def __post_init__(self) -> None:
        if self.size % 2:
            raise ValueError("size must be even")


async def test_models_are_attrs_classes_dataclasses_and_structs() -> None:
    route = Get("/").query(Renamed).handle(lambda query: query.page_size)
    assert (await ask(route, "/?pageSize=7&page_size=8")).json() == 7
    even = Get("/").query(Even).handle(lambda query: query.size)
    assert (await ask(even, "/?size=2")).json() == 2
    assert problem(await ask(even, "/?size=3")) == (422, "The query does not fit: size must be even")


# -- bodies


@attrs.frozen
class Order:
    id: UUID
    lines: list[int]


KEY = "12345678-1234-5678-1234-567812345678"
ORDER = json.dumps({"id": KEY, "lines": [1, 2], "extra": True}).encode()


def lines(body: Order) -> list[int]:
    return body.lines


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/vnd.shop+json",
        " application/json ",
    ],
)
@pytest.mark.parametrize("body", [ORDER, (ORDER[:1], ORDER[1:20], b"", ORDER[20:])])
async def test_a_body_is_read_into_a_model(media_type: str, body: Any) -> None:
    reply = await ask(Post("/").body(Order).handle(lines), headers={"content-type": media_type}, body=body)
    assert (reply.status, reply.json()) == (200, [1, 2])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonx"},
        {"content-type": "text/json"},
        {"content-type": "text/plain; a=application/json"},
    ],
)
async def test_a_body_that_does_not_say_that_it_is_json_is_a_415(headers: dict[str, str]) -> None:
    reply = await ask(Post("/").body(Order).handle(lines), headers=headers, body=ORDER)
    assert problem(reply) == (415, "This path reads application/json.")


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "The body is not JSON: Input data was truncated"),
        (b"{", 400, "The body is not JSON: Input data was truncated"),
        (ORDER + b"x", 400, "The body is not JSON: JSON is malformed"),
        (b"\xff", 400, "The body is not JSON: JSON is malformed"),
        (b'{"x": "\\ud800"}', 400, "The body is not JSON"),
        (b'{"a":' + b"[" * 100_000, 400, "The body is nested too deeply."),
        (b"[]", 422, "The body does not fit: Expected `object`, got `array`"),
        (b"null", 422, "The body does not fit: Expected `object`, got `null`"),
        (b"{}", 422, "The body does not fit: Object missing required field `id`"),
        (b'{"id": "x", "lines": []}', 422, "The body does not fit: Invalid UUID - at `$.id`"),
        (ORDER.replace(b"1,", b'"1",'), 422, "The body does not fit: Expected `int`, got `str` - at `$.lines[0]`"),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_says_why(body: bytes, status: int, detail: str) -> None:
    reply = await ask(Post("/").body(Order).handle(lines), headers=JSON, body=body)
    assert problem(reply)[0] == status
    assert problem(reply)[1].startswith(detail)


async def test_a_body_that_is_not_utf8_is_a_400() -> None:
    reply = await ask(Post("/").body(str).handle(lambda body: body), headers=JSON, body=b'"caf\xe9"')
    assert problem(reply)[0] == 400


async def test_a_body_may_be_any_type_that_json_has() -> None:
    route = Post("/").body(dict[str, list[int]]).handle(lambda body: body["a"])
    assert (await ask(route, headers=JSON, body=b'{"a": [1]}')).json() == [1]


@pytest.mark.parametrize("body", [b'"' + b"x" * 9 + b'"', (b'"xxxx', b'xxxxx"'), (b"x" * 11, b"more", b"and more")])
async def test_a_body_that_is_too_large_is_a_413(body: Any) -> None:
    route = Post("/").body(str, max_size=10).handle(lambda body: body)
    assert problem(await ask(route, headers=JSON, body=body)) == (413, "The request body is too large.")


async def test_a_body_as_large_as_allowed_is_read() -> None:
    route = Post("/").body(str, max_size=10).handle(lambda body: body)
    assert (await ask(route, headers=JSON, body=b'"12345678"')).json() == "12345678"


async def test_a_body_of_the_wrong_type_is_refused_before_it_has_arrived(autojump_clock: MockClock) -> None:
    with trio.fail_after(1):
        assert (await messages(Post("/").body(Order).handle(lines)))[0]["status"] == 415


def size(body: bytes) -> int:
    return len(body)


async def test_a_raw_body_is_bytes_of_any_type() -> None:
    assert (await ask(Post("/").handle(size), body=(b"\xff" * 10, b"", b"\0"))).json() == 11
    assert (await ask(Put("/").handle(size))).json() == 0


async def test_a_raw_body_has_a_limit_too() -> None:
    assert (await ask(Post("/").handle(size), body=b"x" * 2**20)).json() == 2**20
    assert (await ask(Post("/").handle(size), body=(b"x" * 2**20, b"x"))).status == 413


async def test_a_guard_sees_the_bytes_and_the_handler_the_model() -> None:
    seen: list[bytes] = []

    def is_signed(body: bytes) -> bool:
        seen.append(body)
        return True

    route = Post("/").guard(is_signed).body(Order).handle(lines)
    assert (await ask(route, headers=JSON, body=ORDER)).json() == [1, 2]
    assert seen == [ORDER]


async def test_a_guard_before_the_body_refuses_without_waiting_for_it(autojump_clock: MockClock) -> None:
    route = Post("/").guard(lambda: False).body(Order).handle(lines)
    assert (await ask(route, headers={}, body=b"x" * 10)).status == 403


async def test_a_stream_may_answer_post_with_a_body(autojump_clock: MockClock) -> None:
    async def prompt(body: Order) -> AsyncGenerator[dict[str, Any]]:
        for line in body.lines:
            yield {"data": line}

    async with client(SSE("/", method="POST").body(Order).handle(prompt)).stream(
        "/", method="POST", headers=JSON, body=ORDER
    ) as it:
        assert [event.data for event in await it.events(2)] == ["1", "2"]


# -- the built-in names


async def test_the_built_in_names() -> None:
    def handler(request: Request, headers: Any, cookies: Any, query: Any, params: Any, last_event_id: Any) -> list[Any]:
        return [request.method, headers["X-A"], cookies["c"], query["q"], params, last_event_id]

    reply = await ask(Get("/:p").handle(handler), "/x?q=1", headers={"X-a": "é", "cookie": "c=2", "last-event-id": "é"})
    assert reply.json() == ["GET", "Ã©", "2", "1", {"p": "x"}, "é"]
