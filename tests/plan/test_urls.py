"""URLs of named routes: what is written is read back, or is an error."""

from __future__ import annotations

import datetime
import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Literal, NewType
from urllib.parse import quote, urljoin, urlsplit
from uuid import UUID

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_sse import SSE, App, Controller, Get, Post, Reference, required
from trio_sse._http.paths import request_segments
from trio_sse._plan.router import Match
from trio_sse.errors import BadRequest, NotFound, URLError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient


class Colour(enum.Enum):
    RED = "red"
    NONE = "."
    MIXED = "a/b c"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


Number = NewType("Number", int)


@attrs.frozen
class Ticket:
    id: int


@attrs.frozen
class Special(Ticket):
    pass


@attrs.frozen
class Room:
    id: str


def handler_of(kind: Any) -> Any:
    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = kind
    return handler


def app_of(kind: Any) -> App:
    return App().add(value=Get("/a/:value/b").handle(handler_of(kind)))


def read(app: App, url: str) -> dict[str, Any]:
    """What the router makes of a URL, as a server passes it on."""
    match = app._compiled.router.match("GET", request_segments(url.encode("ascii")), None)
    assert isinstance(match, Match)
    return {"route": match.plan.route.name, **match.params}


# -- written and read back

ANYTHING: Any = st.one_of(
    st.text(),
    st.text(st.characters(), max_size=3),  # surrogates too
    st.sampled_from(
        [".", "..", "", "%2F", "a/b", "a%2Fb", "+", " ", "\x7f", "\u2028", "null", "true", "1", "01", "1e3"]
    ),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.decimals(),
    st.uuids(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.datetimes(
        timezones=st.builds(
            datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))
        )
    ),
    st.times(),
    st.timedeltas(),
    st.sampled_from(Colour),
    st.sampled_from(Level),
    st.none(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
)
KINDS: list[Any] = [
    int,
    float,
    bool,
    UUID,
    Decimal,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    Colour,
    Level,
    Number,
    Literal["a", "."],
    Literal[1, 2],
    int | None,
    int | str,
]
APPS = {str(kind): app_of(kind) for kind in [str, *KINDS]}


@pytest.mark.parametrize("kind", [str(kind) for kind in KINDS])
@given(value=ANYTHING)
def test_what_is_written_for_a_typed_parameter_is_read_back_as_the_same_value(kind: str, value: Any) -> None:
    app = APPS[kind]
    try:
        url = app.url("value", value=value)
    except URLError:
        return
    assert read(app, url) == {"route": "value", "value": value}


@given(value=st.text(st.characters()))
def test_all_text_is_read_back_as_it_was_or_cannot_stand_in_a_path(value: str) -> None:
    app = APPS[str(str)]
    try:
        url = app.url("value", value=value)
    except URLError:
        assert value in ("", ".", "..") or any(
            c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" for c in value
        )
    else:
        assert read(app, url) == {"route": "value", "value": value}


SEGMENTS: Any = st.one_of(
    st.text(max_size=6),
    st.sampled_from([".", "..", "...", "%2e", ".%2E", "/", "a/b", "a/b c", ":x", "null", "true", "red", "RED", "a"]),
    st.sampled_from(["1", "0", "01", "-0", "10", "1e3", "1.50", ".5", "1e-7", "1_0", " 1", "\u0663"]),
    st.sampled_from(["nan", "inf", "-inf", "Infinity", "sNaN", "1e400"]),
    st.sampled_from(["2024-02-29", "2024-02-29T12:00:00+02:00", "0001-01-01T00:00:00+14:00", "12:00:00Z", "-PT1.5S"]),
    st.sampled_from(["00000000000000000000000000000001", "urn:uuid:00000000-0000-0000-0000-000000000001"]),
    st.integers().map(str),
    st.floats().map(str),
    st.decimals().map(str),
    st.uuids().map(str),
    st.datetimes().map(datetime.datetime.isoformat),
    st.times().map(datetime.time.isoformat),
)


@pytest.mark.parametrize("kind", [str(kind) for kind in [str, *KINDS]])
@given(text=SEGMENTS)
@example(text="..")
@example(text=".")
@example(text="nan")
def test_what_a_route_matches_can_be_written_and_leads_back_to_the_same_value(kind: str, text: str) -> None:
    app = APPS[kind]
    try:
        matched = read(app, "/a/" + quote(text, safe="", errors="surrogatepass") + "/b")
    except (BadRequest, NotFound):
        return
    url = app.url("value", value=matched["value"])
    assert read(app, url) == matched
    assert urlsplit(urljoin("http://host/", url)).path == url  # as a client resolves it


REST = App().add(
    value=Get("/files/*value").handle(handler_of(str)),
    one=Get("/files/:value/history").handle(handler_of(str)),
)
PARTS = st.one_of(
    st.text(max_size=4), st.sampled_from(["a", "history", "..", ".", "", "%2F", "a/b", "a\\b", "...", ":x"])
)
RESTS = st.lists(PARTS, max_size=4).map("/".join)


@given(value=RESTS | st.text())
@example(value="a/history")
@example(value="a/b/history")
@example(value="a/../b")
@example(value="/a")
@example(value="a/")
def test_what_is_written_as_the_rest_of_a_path_is_read_back(value: Any) -> None:
    try:
        url = REST.url("value", value=value)
    except URLError:
        return
    assert read(REST, url) == {"route": "value", "value": value}
    assert urlsplit(urljoin("http://host/", url)).path == url  # as a client resolves it


@given(st.lists(PARTS, max_size=4), st.booleans())
@example(["a/b"], False)
@example(["..", "a"], False)
@example(["../a"], False)
def test_what_a_route_matches_as_the_rest_of_a_path_can_be_written(parts: list[str], slash: bool) -> None:
    target = "/files/" + "/".join(quote(part, safe="", errors="surrogatepass") for part in parts) + "/" * slash
    try:
        matched = read(REST, target)
    except (BadRequest, NotFound):
        return
    url = REST.url(matched.pop("route"), **matched)
    assert read(REST, url)["value"] == matched["value"]
    assert url == target.removesuffix("/")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("a/b/c.txt", "a/b/c.txt"),
        ("a b/ü?#", "a%20b/%C3%BC%3F%23"),
        (5, "5"),
        ("", None),
        ("/a", None),
        ("a/", None),
        ("a//b", None),
        ("a/../b", None),
        ("./a", None),
        ("a/b\n", None),
        (None, None),
    ],
)
def test_the_rest_of_a_path_keeps_its_slashes(value: Any, text: str | None) -> None:
    if text is None:
        with pytest.raises(URLError, match="the path parameter 'value' of 'value' cannot be"):
            REST.url("value", value=value)
    else:
        assert REST.url("value", value=value) == f"/files/{text}"


@pytest.mark.parametrize("target", ["/x/..", "/x/.", "/x/%2e%2e", "/x/%2E.", "/x/%2e", "/x/../", "/x/../y", "/x//y"])
async def test_a_dot_segment_is_not_the_value_of_a_parameter(target: str, autojump_clock: MockClock) -> None:
    """Clients resolve it before they send a request, so `url` could not make a URL that leads there."""
    called: list[str] = []

    def handler(value: str, url: Any) -> str:
        called.append(value)
        return str(url("value", value=value))

    app = App().add(Post("/x/:value/y").handle(handler), value=Get("/x/:value").handle(handler))
    reply = await TestClient(app).get(target)
    assert reply.status == 404
    assert (await TestClient(app).request("OPTIONS", target)).status == 404
    assert called == []
    assert (await TestClient(app).get("/x/...")).json() == "/x/..."


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (str, "lobby", "lobby"),
        (str, "a/b?c#d%e f", "a%2Fb%3Fc%23d%25e%20f"),
        (str, "ü", "%C3%BC"),
        (str, "...", "..."),
        (str, 5, "5"),
        (int, 5, "5"),
        (int, -5, "-5"),
        (float, 1.5, "1.5"),
        (float, 2, "2"),
        (bool, True, "true"),
        (bool, False, "false"),
        (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (UUID, "00000000-0000-0000-0000-000000000001", None),
        (Decimal, Decimal("1.50"), "1.50"),
        (datetime.date, datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime, datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), "2024-02-29T12%3A00%3A00Z"),
        (Colour, Colour.RED, "red"),
        (Colour, Colour.MIXED, "a%2Fb%20c"),
        (Colour, Colour.NONE, None),
        (Level, Level.HIGH, "10"),
        (Literal["a"], "a", "a"),
        (Literal["a"], "b", None),
        (int, "5", None),
        (int, True, None),
        (int, 1.5, None),
        (int, None, None),
        (float, float("nan"), None),
        (str, "", None),
        (str, ".", None),
        (str, "..", None),
        (str, "a\nb", None),
        (str, "\ud800", None),
        (str, None, None),
        (str, ["a"], None),
        (str, object(), None),
    ],
)
def test_a_value_is_written_as_the_router_reads_it_or_refused(kind: Any, value: Any, text: str | None) -> None:
    if text is None:
        with pytest.raises(URLError, match="the path parameter 'value' of 'value' cannot be"):
            app_of(kind).url("value", value=value)
    else:
        assert app_of(kind).url("value", value=value) == f"/a/{text}/b"


def test_literal_text_is_encoded_too() -> None:
    assert App().add(x=Get("/ä/b+c").handle(lambda: 1)).url("x") == "/%C3%A4/b%2Bc"
    assert App().add(x=Get("/").handle(lambda: 1)).url("x") == "/"


# -- names


def shop() -> App:
    tickets: MemoryRepository[Ticket] = MemoryRepository(Ticket)
    rooms: MemoryRepository[Room] = MemoryRepository(Room)
    app = App().provide(Repository[Ticket], value=tickets).provide(Repository[Room], value=rooms)
    return app.add(
        Controller("/tickets").routes(
            list=Get("/").handle(lambda: 1),
            one=Get("/:ticket").types(Ticket).handle(lambda ticket: 1),
            room=Get("/:ticket/rooms/:room").types(required(Ticket), required(Room)).handle(lambda: 1),
        ),
        home=Get("/").handle(lambda: 1),
    )


def test_a_name_leads_to_its_route() -> None:
    app = shop()
    assert app.url("home") == "/"
    assert app.url("tickets.list") == "/tickets"
    assert app.url("tickets.one", ticket=5) == "/tickets/5"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "tickets.lst",
            {},
            (
                "no route is named 'tickets.lst'. Did you mean 'tickets.list'? "
                "There are: home, tickets.list, tickets.one, tickets.room"
            ),
        ),
        (
            "tickets.one",
            {},
            "'tickets.one' is GET /tickets/:ticket, with the path parameters: ticket; given: none",
        ),
        (
            "tickets.list",
            {"ticket": 5},
            "'tickets.list' is GET /tickets, with the path parameters: none; given: ticket",
        ),
        (
            "tickets.one",
            {"ticket": "five"},
            (
                "the path parameter 'ticket' of 'tickets.one' cannot be 'five': it is read as int, and no segment of a "
                "path is empty, '.' or '..', or has control characters"
            ),
        ),
    ],
)
def test_a_mistake_says_what_there_is(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(URLError) as caught:
        shop().url(name, **values)
    assert str(caught.value) == message


def test_an_app_without_names_says_so() -> None:
    with pytest.raises(URLError, match=r"no route is named 'x'\. There are: none"):
        App().add(Get("/").handle(lambda: 1)).url("x")


def test_a_parameter_may_have_any_name() -> None:
    app = App().add(x=Get("/:name/:self/:values").handle(lambda: 1))
    assert app.url("x", name=1, self=2, values=3) == "/1/2/3"


# -- models


def reference(model: Any, id: Any) -> Reference[Any]:
    return Reference(model, id, MemoryRepository(model))


@pytest.mark.parametrize("ticket", [5, Ticket(5), Special(5), reference(Ticket, 5)])
@pytest.mark.parametrize("room", ["a b", Room("a b"), reference(Room, "a b")])
def test_a_model_may_be_given_as_itself_as_a_reference_or_by_its_id(ticket: Any, room: Any) -> None:
    assert shop().url("tickets.room", ticket=ticket, room=room) == "/tickets/5/rooms/a%20b"


@pytest.mark.parametrize("ticket", [Room("5"), reference(Room, 5), Ticket("x"), reference(Ticket, "x")])  # type: ignore[arg-type]
def test_another_model_is_refused(ticket: Any) -> None:
    with pytest.raises(URLError, match=r"'ticket' of 'tickets\.one' cannot be"):
        shop().url("tickets.one", ticket=ticket)


# -- a route that another one hides


def test_a_url_that_would_lead_to_another_route_is_refused() -> None:
    app = App().add(
        room=Get("/rooms/:room").handle(lambda: 1),
        lobby=Get("/rooms/lobby").handle(lambda: 1),
        other=Post("/rooms/other").handle(lambda: 1),
    )
    assert app.url("lobby") == "/rooms/lobby"
    assert app.url("room", room="attic") == "/rooms/attic"
    assert app.url("room", room="other") == "/rooms/other"  # another method
    with pytest.raises(URLError) as caught:
        app.url("room", room="lobby")
    assert str(caught.value) == "'/rooms/lobby' is answered by GET /rooms/lobby, which goes before GET /rooms/:room"


def test_a_route_that_does_not_fit_hides_none() -> None:
    app = App().add(
        text=Get("/:a/x").handle(lambda: 1),
        number=Get("/items/:b").handle(handler_b),
    )
    assert app.url("text", a="items") == "/items/x"
    assert read(app, "/items/x") == {"route": "text", "a": "items"}
    assert app.url("number", b=5) == "/items/5"


def handler_b(b: int) -> None: ...


def test_a_stream_and_a_plain_route_at_one_path_both_have_it() -> None:
    async def stream() -> AsyncIterator[Any]:
        yield {}

    app = App().add(list=Get("/orders").handle(lambda: 1), events=SSE("/orders").handle(stream))
    assert app.url("list") == app.url("events") == "/orders"


# -- in a step


@pytest.mark.parametrize(
    ("root", "prefix"), [("", ""), ("/", ""), ("/api", "/api"), ("/api/", "/api"), ("/my api/ü", "/my%20api/%C3%BC")]
)
async def test_a_step_s_url_begins_where_the_app_is_mounted(autojump_clock: MockClock, root: str, prefix: str) -> None:
    def create(url: Any) -> Any:
        return url("one", ticket=5)

    app = App().add(Post("/tickets").handle(create), one=Get("/tickets/:ticket").handle(lambda ticket: ticket))
    client = TestClient(app)
    url = (await client.request("POST", f"{prefix}/tickets", root_path=root)).json()
    assert url == f"{prefix}/tickets/5"
    assert (await client.get(url, root_path=root)).json() == "5"
