"""Models of pydantic in an app: bodies, queries, forms, path parameters, events and responses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import attrs
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, v1
from trio.testing import MockClock

from trio_sse import SSE, App, Events, EventStream, Get, Post, Reference, Response, ServerSentEvent
from trio_sse.client import UnreadableEvent
from trio_sse.client._values import ValueReader
from trio_sse.errors import BuildError
from trio_sse.forms import UploadedFile
from trio_sse.models import Repository
from trio_sse.testing import TestClient


class Line(BaseModel):
    count: int
    note: str | None = Field(default=None, exclude=True)


class Order(BaseModel):
    id: int
    lines: list[Line] = []
    made_at: Annotated[datetime, Field(alias="madeAt")] = datetime(2024, 2, 3, tzinfo=UTC)
    password: SecretStr = Field(default=SecretStr("x"), exclude=True)


@attrs.define
class AttrsLine:
    count: int
    note: str | None = None


@attrs.define
class Basket:
    lines: list[Line]


class Text(BaseModel):
    it: str


ORDER = b'{"id":1,"lines":[{"count":2}],"madeAt":"2024-02-03T00:00:00Z"}'


# -- requests


def app_of(model: type[Any]) -> App:
    return App().add(
        Post("/body").body(model).handle(lambda body: body.count),
        Get("/query").query(model).handle(lambda query: query.count),
        Post("/form").form(model).handle(lambda form: form.count),
    )


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/body", {"json": {"count": "x"}}),
        ("POST", "/body", {"json": {"count": 1, "note": 2}}),
        ("POST", "/body", {"json": []}),
        ("POST", "/body", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("POST", "/body", {"content": b"{}", "headers": {"content-type": "text/plain"}}),
        ("GET", "/query?count=x", {}),
        ("GET", "/query", {}),
        ("GET", "/query?count=1&count=2", {}),
        ("POST", "/form", {"form": {"count": "x"}}),
        ("POST", "/form", {"form": {}}),
        ("POST", "/form", {"json": {"count": 1}}),
    ],
)
async def test_a_request_that_does_not_fit_gets_the_same_problem_document(
    method: str, path: str, content: Any, autojump_clock: MockClock
) -> None:
    found, wanted = [await TestClient(app_of(model)).request(method, path, **content) for model in (Line, AttrsLine)]
    assert found.status >= 400
    assert (found.status, found.headers, found.body) == (wanted.status, wanted.headers, wanted.body)


@pytest.mark.parametrize("model", [Line, AttrsLine])
async def test_a_request_that_fits_is_read(model: type[Any], autojump_clock: MockClock) -> None:
    client = TestClient(app_of(model))
    for reply in (
        await client.post("/body", {"count": 3}),
        await client.get("/query?count=3&other=x"),
        await client.request("POST", "/form", form={"count": "3"}),
    ):
        assert (reply.status, reply.body) == (200, b"3")


class Upload(BaseModel):
    title: str
    cover: UploadedFile | None = None
    pages: list[UploadedFile] = []


async def test_a_form_with_files_is_read_into_a_model(autojump_clock: MockClock) -> None:
    async def handler(form: Upload) -> Response:
        cover = b"" if form.cover is None else await form.cover.read()
        return Response(form.title.encode() + cover + b"%d" % len(form.pages))

    client = TestClient(App().add(Post("/").form(Upload).handle(handler)))
    reply = await client.request("POST", "/", form={"title": "a"}, files={"cover": ("a.txt", b"bc"), "pages": b"d"})
    assert reply.body == b"abc1"
    assert (await client.request("POST", "/", form={"title": "a"})).body == b"a0"
    reply = await client.request("POST", "/", form={}, files={"title": ("a.txt", b"bc")})
    assert reply.json()["detail"] == "The form does not fit: Expected text, got a file - at `$.title`"


class Ask(BaseModel):
    prompt: str
    stream: bool = False


class Chunk(BaseModel):
    text: str


async def test_one_route_answers_a_model_with_a_model_or_a_stream_of_them(autojump_clock: MockClock) -> None:
    async def chunks(text: str) -> Events:
        for word in text.split():
            yield {"data": Chunk(text=word)}

    def handler(body: Ask) -> Chunk | EventStream:
        return EventStream(chunks(body.prompt)) if body.stream else Chunk(text=body.prompt)

    client = TestClient(App().add(Post("/ask").body(Ask).handle(handler)))
    assert (await client.post("/ask", {"prompt": "a b"})).body == b'{"text":"a b"}'
    reply = await client.post("/ask", {"prompt": "a b", "stream": True})
    assert reply.body.endswith(b'data: {"text":"a"}\n\ndata: {"text":"b"}\n\n')
    assert (await client.post("/ask", {"prompt": 1})).status == 422


class Place(BaseModel):
    room: int
    seat: Annotated[int, Field(le=9, alias="chair")]
    row: str = "A"


async def test_path_parameters_as_a_model(autojump_clock: MockClock) -> None:
    def handler(params: Place) -> Place:
        return params

    client = TestClient(App().add(Get("/:room/:seat").handle(handler)))
    assert (await client.get("/1/2")).json() == {"room": 1, "chair": 2, "row": "A"}
    for path in ("/1/x", "/1/10"):
        assert (await client.get(path)).status == 404


class Ticket(BaseModel):
    id: int


async def test_a_model_has_references(autojump_clock: MockClock) -> None:
    class Tickets:
        async def get(self, id: int) -> Ticket | None:
            return Ticket(id=id) if id == 1 else None

    async def handler(ticket: Reference[Ticket]) -> Ticket | None:
        return await ticket

    app = App().provide(Repository[Ticket], value=Tickets()).add(Get("/:ticket").types(Ticket).handle(handler))
    async with TestClient(app) as client:
        assert (await client.get("/1")).json() == {"id": 1}
        assert (await client.get("/x")).status == 404


# -- events and responses


def order(id: int = 1) -> Order:
    return Order(id=id, lines=[Line(count=2)])


async def test_events_have_models_as_data(autojump_clock: MockClock) -> None:
    async def stream() -> Events:
        yield {"event": "a", "data": order()}
        yield ServerSentEvent(data=order())
        yield {"data": [Line(count=1)]}
        yield [{"data": {"line": Line(count=1)}}, {"data": Basket([Line(count=1)])}, {"data": Text(it="é\n")}]

    reply = await TestClient(App().add(SSE("/").handle(stream))).get("/")
    assert reply.body.removeprefix(b":\n").split(b"\n\n") == [
        b"event: a\ndata: " + ORDER,
        b"data: " + ORDER,
        b'data: [{"count":1}]',
        b'data: {"line":{"count":1}}',
        b'data: {"lines":[{"count":1}]}',
        'data: {"it":"é\\n"}'.encode(),
        b"",
    ]


class Special(Line):
    extra: int = 7


async def test_a_route_names_models_for_its_events(autojump_clock: MockClock) -> None:
    route = SSE("/").events(line=Line, order=Order)

    @route.handle
    async def stream():  # type: ignore[no-untyped-def]
        yield Line(count=1)
        yield [Special(count=2), ServerSentEvent(order(), id="7")]

    reply = await TestClient(App().add(stream)).get("/")
    assert reply.body.removeprefix(b":\n").split(b"\n\n") == [
        b'event: line\ndata: {"count":1}',
        b'event: line\ndata: {"count":2,"extra":7}',
        b"event: order\nid: 7\ndata: " + ORDER,
        b"",
    ]
    reader = ValueReader[Any](route.options.events)
    assert reader.read(ServerSentEvent('{"count":1}', "line")) == Line(count=1)
    with pytest.raises(UnreadableEvent, match=r"Expected `int`, got `str` - at `\$.count`"):
        reader.read(ServerSentEvent('{"count":"x"}', "line"))


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (order(), ORDER),
        ([Line(count=1)], b'[{"count":1}]'),
        ({"a": Line(count=1)}, b'{"a":{"count":1}}'),
        (Basket([Line(count=1)]), b'{"lines":[{"count":1}]}'),
        (Response(order(), status=201), ORDER),
        (pydantic.RootModel[list[int]]([1, 2]), b"[1,2]"),
    ],
)
async def test_a_plain_handler_returns_models(value: object, body: bytes, autojump_clock: MockClock) -> None:
    reply = await TestClient(App().add(Get("/").handle(lambda: value))).get("/")
    assert (reply.headers["content-type"], reply.body) == ("application/json", body)


class Broken(BaseModel):
    it: object = pydantic.SkipValidation

    model_config = ConfigDict(arbitrary_types_allowed=True)


async def test_a_model_that_cannot_be_written_says_which(autojump_clock: MockClock) -> None:
    client = TestClient(App().add(Get("/").handle(lambda: Broken(it=object()))))
    with pytest.raises(Exception, match=r"Broken cannot be written as JSON: .*<class 'object'>"):
        await client.get("/")


# -- what is a build error


class Old(v1.BaseModel):
    count: int


@pydantic.dataclasses.dataclass
class Data:
    count: int


class Nested(BaseModel):
    line: Line


class Undefined(BaseModel):
    it: Missing  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore[reportUndefinedVariable]


class Deep(BaseModel):
    it: str = Field(validation_alias=pydantic.AliasPath("a", 0))


@attrs.define
class HasOld:
    old: list[Old]


@attrs.define
class HasData:
    data: Data


OLD = "Old is a model of pydantic 1; models of pydantic 2 are supported"
DATA = "Data is a dataclass of pydantic; make it a BaseModel"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Post("/").body(Old), f"POST /: .body(Old): this type cannot be read: {OLD}"),
        (lambda: Post("/").body(list[Old]), f"POST /: .body(list[Old]): this type cannot be read: {OLD}"),
        (lambda: Post("/").body(HasOld), f"POST /: .body(HasOld): this type cannot be read: {OLD}"),
        (lambda: Get("/").query(Old), f"GET /: .query(Old): this type cannot be read: {OLD}"),
        (lambda: Post("/").form(Old), f"POST /: .form(Old): this type cannot be read: {OLD}"),
        (lambda: Post("/").body(Data), f"POST /: .body(Data): this type cannot be read: {DATA}"),
        (lambda: Post("/").body(Line | Data), f"POST /: .body(Line | Data): this type cannot be read: {DATA}"),
        (lambda: Post("/").body(HasData), f"POST /: .body(HasData): this type cannot be read: {DATA}"),
        (lambda: Get("/").query(Data), f"GET /: .query(Data): this type cannot be read: {DATA}"),
        (
            lambda: Post("/").body(Line | AttrsLine),
            "POST /: .body(Line | AttrsLine): this type cannot be read: Unable to generate pydantic-core schema for",
        ),
        (
            lambda: Post("/").body(Undefined),
            "POST /: .body(Undefined): this type cannot be read: name 'Missing' is not defined",
        ),
        (
            lambda: Get("/").query(Nested),
            "GET /: .query(Nested): this type cannot be read: its field 'line' has a type that text cannot be read",
        ),
        (
            lambda: Get("/").query(pydantic.RootModel[int]),
            "GET /: .query(RootModel[int]): this type cannot be read: the model must have fields; it has a root",
        ),
        (
            lambda: Get("/").query(Deep),
            "GET /: .query(Deep): this type cannot be read: its field 'it' has an AliasPath, for which a form",
        ),
    ],
)
def test_what_is_not_supported_is_a_build_error(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        App().add(build().handle(lambda: None)).check()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("cls", "message"), [(Old, OLD), (Data, DATA)])
def test_events_and_their_readers_refuse_the_same_classes(cls: type[Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        SSE("/").events(a=cls)
    with pytest.raises(TypeError, match=message):
        ValueReader[Any]({"a": cls})


def test_the_fields_of_a_model_for_params_are_path_parameters() -> None:
    def handler(params: Place) -> None: ...

    with pytest.raises(BuildError, match="Place, whose field 'seat' is not a parameter of the path /:room"):
        App().add(Get("/:room").handle(handler)).check()


# -- an app without models does not import pydantic

WITHOUT = """
import sys
sys.modules["pydantic"] = None  # an import of it fails
import attrs, trio
from trio_sse import App, Get, Post, SSE
from trio_sse.testing import TestClient

@attrs.define
class Line:
    count: int

async def stream():
    yield {"data": Line(1)}

app = App().add(
    Post("/").body(Line).handle(lambda body: body),
    Get("/").query(Line).handle(lambda query: query),
    SSE("/events").events(line=Line).handle(stream),
)

async def main():
    client = TestClient(app)
    assert (await client.post("/", {"count": 1})).json() == {"count": 1}
    assert (await client.post("/", {"count": "x"})).status == 422
    assert (await client.get("/?count=1")).json() == {"count": 1}
    assert b'data: {"count":1}' in (await client.get("/events")).body

trio.run(main)
assert not [name for name in sys.modules if "pydantic_models" in name]
"""


def test_an_app_without_models_runs_without_pydantic() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=60)
