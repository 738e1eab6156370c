"""Mounted apps: what they are passed, what goes before them, and their lifespans."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from trio.testing import MockClock

from support.asgi import scope_of
from trio_sse import SSE, App, Controller, Get, Limits, Mount, Post
from trio_sse.errors import BuildError, LifespanError, NotFound, URLError
from trio_sse.testing import TestClient


@pytest.fixture
def no_last_send_is_cancelled() -> None:
    """Starlette cancels it."""


async def answer(send: Any, body: bytes = b"mounted", status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Recorder:
    """An ASGI app without a lifespan, which keeps the scopes that it has got."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        self.scopes.append(scope)
        await answer(send)

    @property
    def paths(self) -> tuple[str, str, bytes]:
        scope = self.scopes[-1]
        return scope["root_path"], scope["path"], scope["raw_path"]


# -- what is passed on


@pytest.mark.parametrize(
    ("at", "target", "root", "passed"),
    [
        ("/x", "/x/a", "", ("/x", "/x/a", b"/x/a")),
        ("/x", "/x", "", ("/x", "/x", b"/x")),
        ("/x", "/x/", "", ("/x", "/x/", b"/x/")),
        ("/x/", "/x/a%2Fb//c/../%C3%BC/", "", ("/x", "/x/a/b//c/../ü/", b"/x/a%2Fb//c/../%C3%BC/")),
        ("/x/y", "/x/y/z", "", ("/x/y", "/x/y/z", b"/x/y/z")),
        ("/ü", "/%C3%BC/a", "", ("/ü", "/ü/a", b"/%C3%BC/a")),
        ("/", "/a", "", ("", "/a", b"/a")),
        ("/", "/", "", ("", "/", b"/")),
        ("/x", "/api/x/a", "/api", ("/api/x", "/api/x/a", b"/api/x/a")),
        ("/x", "/api/x/a", "/api/", ("/api/x", "/api/x/a", b"/api/x/a")),
        ("/", "/api/a", "/api", ("/api", "/api/a", b"/api/a")),
        # a proxy has removed the root path, and the server has been told
        ("/x", "/x/a", "/api", ("/api/x", "/api/x/a", b"/api/x/a")),
        ("/x", "/x/a%2Fb", "/ü", ("/ü/x", "/ü/x/a/b", b"/%C3%BC/x/a%2Fb")),
    ],
)
async def test_the_root_path_is_extended_and_the_path_stays_whole(
    at: str, target: str, root: str, passed: tuple[str, str, bytes]
) -> None:
    recorder = Recorder()
    reply = await TestClient(App().add(Mount(at, recorder))).get(target, root_path=root)
    assert (reply.status, reply.body) == (200, b"mounted")
    assert recorder.paths == passed


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"])
async def test_every_method_is_passed_on(method: str) -> None:
    recorder = Recorder()
    assert (await TestClient(App().add(Mount("/x", recorder))).request(method, "/x/a")).status == 200
    assert recorder.scopes[-1]["method"] == method


@pytest.mark.parametrize("target", ["/", "/xy", "/x%2Fa", "//x/a", "/a/x"])
async def test_what_is_not_below_it_is_not_passed_on(target: str) -> None:
    recorder = Recorder()
    assert (await TestClient(App().add(Mount("/x", recorder))).get(target)).status == 404
    assert recorder.scopes == []


async def test_the_body_and_the_disconnect_are_the_mounted_apps_to_receive() -> None:
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not received or received[-1]["type"] != "http.disconnect":
            received.append(await receive())

    async with TestClient(App().add(Mount("/x", app))).stream("/x", method="POST", body=b"abc"):
        pass
    assert b"".join(message.get("body", b"") for message in received) == b"abc"


async def test_an_error_is_raised_to_the_server_with_a_note() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        await TestClient(App().add(Mount("/x", app))).get("/x")
    assert caught.value.__notes__ == ["in the app of Mount /x"]


async def test_an_app_that_needs_asyncio_is_told_so() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="no running event loop") as caught:
        await TestClient(App().add(Mount("/x", app))).get("/x")
    [note, place] = caught.value.__notes__
    assert "asyncio does not work" in note
    assert place == "in the app of Mount /x"


# -- what goes before it


def hello() -> str:
    return "ours"


@pytest.mark.parametrize(
    ("method", "target", "who"),
    [
        ("GET", "/x", "ours"),
        ("GET", "/x/version", "ours"),
        ("POST", "/x/version", "mounted"),
        ("GET", "/x/one/raw", "ours"),
        ("GET", "/x/one", "mounted"),
        ("GET", "/x/y/z", "inner"),
        ("GET", "/x/y", "inner"),
        ("GET", "/else/where", "ours"),
        ("GET", "/else", "ours"),
        ("POST", "/else", "405"),
    ],
)
async def test_the_more_specific_path_goes_first(method: str, target: str, who: str) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"inner")

    routes = [Get(path).handle(hello) for path in ("/x", "/x/version", "/x/:name/raw", "/:name", "/*path")]
    app = App().add(*routes, Mount("/x", Recorder()), Mount("/x/y", inner))
    reply = await TestClient(app).request(method, target)
    assert who in (reply.text.strip('"'), str(reply.status))


async def test_options_are_answered_where_a_route_goes_first() -> None:
    app = App().add(Get("/x/version").handle(hello), Get("/*path").handle(hello), Mount("/x", Recorder()))
    client = TestClient(app)
    assert (await client.request("OPTIONS", "/x/version")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await client.request("OPTIONS", "/y")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await client.request("OPTIONS", "/x/other")).body == b"mounted"


def test_a_url_that_leads_to_a_mounted_app_is_refused() -> None:
    app = App().add(Mount("/x", Recorder()), page=Get("/*path").handle(hello))
    assert app.url("page", path="y/x") == "/y/x"
    with pytest.raises(URLError, match=r"'/x/y' is answered by Mount /x, which goes before GET /\*path"):
        app.url("page", path="x/y")


def clash(*members: Any) -> Callable[[], object]:
    return lambda: App().add(*members).check()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            clash(Mount("/x", Recorder()), Mount("/x/", Recorder())),
            "Mount /x clashes with Mount /x: they answer the same requests; change one's path",
        ),
        (
            clash(Get("/x/*path").handle(hello), Mount("/x", Recorder())),
            "Mount /x clashes with GET /x/*path: they answer the same requests; change one's path",
        ),
        (
            lambda: Mount("/:room", Recorder()),
            "a mount has a literal path, as in Mount('/static', app), not '/:room'",
        ),
        (
            lambda: Mount("/*rest", Recorder()),
            "a mount has a literal path, as in Mount('/static', app), not '/*rest'",
        ),
        (lambda: Mount("x", Recorder()), "path 'x' must begin with '/'; write '/x'"),
        (
            lambda: Mount("/x", "app"),  # type: ignore[arg-type]
            "Mount /x takes an ASGI app, as in Mount('/static', StaticFiles(directory=…)), not 'app'",
        ),
        (
            lambda: Mount("/x", Recorder),  # type: ignore[arg-type]
            f"Mount /x takes an ASGI app, as in Mount('/static', StaticFiles(directory=…)), not {Recorder!r}",
        ),
        (
            lambda: Mount("/x", Get("/").handle(hello)),  # type: ignore[arg-type]
            "Mount /x takes an ASGI app, not Get('/').handle(hello); add that with app.add()",
        ),
        (
            lambda: Controller("/c").routes(x=Mount("/x", hello)),  # type: ignore[arg-type]
            (
                "Controller /c: .routes(x=…) takes a route, such as Get('/').handle(list_orders), or a controller, not "
                "Mount('/x', hello()); add a mount to the app, since steps are not run for it"
            ),
        ),
        (
            lambda: App().add(x=Mount("/x", hello)),  # type: ignore[arg-type]
            (
                "add() takes routes and controllers, such as SSE('/events').handle(stream), not Mount('/x', hello()); "
                "add a mount without a name, as in add(Mount(…))"
            ),
        ),
        (
            clash(Mount("/x", App().add(Get("/").handle(hello), Get("/").handle(hello)))),
            (
                "in the app of Mount /x: GET / clashes with GET /: they answer the same requests; change one's path or "
                "method"
            ),
        ),
    ],
)
def test_a_mistake_is_found_when_the_app_is_built(build: Callable[[], object], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        build()
    assert str(caught.value) == message


# -- limits and shutdown


@pytest.mark.parametrize(
    ("limits", "headers", "target", "status"),
    [
        (Limits(hosts=["api.example"]), {"host": "evil.example"}, "/x", 421),
        (Limits(origins=["https://page.example"]), {"origin": "https://evil.example"}, "/x", 403),
        (Limits(header_bytes=200), {"x-large": "x" * 200}, "/x", 431),
        (Limits(query_bytes=10), {}, "/x?q=0123456789", 414),
        (Limits(), {}, "/x/%00", 400),
        (Limits(), {}, "/x/%ff", 400),
    ],
)
async def test_the_apps_limits_apply_before_a_request_is_passed_on(
    limits: Limits, headers: dict[str, str], target: str, status: int
) -> None:
    recorder = Recorder()
    reply = await TestClient(App(limits=limits).add(Mount("/x", recorder))).get(target, headers=headers)
    assert reply.status == status
    assert recorder.scopes == []


async def test_its_requests_do_not_count_as_streams() -> None:
    async def open_for_ever(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def ours() -> AsyncIterator[Any]:
        yield {"data": 1}

    app = App(limits=Limits(streams=1)).add(Mount("/x", open_for_ever), SSE("/ours").handle(ours))
    client = TestClient(app)
    async with client.stream("/x"), client.stream("/x"):
        assert app.statistics().open == 0
        assert (await client.get("/ours")).status == 200


async def test_while_the_server_shuts_down_nothing_is_passed_on() -> None:
    recorder = Recorder()
    app = App().add(Mount("/x", recorder))
    client = TestClient(app)
    client.drain()
    reply = await client.post("/x", body=b"abc")
    assert (reply.status, reply.headers["connection"]) == (503, "close")
    assert "retry-after" in reply.headers
    assert recorder.scopes == []
    assert app.statistics().refused == {"shutdown": 1}


async def test_an_app_of_this_library_refuses_by_itself() -> None:
    inner = App().add(Get("/health").during_shutdown().handle(hello), Get("/other").handle(hello))
    client = TestClient(App().add(Mount("/x", inner)))
    client.drain()
    assert (await client.get("/x/health")).status == 200
    assert (await client.get("/x/other")).status == 503
    assert inner.statistics().refused == {"shutdown": 1}


async def test_a_stream_of_a_mounted_app_of_this_library_is_drained() -> None:
    async def stream(draining: Any) -> AsyncIterator[Any]:
        yield {"data": 1}
        await draining.wait()
        yield {"data": 2}

    inner = App().add(SSE("/s").on_shutdown("finish").handle(stream), url=Get("/url").handle(lambda url: url("url")))
    client = TestClient(App().add(Mount("/x", inner)))
    async with client.stream("/x/s") as opened:
        assert (await opened.event()).data == "1"
        client.drain()
        assert (await opened.event()).data == "2"
    assert (await TestClient(App().add(Mount("/x", inner))).get("/x/url")).json() == "/x/url"


# -- WebSockets


async def connect(app: App, path: str, **headers: str) -> list[Any]:
    """Connect a WebSocket; what the app sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = scope_of("GET", path, {"host": "here.example", **headers}, type="websocket", scheme="ws")
    del scope["method"], scope["extensions"]
    await app(scope, receive, send)
    return sent


class Sockets:
    """An app that accepts WebSockets."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "websocket.connect"}
        self.scopes.append(scope)
        await send({"type": "websocket.accept"})


async def test_a_websocket_is_passed_on() -> None:
    sockets = Sockets()
    assert await connect(App().add(Mount("/x", sockets), Get("/y").handle(hello)), "/x/a") == [
        {"type": "websocket.accept"}
    ]
    [scope] = sockets.scopes
    assert (scope["type"], scope["scheme"]) == ("websocket", "ws")
    assert (scope["root_path"], scope["path"]) == ("/x", "/x/a")
    assert "method" not in scope


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/y", {}),
        ("/x/%00", {}),
        ("/x", {"host": "evil.example"}),
        ("/x", {"origin": "https://evil.example"}),
    ],
)
async def test_a_websocket_that_is_not_for_it_is_closed(path: str, headers: dict[str, str]) -> None:
    sockets = Sockets()
    app = App(limits=Limits(hosts=["here.example"], origins=[])).add(Mount("/x", sockets), Get("/y").handle(hello))
    assert await connect(app, path, **headers) == [{"type": "websocket.close", "code": 1000}]
    assert sockets.scopes == []


async def test_a_page_of_this_host_may_open_a_websocket() -> None:
    app = App(limits=Limits(hosts=["here.example"], origins=[])).add(Mount("/x", Sockets()))
    for origin in ("http://here.example", "https://here.example"):
        assert await connect(app, "/x", origin=origin) == [{"type": "websocket.accept"}]


# -- the lifespan


class Lived:
    """A Starlette app that writes down what happens, and what its requests find in the state."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.app = Starlette(routes=[Route("/state", self.state)], lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[dict[str, Any]]:
        self.log.append(f"{self.name} starts")
        yield {"name": self.name, f"only_{self.name}": True}
        self.log.append(f"{self.name} ends")

    async def state(self, request: Request) -> JSONResponse:
        state = request.scope["state"]
        return JSONResponse({key: state[key] for key in state if not key.startswith("trio_sse")})


class Database:
    """A service that writes down when it lives."""

    log: list[str]

    async def __aenter__(self) -> Database:
        self.log.append("database opens")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.log.append("database closes")


def get_database(database: Database) -> str:
    return "ours"


async def test_lifespans_run_within_ours_and_each_app_sees_its_own_state() -> None:
    log: list[str] = []
    Database.log = log
    one, two = Lived("one", log), Lived("two", log)
    app = (
        App()
        .provide(Database)
        .add(
            Get("/").handle(get_database), Mount("/one", one.app), Mount("/two", two.app), Mount("/two/again", two.app)
        )
    )
    async with TestClient(app) as client:
        assert log == ["database opens", "one starts", "two starts"]
        assert (await client.get("/one/state")).json() == {"name": "one", "only_one": True}
        assert (await client.get("/two/state")).json() == {"name": "two", "only_two": True}
        assert (await client.get("/two/again/state")).json() == {"name": "two", "only_two": True}
        assert (await client.get("/")).status == 200
        assert "name" not in client.state
    assert log[3:] == ["two ends", "one ends", "database closes"]


async def test_the_state_of_what_is_around_the_app_is_passed_on() -> None:
    app = App().add(Mount("/one", Lived("one", []).app))
    async with TestClient(app) as client:
        client.state |= {"outer": 1, "name": "outer"}
        state = (await client.get("/one/state")).json()
    assert state == {"outer": 1, "name": "one", "only_one": True}


async def test_a_mounted_app_of_this_library_has_its_services_and_its_nursery() -> None:
    log: list[str] = []
    Database.log = log

    async def work(app_nursery: trio.Nursery, database: Database) -> str:
        app_nursery.start_soon(trio.sleep_forever)
        return "worked"

    innermost = App().provide(Database).add(Get("/work").handle(work))
    app = App().add(Mount("/a", App().add(Mount("/b", innermost))))
    async with TestClient(app) as client:
        assert (await client.get("/a/b/work")).json() == "worked"
    assert log == ["database opens", "database closes"]


def living(*phases: str, error: Exception | None = None, ask: bool = True) -> Callable[..., Awaitable[None]]:
    """An app that says what it is told to in its lifespan, and then raises an error or returns."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await answer(send)
            return
        if ask:
            assert await receive() == {"type": "lifespan.startup"}
        for phase in phases:
            if phase == "wait":
                assert await receive() == {"type": "lifespan.shutdown"}
            elif phase == "for ever":
                await receive()
            else:
                await send({"type": f"lifespan.{phase}"})
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("app", "level"),
    [
        (living(error=NotImplementedError("http only"), ask=False), logging.INFO),
        (living(error=NotImplementedError("http only")), logging.WARNING),
        (living(ask=False), None),
        (living(), None),
        (living("startup.complete"), None),
        (living("startup.complete", "wait", "shutdown.complete"), None),
        (living("startup.complete", "wait", "shutdown.complete", "for ever"), None),
        (living("startup.complete", "wait"), None),
        (living("startup.complete", "wait", "shutdown.failed"), logging.ERROR),
    ],
)
async def test_an_app_may_have_any_lifespan_or_none(
    app: Any, level: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with TestClient(App().add(Mount("/x", app))) as client:
        assert (await client.get("/x")).body == b"mounted"
    assert [(record.name, record.levelno) for record in caplog.records] == (
        [] if level is None else [("trio_sse", level)]
    )


async def test_an_app_that_says_that_it_has_failed_to_start_ends_the_start() -> None:
    failing = Mount("/x", living("startup.failed"))
    with pytest.RaisesGroup(LifespanError, flatten_subgroups=True):
        async with App().add(failing).lifespan():
            pytest.fail("it has started")
    message = ".*LifespanError: the app of Mount /x has failed to start: it gives no reason"
    with pytest.raises(AssertionError, match=f"the startup has failed: {message}"):
        await TestClient(App().add(failing)).__aenter__()


async def test_the_error_of_a_failed_start_is_the_apps_own() -> None:
    ended: list[str] = []

    @asynccontextmanager
    async def failing(_app: Any) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = App().add(Mount("/one", Lived("one", ended).app), Mount("/x", Starlette(lifespan=failing)))
    with pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        async with app.lifespan():
            pytest.fail("it has started")
    assert ended == ["one starts", "one ends"]
    with pytest.raises(AssertionError, match="the startup has failed: LookupError: no database"):
        async with TestClient(app):
            pytest.fail("it has started")


async def test_a_lifespan_that_fails_later_ends_the_app(autojump_clock: MockClock) -> None:
    error = LookupError("lost")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await trio.sleep(1)
        raise error

    with pytest.raises(LookupError) as caught:
        async with TestClient(App().add(Mount("/x", app))):
            await trio.sleep_forever()
    assert caught.value is error
    assert caught.value.__notes__ == ["in the lifespan of Mount /x"]


async def test_a_lifespan_that_does_not_return_after_its_shutdown_is_cancelled(autojump_clock: MockClock) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        await trio.sleep_forever()

    async with TestClient(App(cleanup_timeout=3).add(Mount("/x", app))):
        before = trio.current_time()
    assert trio.current_time() - before == 3


async def test_a_cancellation_ends_the_lifespans(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as limit:
        async with App().add(Mount("/x", living("startup.complete", "wait"))).lifespan():
            await trio.sleep_forever()
    assert limit.cancelled_caught


async def test_without_the_lifespan_requests_are_passed_on_all_the_same() -> None:
    app = App().add(Mount("/one", Starlette(routes=[Route("/", lambda _: PlainTextResponse("hi"))])))
    assert (await TestClient(app).get("/one/")).text == "hi"


# -- others' apps


async def test_starlettes_static_files(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a b.css").write_text("body {}")
    (tmp_path / "index.html").write_text("<p>")
    app = App().add(Mount("/static", StaticFiles(directory=tmp_path, html=True)), Get("/").handle(hello))
    async with TestClient(app) as client:
        reply = await client.get("/static/css/a%20b.css")
        assert (reply.text, reply.headers["content-type"]) == ("body {}", "text/css; charset=utf-8")
        assert (
            await client.get("/static/css/a%20b.css", headers={"if-none-match": reply.headers["etag"]})
        ).status == 304
        assert (await client.get("/static/")).text == "<p>"
        missing = await client.get("/static/none.css")
        assert (missing.status, missing.json()) == (404, {"title": "Not Found", "status": 404})
        assert (await client.get("/static/../static/index.html")).status == 404
        assert (await client.get("/static/..%2F..%2Fetc/passwd")).status == 404
        assert (await client.post("/static/index.html")).status == 405
        assert (await client.get("/")).json() == "ours"


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (HTTPException(418, "tea", {"X-Pot": "1"}), (418, b'{"title":"I\'m a Teapot","status":418,"detail":"tea"}')),
        (NotFound("nothing"), (404, b'{"title":"Not Found","status":404,"detail":"nothing"}')),
    ],
)
async def test_an_exception_for_a_status_is_answered_unless_the_response_has_started(
    error: Exception, answer: tuple[int, bytes]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/x/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    client = TestClient(App().add(Mount("/x", app)))
    reply = await client.get("/x")
    assert (reply.status, reply.body) == answer
    assert reply.headers.get("x-pot") == ("1" if answer[0] == 418 else None)
    with pytest.raises(type(error)) as caught:
        await client.get("/x/late")
    assert caught.value is error


@pytest.mark.parametrize("error", [HTTPException(304), LookupError()])
async def test_no_other_exception_is_answered(error: Exception) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        await TestClient(App().add(Mount("/x", app))).get("/x")


async def test_starlette_finds_its_routes_below_a_mount_below_a_mount() -> None:
    async def where(request: Request) -> JSONResponse:
        return JSONResponse([request.path_params["id"], str(request.url_for("item", id="2"))])

    inner = Starlette(routes=[Route("/items/{id}", where, name="item")])
    app = App().add(Mount("/a", App().add(Mount("/b", inner), Post("/b/items").handle(hello))))
    reply = await TestClient(app, headers={"host": "h.example"}).get("/api/a/b/items/1", root_path="/api")
    assert reply.json() == ["1", "http://h.example/api/a/b/items/2"]
