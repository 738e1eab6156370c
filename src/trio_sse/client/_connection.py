"""Connections: from a subscription to a stream of bytes.

Owns one attempt: the HTTP client, the check of the response, the translation of errors. It does not know events, or
whether there will be another attempt.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import cache
from http.cookiejar import CookieJar
from typing import Any, Final, Protocol

import attrs
import h2.exceptions
import httpx2
import trio

from ._body import Body
from ._errors import BadResponse, ConnectionFailed, ConnectionLost
from ._media_type import media_type
from ._redirects import MAX_REDIRECTS, Redirects
from ._subscription import Subscription

__all__ = ("Connection", "Connector")

EXCERPT_SIZE: Final = 4096
EXCERPT_SECONDS: Final = 5.0


class Connection:
    """An open stream. The owner must close it."""

    def __init__(self, label: str, body: Body, resources: AsyncExitStack) -> None:
        self._label = label
        self._body = body
        self._resources = resources

    async def receive(self) -> bytes | None:
        """The next bytes; None at the end of the response.

        Raises:
            ConnectionLost: The network failed.
            ConnectionFailed: The compressed data are invalid.
        """
        with translated(self._label):
            return await self._body.receive()

    async def aclose(self) -> None:
        """Close the stream, and the client that was made for it with its sockets, even if the caller is cancelled."""
        await self._resources.aclose()


@attrs.frozen
class Connector:
    """Makes connections, one at a time.

    Without a client from the user, each connection gets a new one. Over HTTP/2 a client keeps its socket when a stream
    ends: it would send the next request over a connection that may be dead, and the server would not notice that the
    reader has left. Cookies are kept from one client to the next.
    """

    subscription: Subscription
    timeout: float
    client: httpx2.AsyncClient | None
    ssl_context: ssl.SSLContext | None
    cookies: CookieJar = attrs.field(factory=CookieJar)

    async def connect(self, last_event_id: str | None) -> Connection | None:
        """Request the stream. Returns None if the status is 204, which ends it for good (WHATWG HTML, 9.2.3).

        Raises:
            ConnectionLost: The network failed, or there was no response in time.
            BadResponse: The response is not an event stream.
            ConnectionFailed: Another attempt would fail too: too many redirects, an untrusted certificate, …
        """
        label = self.subscription.label
        async with AsyncExitStack() as resources:
            client = self.client
            if client is None:
                client = await resources.enter_async_context(self._own_client())
            response = await self._answer(client, last_event_id)
            body = Body(response)
            resources.push_async_callback(body.aclose)
            if response.status_code == 204:
                return None
            reason = objection_to(response)
            if reason:
                raise BadResponse(label, reason, response.status_code, dict(response.headers), await excerpt(body))
            return Connection(label, body, resources.pop_all())
        raise AssertionError("unreachable")

    def _own_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(verify=self.ssl_context or system_ssl_context(), http2=True, cookies=self.cookies)

    async def _answer(self, client: httpx2.AsyncClient, last_event_id: str | None) -> httpx2.Response:
        label = self.subscription.label
        with trio.move_on_after(self.timeout), translated(label):
            return await self._ask(client, last_event_id)
        raise ConnectionLost(label, f"no response within {self.timeout:g} s")

    async def _ask(self, client: httpx2.AsyncClient, last_event_id: str | None) -> httpx2.Response:
        """Send the request and follow redirects. Their bodies are not read, because they may be endless."""
        asked = self.subscription
        request = client.build_request(
            asked.method,
            asked.url,
            headers=asked.headers_from(last_event_id),
            content=asked.content,
            timeout=httpx2.Timeout(None),  # `_answer` and the source limit the time
            extensions={"trace": Handshakes().trace},
        )
        chain = Redirects(asked.label, client, request, asked.has_cookies or "cookie" in client.headers)
        for _ in range(MAX_REDIRECTS + 1):
            auth = httpx2.USE_CLIENT_DEFAULT if chain.at_home else None
            response = await client.send(chain.request, stream=True, follow_redirects=False, auth=auth)
            if response.next_request is None:
                return response
            await Body(response).aclose()
            chain.follow(response.status_code, response.next_request.url)
        raise ConnectionFailed(asked.label, f"more than {MAX_REDIRECTS} redirects")


class Handshakes:
    """Closes the socket if the TLS handshake fails. httpcore2 leaves it open if the handshake is cancelled.

    The `trace` extension of the request reports the connection and the failure.
    """

    def __init__(self) -> None:
        self._socket: AsyncCloseable | None = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore2 calls this before and after each of its steps."""
        if event.endswith(".connect_tcp.complete"):
            self._socket = info["return_value"]
        elif event.endswith(".start_tls.failed") and self._socket is not None:
            await self._socket.aclose()


class AsyncCloseable(Protocol):
    """A stream of httpcore2."""

    async def aclose(self) -> None:
        """Close it."""


@cache
def system_ssl_context() -> ssl.SSLContext:
    """The context that httpx2 creates for each client. That takes about 20 ms, too long for each connection."""
    return httpx2.create_ssl_context()


def objection_to(response: httpx2.Response) -> str | None:
    """Why a response is not an event stream; None if it is one: a 200 with the content type (WHATWG HTML, 9.2.3)."""
    if response.status_code != 200:
        return f"the response has status {response.status_code} {response.reason_phrase}".rstrip()
    types = [value for name, value in response.headers.raw if name.lower() == b"content-type"]
    if media_type(types) != b"text/event-stream":
        shown = b", ".join(types).decode("latin-1")
        return f"the content type must be text/event-stream, but is {shown or 'missing'}"
    return None


async def excerpt(body: Body) -> bytes:
    """The beginning of the body of a response that is not a stream: as much as arrives in time."""
    found = b""
    with trio.move_on_after(EXCERPT_SECONDS), suppress(httpx2.HTTPError):  # the status is the error to report
        while len(found) < EXCERPT_SIZE and (chunk := await body.receive()) is not None:
            found += chunk
    return found[:EXCERPT_SIZE]


@contextmanager
def translated(label: str) -> Generator[None, None, None]:
    """Raise the errors of httpx2 as those of this package."""
    try:
        yield
    except (httpx2.UnsupportedProtocol, httpx2.DecodingError) as error:
        raise ConnectionFailed(label, message_of(error)) from error
    except httpx2.TransportError as error:
        kind = ConnectionFailed if is_untrusted(error) else ConnectionLost
        raise kind(label, message_of(error)) from error
    except h2.exceptions.H2Error as error:  # httpcore2 does not translate them
        raise ConnectionLost(label, f"HTTP/2 protocol error: {message_of(error)}") from error


def message_of(error: Exception) -> str:
    """The message of an error; if it is empty, that of its cause; if there is none, the name of its class."""
    return next((str(cause) for cause in causes(error) if str(cause)), type(error).__name__)


def is_untrusted(error: Exception) -> bool:
    """Whether the server's certificate is not trusted, which another attempt does not change."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def causes(error: BaseException | None) -> Generator[BaseException, None, None]:
    """An error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
