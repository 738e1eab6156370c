"""The table of servers: HTTP requests, and how a server of Server-Sent Events must answer them.

Owns the requests. Must not know how a server is implemented, only that it serves the contract below.

The contract, under any base URL, for GET:

`/events`
    A stream of the three events `EVENTS`, which then ends. The server may also answer HEAD.
`/replay`
    Five events: event n has the id n and the data n. With a Last-Event-ID of n only the events after n, and with 5 the
    status 204. Any other Last-Event-ID has no effect.
`/retry`
    A stream that sets the reconnection time of 250 ms, with or without an event, and then ends.
`/done`
    204.
`/forbidden`
    403.
`/nowhere`
    404.
`/quiet`
    A stream without an event that never ends, with a comment at least every second.
`/held`
    A stream with one event, whose data is `held`, that never ends.
`/held/count`
    The number of open streams of `/held`, as plain text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs
import httpx

from .parsers import of_our_decoder
from .parsing import Event, Parsed, message

__all__ = ("CHECKS", "EVENTS", "EXCHANGES", "Check", "Connect", "Exchange")

EVENTS: Final = (
    message("one", "1"),
    Event("note", "two\nlines", "2"),
    message("drei: \u2713 \U0001f642\u2028", "3"),
)
NUMBERS: Final = tuple(message(str(n), str(n)) for n in range(1, 6))
SECONDS: Final = 5.0
"""The time that a server may take to notice that a client has connected or disconnected."""

Connect: TypeAlias = Callable[[], httpx.Client]
"""Makes a client with a base URL and a version of HTTP; the check closes it."""

FORBIDDEN_IN_HTTP_2 = ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
ASKS_FOR_A_STREAM: Final[Mapping[str, str]] = MappingProxyType({"accept": "text/event-stream"})


@attrs.frozen(kw_only=True)
class Exchange:
    """A request, and the expected response.

    Attributes:
        name: A sentence that states the correct behaviour.
        clause: The clause of a standard.
        path: The path of the request, from the contract above.
        statuses: The allowed statuses.
        events: The events of the stream if the status is 200; None if the response must not be a stream.
        retry: The reconnection time that the stream sets.
        method: The method.
        headers: The request's headers.
        allows: Methods that the header Allow must list.
    """

    name: str
    clause: str
    path: str
    statuses: tuple[int, ...] = (200,)
    events: tuple[Event, ...] | None = None
    retry: int | None = None
    method: str = "GET"
    headers: Mapping[str, str | bytes] = ASKS_FOR_A_STREAM
    allows: tuple[str, ...] = ()

    def check(self, connect: Connect) -> None:
        """Send the request and check the response.

        Raises:
            AssertionError: The response is wrong.
        """
        headers = [(name.encode(), _encoded(value)) for name, value in self.headers.items()]
        with connect() as client:
            response = client.request(self.method, self.path, headers=headers)
        assert response.status_code in self.statuses, response
        if response.status_code == 200 and self.events is not None:
            check_head(response)
            self._check_body(response.content)
        else:
            assert not is_stream(response), "only a stream may have the content type of a stream"
        allowed = {method.strip() for method in response.headers.get("allow", "").split(",")}
        assert allowed.issuperset(self.allows), f"Allow names {allowed}"
        if response.status_code == 204:
            assert not response.content

    def _check_body(self, body: bytes) -> None:
        if self.method == "HEAD":
            assert not body
            return
        body.decode()
        found = of_our_decoder([body])
        last = self.events[-1].last_event_id if self.events else ""
        assert found == Parsed(self.events or (), found.retry, last), found
        assert self.retry is None or found.retry == self.retry, found
        whole = not body or body.endswith((b"\n", b"\r"))
        assert whole and of_our_decoder([body, b"\n\n"]) == found, "the last event is not complete"


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def is_stream(response: httpx.Response) -> bool:
    """Whether a client treats the response as an event stream."""
    found: str = response.headers.get("content-type", "")
    return found.partition(";")[0].strip().lower() == "text/event-stream"


def check_head(response: httpx.Response) -> None:
    """Check the headers of a stream: its type, a charset that the type allows, and that caches do not store it."""
    assert is_stream(response), response.headers
    _, _, parameters = response.headers["content-type"].partition(";")
    assert parameters.replace(" ", "").replace('"', "").lower() in {"", "charset=utf-8"}, parameters
    cache = response.headers.get("cache-control", "")
    assert {"no-store", "no-cache"} & {directive.strip() for directive in cache.lower().split(",")}, cache
    if response.http_version == "HTTP/2":
        assert not [name for name in FORBIDDEN_IN_HTTP_2 if name in response.headers]


def replayed(name: str, id: str | bytes, *events: Event, statuses: tuple[int, ...] = (200,)) -> Exchange:
    """Make a request of a client that reconnects."""
    headers = {**ASKS_FOR_A_STREAM, "last-event-id": id}
    return Exchange(name=name, clause=LAST_ID, path="/replay", headers=headers, statuses=statuses, events=events)


MIME = "HTML 9.2.3: a response is a stream if its status is 200 and its type text/event-stream"
LAST_ID = "HTML 9.2.4: Last-Event-ID is the id of the last event, in UTF-8"
STOP = "HTML 9.2.3: a client can be told to stop reconnecting with 204"
ACCEPT = "RFC 9110, 12.5.1: a server may disregard Accept or answer 406"
METHODS = "RFC 9110, 15.5.6: 405 comes with Allow, which names the methods there are"
UNREADABLE = "HTML 9.2.3: any status but 200 ends an EventSource for good, so an unknown id must not cause one"

EXCHANGES = (
    Exchange(name="a stream arrives whole", clause=MIME, path="/events", events=EVENTS),
    Exchange(
        name="a stream is given without Accept", clause=ACCEPT, path="/events", events=EVENTS, headers={"accept": ""}
    ),
    Exchange(
        name="a stream is given for Accept: */*",
        clause=ACCEPT,
        path="/events",
        events=EVENTS,
        headers={"accept": "*/*"},
    ),
    Exchange(
        name="a client that wants no stream gets it or 406",
        clause=ACCEPT,
        path="/events",
        events=EVENTS,
        statuses=(200, 406),
        headers={"accept": "application/json"},
    ),
    Exchange(name="a query has no effect", clause=MIME, path="/events?a=b&c", events=EVENTS),
    Exchange(name="a reconnection time is set", clause="HTML 9.2.6: retry", path="/retry", events=(), retry=250),
    Exchange(name="a first request receives all events", clause=LAST_ID, path="/replay", events=NUMBERS),
    replayed("a reconnecting client receives the events that it missed", "3", *NUMBERS[3:]),
    replayed("a reconnect at the end is told to stop", "5", statuses=(204,)),
    replayed("an empty id counts as none", "", *NUMBERS),
    replayed("an unknown id is not an error", "nonsense", *NUMBERS),
    replayed("an id in UTF-8 is not an error", "gr\u00f6\u00dfe-\u2713", *NUMBERS),
    replayed("an id that is not UTF-8 is not an error", b"\xff\xfe", *NUMBERS),
    replayed("a long id is not an error", "x" * 2000, *NUMBERS),
    Exchange(name="204 stops a client", clause=STOP, path="/done", statuses=(204,)),
    Exchange(name="a refusal is not a stream", clause=MIME, path="/forbidden", statuses=(403,)),
    Exchange(name="an unknown path is not a stream", clause=MIME, path="/nowhere", statuses=(404,)),
    *(
        Exchange(
            name=f"{method} is not allowed",
            clause=METHODS,
            path="/events",
            method=method,
            statuses=(405,),
            allows=("GET",),
        )
        for method in ("POST", "PUT", "DELETE")
    ),
    Exchange(
        name="HEAD receives the headers only",
        clause="RFC 9110, 9.3.2: the same header fields as GET, and no content",
        path="/events",
        method="HEAD",
        statuses=(200, 405),
        events=EVENTS,
    ),
)


@attrs.frozen
class Check:
    """A check that takes more than one request.

    Attributes:
        name: A sentence that states the correct behaviour.
        clause: The clause of a standard.
        check: Sends the requests, and raises AssertionError.
    """

    name: str
    clause: str
    check: Callable[[Connect], None]


def each_event_comes_at_once(connect: Connect) -> None:
    with connect() as client, streaming(client, "/held") as chunks:
        assert read_event(chunks) == message("held")


def comments_keep_it_alive(connect: Connect) -> None:
    received = b""
    with connect() as client, streaming(client, "/quiet") as chunks:
        while len([line for line in received.splitlines() if line.startswith(b":")]) < 3:
            received += next(chunks)
    assert of_our_decoder([received]).events == ()


def a_client_that_leaves_frees_its_stream(connect: Connect) -> None:
    with connect() as other:
        with connect() as client, streaming(client, "/held") as chunks:
            read_event(chunks)
            wait_until_held(1, other)
        wait_until_held(0, other)


def streams_are_independent(connect: Connect) -> None:
    """Over HTTP/2 they share a connection."""
    with connect() as other:
        with connect() as client, ExitStack() as stack:
            for _ in range(3):
                read_event(stack.enter_context(streaming(client, "/held")))
            wait_until_held(3, other)
            assert client.get("/events").status_code == 200
        wait_until_held(0, other)


@contextmanager
def streaming(client: httpx.Client, path: str) -> Iterator[Iterator[bytes]]:
    """Open a stream for the duration of the block, and yield its chunks."""
    with client.stream("GET", path, headers=ASKS_FOR_A_STREAM) as response:
        check_head(response)
        chunks = response.iter_raw()
        yield chunks


def read_event(chunks: Iterator[bytes]) -> Event:
    """Read until the first event."""
    read: list[bytes] = []
    for chunk in chunks:
        read.append(chunk)
        if found := of_our_decoder(read).events:
            return found[0]
    raise AssertionError(f"the stream has ended: {read}")


def wait_until_held(count: int, client: httpx.Client) -> None:
    """Wait until the server has this number of open streams."""
    end = time.monotonic() + SECONDS
    while (held := int(client.get("/held/count").text)) != count:
        assert time.monotonic() < end, f"the server holds {held} streams and not {count}"
        time.sleep(0.01)


CHECKS = (
    Check(
        "an event is sent immediately",
        "HTML 9.2.6: lines are processed in the order they are received",
        each_event_comes_at_once,
    ),
    Check(
        "comments keep the stream alive", "HTML 9.2.7: a comment line every 15 seconds or so", comments_keep_it_alive
    ),
    Check(
        "the stream of a client that disconnects is closed",
        "RFC 9112, 9.6; RFC 9113, 8.1",
        a_client_that_leaves_frees_its_stream,
    ),
    Check("streams are independent of each other", "RFC 9113, 5: streams are independent", streams_are_independent),
)
