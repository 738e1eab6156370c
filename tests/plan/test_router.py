"""Which plan answers, and what else may be said of a path."""

from __future__ import annotations

import enum
import itertools
import typing
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse import SSE, Delete, Get, HTTPError, NotFound, Post, Route
from trio_sse._http.paths import request_segments
from trio_sse._plan.planner import make_plan
from trio_sse._plan.router import Match, Router
from trio_sse._runtime.built_in_names import BUILT_IN
from trio_sse.errors import BuildError, MethodNotAllowed, NotAcceptable

EVENTS = "text/event-stream"


def answer() -> Any: ...


def int_room(room: int) -> Any: ...


def int_id(id: int) -> Any: ...


def text_name(name: str) -> None: ...


def router(*routes: Route) -> Router:
    return Router(make_plan(route, BUILT_IN) for route in routes)


def match(table: Router, method: str, segments: tuple[str, ...], accept: str | None = None) -> Match:
    found = table.match(method, segments, accept)
    assert isinstance(found, Match)
    return found


def ask(table: Router, method: str, path: str, accept: str | None = None) -> str:
    """The answer in short: the plan's label, or the status with what Allow says."""
    try:
        found = match(table, method, request_segments(path.encode()), accept)
    except MethodNotAllowed as error:
        return f"405 {error.headers['allow']}"
    except HTTPError as error:
        return str(error.status)
    return found.plan.label


ROOMS = router(
    Get("/").handle(answer),
    Get("/rooms").handle(answer),
    Post("/rooms").handle(answer),
    Get("/rooms/:room").handle(int_room),
    Delete("/rooms/:room").handle(int_room),
    SSE("/rooms/:room/events").handle(answer),
    Get("/rooms/lobby").handle(answer),
    SSE("/both").handle(answer),
    Get("/both").handle(answer),
    SSE("/chat", method="POST").handle(answer),
    Get("/:page/help").handle(answer),
    Get("/rooms/:room/:tab").handle(answer),
)


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/", "GET /"),
        ("HEAD", "/", "GET /"),
        ("POST", "/", "405 GET, HEAD, OPTIONS"),
        ("GET", "/rooms", "GET /rooms"),
        ("GET", "/rooms/", "GET /rooms"),
        ("POST", "/rooms", "POST /rooms"),
        ("PUT", "/rooms", "405 GET, HEAD, OPTIONS, POST"),
        ("PROPFIND", "/rooms", "405 GET, HEAD, OPTIONS, POST"),
        ("get", "/rooms", "405 GET, HEAD, OPTIONS, POST"),
        ("GET", "/rooms/1", "GET /rooms/:room"),
        ("GET", "/rooms/lobby", "GET /rooms/lobby"),
        ("DELETE", "/rooms/1", "DELETE /rooms/:room"),
        ("PUT", "/rooms/1", "405 DELETE, GET, HEAD, OPTIONS"),
        # what does not fit is a 404 for every method
        ("GET", "/rooms/x", "404"),
        ("DELETE", "/rooms/x", "404"),
        ("PUT", "/rooms/x", "404"),
        # the literal path is there for GET only, the other for DELETE, but lobby is no number
        ("DELETE", "/rooms/lobby", "405 GET, HEAD, OPTIONS"),
        ("GET", "/rooms/1/events", "SSE /rooms/:room/events"),
        ("HEAD", "/rooms/1/events", "SSE /rooms/:room/events"),
        ("POST", "/rooms/1/events", "405 GET, HEAD, OPTIONS"),
        ("GET", "/rooms/1/users", "GET /rooms/:room/:tab"),
        ("GET", "/rooms/help", "GET /:page/help"),
        ("POST", "/chat", "SSE POST /chat"),
        ("GET", "/chat", "405 OPTIONS, POST"),
        ("HEAD", "/chat", "405 OPTIONS, POST"),
        ("GET", "/Rooms", "404"),
        ("GET", "//", "404"),
        ("GET", "//rooms", "404"),
        ("GET", "/rooms//", "404"),
        ("GET", "/rooms//events", "404"),
        ("GET", "/rooms/1/events/x", "404"),
        ("GET", "/:page/help", "GET /:page/help"),
        ("GET", "/rooms%2F1", "404"),
        ("GET", "/%72ooms", "GET /rooms"),
    ],
)
def test_the_answer_to_a_method_and_a_path(method: str, path: str, answer: str) -> None:
    assert ask(ROOMS, method, path) == answer


def test_two_types_at_one_place_are_told_apart_by_method() -> None:
    table = router(Get("/:id").handle(int_id), Post("/:name").handle(text_name))
    assert ask(table, "GET", "/1") == "GET /:id"
    assert ask(table, "GET", "/x") == "405 OPTIONS, POST"
    assert ask(table, "POST", "/x") == "POST /:name"
    assert table.allow(("x",)) == "OPTIONS, POST"
    assert table.allow(("1",)) == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("accept", "answer", "varies"),
    [
        (None, "GET /both", True),
        ("*/*", "GET /both", True),
        ("text/*", "GET /both", True),
        ("application/json", "GET /both", True),
        ("image/png", "GET /both", True),
        (EVENTS, "SSE /both", True),
        (f"application/json, {EVENTS};q=0.1", "SSE /both", True),
        (f"{EVENTS};q=0", "GET /both", True),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_explicit_accept_chooses_the_stream(method: str, accept: str | None, answer: str, varies: bool) -> None:
    found = match(ROOMS, method, ("both",), accept)
    assert (found.plan.label, found.varies) == (answer, varies)


def test_where_accept_decides_nothing_the_answer_does_not_vary() -> None:
    assert not match(ROOMS, "GET", ("rooms",), EVENTS).varies
    assert not match(ROOMS, "GET", ("rooms", "1", "events"), EVENTS).varies


@pytest.mark.parametrize("accept", ["application/json", "*/*;q=0", f"{EVENTS};q=0, */*"])
def test_only_a_stream_that_accept_rules_out_is_a_406(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        ROOMS.match("GET", ("rooms", "1", "events"), accept)
    assert ask(ROOMS, "GET", "/rooms", accept) == "GET /rooms"


def test_a_path_that_is_not_there_is_a_404_whatever_accept_says() -> None:
    table = router(SSE("/:room").handle(int_room))
    assert ask(table, "GET", "/x", "application/json") == "404"
    assert ask(table, "GET", "/1", "application/json") == "406"
    assert ask(table, "POST", "/1", "application/json") == "405 GET, HEAD, OPTIONS"


def test_of_two_that_share_a_path_only_those_that_fit_can_be_chosen() -> None:
    table = router(SSE("/:id").handle(int_id), Get("/:name").handle(text_name))
    assert ask(table, "GET", "/1", EVENTS) == "SSE /:id"
    assert ask(table, "GET", "/x", EVENTS) == "GET /:name"


def test_allow_is_a_404_where_nothing_is() -> None:
    with pytest.raises(NotFound):
        ROOMS.allow(("nowhere",))
    with pytest.raises(NotFound):
        ROOMS.allow(("rooms", "x"))
    with pytest.raises(NotFound):
        router().allow(())


def test_the_values_are_under_their_own_names() -> None:
    table = router(Get("/:a/x/:b").handle(answer), Post("/:c/x/:d").handle(answer))
    assert match(table, "GET", ("1", "x", "2")).params == {"a": "1", "b": "2"}
    assert match(table, "POST", ("1", "x", "2")).params == {"c": "1", "d": "2"}


def test_literal_text_goes_before_a_parameter_from_left_to_right() -> None:
    table = router(*(Get(path).handle(answer) for path in ("/:a/:b", "/x/:b", "/:a/y", "/x/y")))
    assert ask(table, "GET", "/x/y") == "GET /x/y"
    assert ask(table, "GET", "/x/z") == "GET /x/:b"
    assert ask(table, "GET", "/w/y") == "GET /:a/y"
    assert ask(table, "GET", "/w/z") == "GET /:a/:b"


def test_the_rest_of_a_path_goes_last() -> None:
    paths = ("/*all", "/files/*path", "/files/:name", "/files/:name/raw", "/files/new")
    table = router(*(Get(path).handle(answer) for path in paths), Post("/files/*path").handle(answer))
    assert ask(table, "GET", "/files/new") == "GET /files/new"
    assert ask(table, "GET", "/files/a") == "GET /files/:name"
    assert ask(table, "GET", "/files/a/raw") == "GET /files/:name/raw"
    assert ask(table, "GET", "/files/a/b") == "GET /files/*path"
    assert ask(table, "GET", "/files/a/raw/b/c/") == "GET /files/*path"
    assert ask(table, "GET", "/files") == "GET /*all"
    assert ask(table, "GET", "/") == "404"
    assert ask(table, "POST", "/files/a") == "POST /files/*path"
    assert ask(table, "POST", "/files") == "405 GET, HEAD, OPTIONS"
    assert ask(table, "PUT", "/files/a") == "405 GET, HEAD, OPTIONS, POST"
    assert match(table, "GET", ("files", "a", "b c")).params == {"path": "a/b c"}
    for path in ("/files/a//b", "/files/a/../b", "/files/a/%2e", "/x/a%2Fb", "/files//"):
        assert ask(table, "GET", path) == "404"


def test_two_routes_that_take_the_rest_of_one_path_clash() -> None:
    with pytest.raises(BuildError, match="clashes with"):
        router(Get("/x/*a").handle(answer), Get("/x/*b").handle(answer))
    router(Get("/x/*a").handle(answer), Post("/x/*b").handle(answer), Get("/x/:c").handle(answer))


def test_routes_that_share_a_path_in_different_ways_do_not_clash() -> None:
    router(
        *(route.handle(answer) for route in (Get("/x"), Post("/x"), SSE("/x"), SSE("/x", method="POST"), Get("/:y")))
    )


@pytest.mark.parametrize("kind", [Get, SSE])
@pytest.mark.parametrize(("path", "same"), [("/x", "/x/"), ("/:a/x", "/:b/x")])
def test_routes_that_answer_the_same_requests_clash(kind: type[Route], path: str, same: str) -> None:
    with pytest.raises(BuildError, match="clashes with"):
        router(kind(path).handle(answer), kind(same).handle(answer))


# -- types of path parameters


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Size(enum.Enum):
    SMALL = "s"
    BIG = "b"


KEY = "12345678-1234-5678-1234-567812345678"


def one(kind: Any) -> Callable[[str], Any]:
    """A reader of one path segment of a type."""

    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = kind
    table = router(Get("/:value").handle(handler))
    return lambda text: match(table, "GET", (text,)).params["value"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "null", "null"),
        (int, "0", 0),
        (int, "-12", -12),
        (int, "9" * 40, int("9" * 40)),
        (int | None, "1", 1),
        (str | None, "null", "null"),
        (float, "1.50", 1.5),
        (float, "1e3", 1000.0),
        (bool, "true", True),
        (bool, "0", False),
        (UUID, KEY, UUID(KEY)),
        (UUID, KEY.replace("-", "").upper(), UUID(KEY)),
        (Decimal, "1.50", Decimal("1.50")),
        (Decimal, "1e999", Decimal("1e999")),
        (Color, "red", Color.RED),
        (Level, "1", Level.LOW),
        (Size, "b", Size.BIG),
        (Literal[1, 2], "2", 2),
        (Literal["a", "b"], "b", "b"),
        (Annotated[int, msgspec.Meta(ge=1)], "5", 5),
        (Annotated[int, msgspec.Meta(description="a number")], "5", 5),
        (typing.NewType("Id", int), "5", 5),
    ],
)
def test_a_segment_becomes_what_its_annotation_says(kind: Any, text: str, value: Any) -> None:
    read = one(kind)(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (int, ["", "x", "1e3", "1.0", "1.5", "+1", "-0", "007", " 1", "1 ", "1_0", "٣", "0x1", "-", "9" * 5000, "nan"]),
        (int | None, ["null", "None", "1e3", "x"]),
        (Annotated[int, msgspec.Meta(ge=1)], ["0", "1e3", "1.0"]),
        (float, ["nan", "inf", "-inf", "Infinity", "x", "1_0", "٣", "1e999"]),
        (float | int, ["nan"]),
        (bool, ["yes", "on", "2", "t", ""]),
        (UUID, ["x", "{" + KEY + "}", "urn:uuid:" + KEY, KEY[:-1]]),
        (Decimal, ["NaN", "sNaN", "Infinity", "x"]),
        (Color, ["RED", "Red", "blue"]),
        (Level, ["LOW", "2", "1.0", "01"]),
        (Size, ["SMALL", "x"]),
        (Literal[1, 2], ["3", "1.0", "x"]),
    ],
)
def test_a_segment_that_does_not_fit_is_a_404(kind: Any, texts: list[str]) -> None:
    read = one(kind)
    for text in texts:
        with pytest.raises(NotFound):
            pytest.fail(f"{text!r} was read as {read(text)!r}")


@given(st.integers(-(2**63), 2**64))
def test_every_integer_is_read(number: int) -> None:
    assert one(int)(str(number)) == number


@given(st.text(max_size=10))
def test_an_integer_is_read_only_as_it_is_written(text: str) -> None:
    try:
        value = one(int)(text)
    except NotFound:
        return
    assert str(value) == text


# -- the order in which routes are added

SEGMENTS = st.sampled_from(["a", "b", ":x", ":y"])
LAST = st.sampled_from([[], ["*z"]])
KINDS = st.sampled_from([Get, Post, Delete, SSE])


@st.composite
def tables(draw: st.DrawFn) -> list[Route]:
    routes = []
    for _ in range(draw(st.integers(1, 5))):
        names = draw(st.lists(SEGMENTS, max_size=3)) + draw(LAST)
        numbered = (f"{name}{i}" if name.startswith(":") else name for i, name in enumerate(names))
        routes.append(draw(KINDS)("/" + "/".join(numbered)).handle(answer))
    return routes


@given(tables(), st.lists(st.sampled_from(["a", "b", "c"]), max_size=3), st.randoms())
def test_the_answer_does_not_depend_on_the_order_of_routes(routes: list[Route], path: list[str], random: Any) -> None:
    shuffled = random.sample(routes, len(routes))
    questions = itertools.product(["GET", "HEAD", "POST", "PUT"], [None, EVENTS, "a/b"])
    tables = [build(routes), build(shuffled)]
    if None in tables:
        assert tables == [None, None]
        return
    for method, accept in questions:
        first, second = (ask(table, method, "/" + "/".join(path), accept) for table in tables if table is not None)
        assert first == second


def build(routes: Iterable[Route]) -> Router | None:
    try:
        return router(*routes)
    except BuildError:
        return None
