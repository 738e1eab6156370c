"""A client in memory: sends requests to an ASGI app without a server, and reads its streams while they run.

Owns the creation of requests, and the app's lifespan around them. `_stream` owns what happens during one request.
"""

from __future__ import annotations

import json as json_module
from collections.abc import AsyncGenerator, Iterable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlencode

import attrs
import trio
from trio.testing import MockClock

from .._ground.text import ascii_lower
from .._http.headers import Headers
from .._runtime.server_extension import EXTENSION, Drain, ServerExtension
from ._content import NOT_GIVEN, content_of
from ._cookies import CookieJar
from ._leaks import no_leaks
from ._stream import TestStream
from ._ungroup import Ungrouped

__all__ = ("TestClient", "TestResponse")

HOST: Final = "127.0.0.1:8000"
REAL_PATIENCE: Final = 10.0
VIRTUAL_PATIENCE: Final = 24 * 60 * 60.0
SAFE_IN_A_TARGET = "/%:@!$&'()*+,;=?~-._"
"""Characters of a target that are sent unchanged; others are percent-encoded, as any client does."""


def _default_patience() -> float:
    return VIRTUAL_PATIENCE if isinstance(trio.lowlevel.current_clock(), MockClock) else REAL_PATIENCE


def _present(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value is not None}


def _quoted(target: str) -> str:
    return quote(target, safe=SAFE_IN_A_TARGET)


def _path_of(target: str) -> str:
    return _quoted(target).partition("?")[0]


def _to_headers(headers: Mapping[str, str]) -> Headers:
    return headers if isinstance(headers, Headers) else Headers(headers.items())


@attrs.frozen
class TestResponse:
    """A whole response.

    Attributes:
        status: The status.
        headers: The headers.
        body: The body.
    """

    __test__ = False

    status: int
    headers: Headers = attrs.field(converter=_to_headers)
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, read as JSON."""
        return json_module.loads(self.body)


class TestClient:
    """Sends requests to an app in memory. Entering it runs the app's lifespan around the requests.

        async with TestClient(app) as client, client.stream("/clock") as stream:
            assert (await stream.event()).event == "tick"

    It works under any Trio clock. Under a `trio.testing.MockClock` with `autojump_threshold=0`, time jumps to the next
    deadline whenever all tasks wait, so an hour of heartbeats takes milliseconds. The end of the block checks for leaks
    (see `no_leaks`). Apps whose routes do not need the lifespan can be tested without entering the client.

    An error leaves the blocks of a client and of its streams as it was raised, not in an exception group, unless there
    are several.

    Args:
        app: Any ASGI app.
        headers: Headers for all requests. Without a `host` among them it is `127.0.0.1:8000`.
        cookies: Cookies for all requests.
        patience: Seconds, by Trio's clock, after which a wait fails the test. The default is 10 in real time, and a
            day in virtual time.
        **scope: Further keys of the ASGI scope of each request: `http_version="2"`, `root_path="/api"`, `client=…`.
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        *,
        headers: Mapping[str, str | None] | None = None,
        cookies: Mapping[str, str] | None = None,
        patience: float | None = None,
        **scope: Any,
    ) -> None:
        self.app = app
        self.patience = patience
        self.state: dict[str, Any] = {}
        self._drain = Drain()
        self._headers = dict(headers or {})
        self._cookies = CookieJar((cookies or {}).items())
        self._scope = scope
        self._stack: AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(Ungrouped())
            stack.enter_context(no_leaks())
            await stack.enter_async_context(self._lifespan())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        __tracebackhide__ = True
        stack, self._stack = self._stack, None
        assert stack is not None, "the client has not been entered"
        return await stack.__aexit__(kind, error, traceback)  # noqa: ASYNC102 - the app shields its own clean-up

    @property
    def cookies(self) -> MutableMapping[str, str]:
        """The cookies that requests send, by name; responses set and delete them.

        Their paths and expiry dates are observed; Max-Age counts Trio's time. Domain, Secure, HttpOnly and SameSite are
        not, because there is one host and no page. A request with a `cookie` header of its own sends only that.
        """
        return self._cookies

    # -- requests

    @asynccontextmanager
    async def stream(
        self,
        target: str,
        *,
        method: str = "GET",
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        json: Any = NOT_GIVEN,
        form: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | tuple[str, bytes] | tuple[str, bytes, str]] | None = None,
        body: bytes | Iterable[bytes] = b"",
        wait: bool = True,
        **scope: Any,
    ) -> AsyncGenerator[TestStream]:
        """Send a request. The block begins when the response starts. Its end disconnects, and waits for the app.

        Args:
            target: The path, with or without a query. It may be percent-encoded.
            method: The method.
            query: Parameters for the query string.
            headers: The request's headers. None leaves a header out: `{"last-event-id": stream.last_event_id}` is right
                for the first request, too.
            json: A value to send as JSON.
            form: The fields of a form, sent as `application/x-www-form-urlencoded`, or with `files` as
                `multipart/form-data`. A list or tuple sends a field several times.
            files: The files of a form, by field: the content, or a tuple of file name and content, or of file name,
                content and media type.
            body: Bytes to send, or chunks of them.
            wait: Whether to wait for the start of the response; False begins the block at once.
            **scope: Further keys of the ASGI scope.

        Raises:
            TypeError: More than one kind of body is given.
            AssertionError: The app has violated ASGI, or has not ended in time.
            Exception: What the app has raised, unless the test has taken it with `claim_error`.
        """
        media_type, chunks = content_of(json, form, files, body)
        path = _path_of(target)
        given = self._complete({**self._headers, **(headers or {})}, media_type, path)
        stream = TestStream(
            chunks,
            _default_patience() if self.patience is None else self.patience,
            on_start=lambda headers: self._take_cookies(headers, path),
        )
        extensions = {EXTENSION: ServerExtension(self._drain, break_off=stream.break_off)}
        extra = {"extensions": extensions, **self._scope, **scope}
        request = self._request_scope(method, target, query or {}, given, extra)
        async with Ungrouped(), trio.open_nursery() as nursery:
            stream.in_nursery(nursery)
            nursery.start_soon(self._run, request, stream, name=f"{method} {target}")
            if wait:
                await stream.started()
            yield stream
            stream.disconnect()
            await stream.ended()
        if stream.error is not None:
            raise stream.error

    async def request(self, method: str, target: str, **options: Any) -> TestResponse:
        """Send a request, and wait for the whole response. The options are those of `stream`.

        Raises:
            AssertionError: As for `stream`; or the app has ended without completing the response.
            Exception: What the app has raised.
        """
        async with self.stream(target, method=method, wait=False, **options) as stream:
            await stream.ended()
            if stream.error is None:
                assert stream.status is not None, "the app has ended without a response"
                assert stream.complete, "the app has ended without completing its response"
        return TestResponse(stream.status or 0, stream.headers, stream.raw)

    async def get(self, target: str, **options: Any) -> TestResponse:
        """`request("GET", …)`."""
        return await self.request("GET", target, **options)

    async def post(self, target: str, json: Any = NOT_GIVEN, **options: Any) -> TestResponse:
        """`request("POST", …)`, with a value to send as JSON."""
        return await self.request("POST", target, json=json, **options)

    async def put(self, target: str, json: Any = NOT_GIVEN, **options: Any) -> TestResponse:
        """`request("PUT", …)`, with a value to send as JSON."""
        return await self.request("PUT", target, json=json, **options)

    async def patch(self, target: str, json: Any = NOT_GIVEN, **options: Any) -> TestResponse:
        """`request("PATCH", …)`, with a value to send as JSON."""
        return await self.request("PATCH", target, json=json, **options)

    async def delete(self, target: str, **options: Any) -> TestResponse:
        """`request("DELETE", …)`."""
        return await self.request("DELETE", target, **options)

    def _complete(self, headers: dict[str, str | None], media_type: str | None, path: str) -> dict[str, str]:
        """Add the headers that a client adds itself, unless the test has given them."""
        given = set(map(ascii_lower, headers))
        own = {"host": HOST, "content-type": media_type, "cookie": self._cookies.header_for(path)}
        return _present({**{name: value or None for name, value in own.items() if name not in given}, **headers})

    def _take_cookies(self, headers: Headers, path: str) -> None:
        for value in headers.get_all("set-cookie"):
            self._cookies.store(value, path)

    # -- the server's part

    def drain(self, seconds: float = 10.0) -> None:
        """Start a shutdown, as `trio_sse.serve` does: open requests are told, new ones are refused.

        Args:
            seconds: The time that open requests have to end.
        """
        self._drain.begin(seconds)

    async def _run(self, scope: dict[str, Any], stream: TestStream) -> None:
        error: Exception | None = None
        try:
            await self.app(scope, stream.receive, stream.send)
        except Exception as raised:  # noqa: BLE001 - kept, and raised at the end of the block
            error = raised
        finally:
            stream.app_has_ended(error)

    def _request_scope(
        self,
        method: str,
        target: str,
        query: Mapping[str, Any],
        headers: Mapping[str, str],
        extra: Mapping[str, Any],
    ) -> dict[str, Any]:
        path, _, given = _quoted(target).partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": "&".join(filter(None, (given, urlencode(query, doseq=True)))).encode("ascii"),
            "root_path": "",
            "headers": [
                (ascii_lower(name).encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": dict(self.state),
            "extensions": {EXTENSION: ServerExtension(self._drain)},
            **self._scope,
            **extra,
        }

    @asynccontextmanager
    async def _lifespan(self) -> AsyncGenerator[None]:
        to_app, from_client = trio.open_memory_channel[dict[str, Any]](2)
        to_client, from_app = trio.open_memory_channel[Mapping[str, Any]](2)
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            nursery.start_soon(self._live, scope, from_client.receive, to_client, name="the app's lifespan")
            await to_app.send({"type": "lifespan.startup"})
            await self._told(from_app, "startup")
            yield
            await to_app.send({"type": "lifespan.shutdown"})
            await self._told(from_app, "shutdown")

    async def _live(
        self, scope: dict[str, Any], receive: Any, to_client: trio.MemorySendChannel[Mapping[str, Any]]
    ) -> None:
        async with to_client:
            await self.app(scope, receive, to_client.send)

    async def _told(self, from_app: trio.MemoryReceiveChannel[Mapping[str, Any]], phase: str) -> None:
        try:
            message = await from_app.receive()
        except trio.EndOfChannel:
            raise AssertionError(f"the app's lifespan has ended before the {phase} was complete") from None
        assert message["type"] == f"lifespan.{phase}.complete", f"the {phase} has failed: {message.get('message', '')}"
