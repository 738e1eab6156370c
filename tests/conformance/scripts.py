"""The table of clients: a server's response to each request, and what a client must do with it by WHATWG HTML, 9.2.

Owns the scripts, the ASGI app that runs them, and the comparison. Must not know any client.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import attrs
import trio
import trio.testing

from .parsing import Event, message

__all__ = ("NAMES", "SCRIPTS", "Asked", "Player", "Reply", "Script", "disagreement")

STREAM: Final[Mapping[str, str]] = MappingProxyType({"content-type": "text/event-stream"})
AGAIN_AT_ONCE: Final = b"retry: 10\n"
TOLERANCE: Final = 0.002
"""The tolerance of clocks and timers, in seconds."""


@attrs.frozen
class Reply:
    """The response to one request.

    Attributes:
        body: The parts of the body, each sent in one message.
        status: The status.
        headers: The headers.
        cut: Whether the connection is closed after the body without the end of the response.
    """

    body: tuple[bytes, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = STREAM
    cut: bool = False


@attrs.frozen(kw_only=True)
class Script:
    """The responses of a server, and what a client must do with them. A request after the last reply is an error.

    Attributes:
        name: A sentence that states the correct behaviour.
        clause: The clause of the standard.
        replies: The responses, in order. After the last one a client must not reconnect.
        events: The events that the client returns.
        ids: The `Last-Event-ID` of each request; None for a request without it.
        waits: The minimum number of seconds before each further request.
    """

    name: str
    clause: str
    replies: tuple[Reply, ...]
    events: tuple[Event, ...] = ()
    ids: tuple[str | None, ...]
    waits: tuple[float, ...] = ()


@attrs.frozen
class Asked:
    """A request that the server received: its time in seconds, and its headers by their names in lower case."""

    time: float
    headers: Mapping[str, bytes]


def disagreement(script: Script, events: Iterable[Sequence[str]], asked: Sequence[Asked]) -> str | None:
    """Return how a client differs from a script, or None."""
    found = tuple(Event(*event) for event in events)
    if found != script.events:
        return f"it returns {found} instead of {script.events}"
    wanted = [None if id is None else id.encode() for id in script.ids]
    ids = [request.headers.get("last-event-id") for request in asked]
    if ids != wanted:
        return f"its requests have the ids {ids} instead of {wanted}"
    for request in asked:
        if request.headers.get("accept") != b"text/event-stream":
            return f"it accepts {request.headers.get('accept')!r}"
        if request.headers.get("cache-control") not in {b"no-cache", b"no-store"}:
            return f"it allows a cached response: Cache-Control is {request.headers.get('cache-control')!r}"
    waits = [later.time - earlier.time for earlier, later in pairwise(asked)]
    for wait, least in zip(waits, script.waits, strict=False):
        if wait < least - TOLERANCE:
            return f"it waits for {wait:.3f} s instead of {least} s"
    return None


class Player:
    """An ASGI app that runs scripts: the first at /0, the next at /1, and so on.

    Attributes:
        asked: The received requests, by the number of the script.
    """

    def __init__(self, scripts: Sequence[Script]) -> None:
        self.asked: dict[int, list[Asked]] = defaultdict(list)
        self._scripts = scripts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the next reply of the script that the path names."""
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        number = int(scope["path"].strip("/"))
        asked, replies = self.asked[number], self._scripts[number].replies
        headers = {name.decode(): value for name, value in scope["headers"]}
        asked.append(Asked(trio.current_time(), headers))
        await self._play(replies[len(asked) - 1] if len(asked) <= len(replies) else GONE, send)

    async def _play(self, reply: Reply, send: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for piece in reply.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if reply.cut:
            await (
                trio.testing.wait_all_tasks_blocked()
            )  # over HTTP/2 hypercorn would drop the data that it has not sent yet
            raise ConnectionAbortedError("cut, as the script says")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def stream(*pieces: bytes, cut: bool = False, headers: Mapping[str, str] = STREAM) -> Reply:
    """Make a stream that sets a short reconnection time."""
    return Reply((AGAIN_AT_ONCE, *pieces), headers=headers, cut=cut)


def refusal(status: int, headers: Mapping[str, str] = STREAM) -> Reply:
    """Make a response that has the body of a stream but the status of an error."""
    return Reply((b"id: 9\ndata: forged\n\n",), status, headers)


def moved(status: int) -> Reply:
    """Make a redirect to the same path with a query."""
    return Reply((), status, {"location": "?moved"})


GONE: Final = Reply((), 204, {})

AGAIN = "9.2.3: when the response has ended, reestablish the connection"
FAIL = "9.2.3: if the status is not 200, or the type not text/event-stream, fail the connection"
STOP = "9.2.3: a client can be told to stop reconnecting with 204"
LAST_ID = "9.2.3: if the last event ID string is not empty, set Last-Event-ID to it, encoded as UTF-8"
KEPT = "9.2.6: the last event ID string is that of the event source"
TIME = "9.2.3: wait a delay equal to the reconnection time"
END = "9.2.6: once the end of the file is reached, any pending data must be discarded"
BUFFERS = "9.2.6: when a stream is parsed, its buffers are empty at first"
REDIRECTS = "9.2.3: the request is fetched, and Fetch follows redirects"
MIME = "9.2.3: Content-Type is compared without its parameters"


def ended_with(name: str, reply: Reply) -> Script:
    """Make a script in which a client receives one stream, and then a reply that ends it."""
    once = stream(b"id: 1\ndata: a\n\n")
    return Script(name=name, clause=FAIL, replies=(once, reply), events=(message("a", "1"),), ids=(None, "1"))


SCRIPTS = (
    Script(name="204 ends the stream at once", clause=STOP, replies=(GONE,), ids=(None,)),
    Script(
        name="events are returned and 204 ends the stream",
        clause=STOP,
        replies=(stream(b"data: a\n\nevent: note\ndata: b\ndata: c\n\n"), GONE),
        events=(message("a"), Event("note", "b\nc")),
        ids=(None, None),
    ),
    Script(
        name="events may come in any pieces",
        clause="9.2.6: lines are processed in the order they are received",
        replies=(
            stream(b"da", b"ta: a\r", b"\ndata: \xe2\x9c", b"\x93\r\n", b"\r", b"\nid", b": 1\ndata: b\n\n"),
            GONE,
        ),
        events=(message("a\n\u2713"), message("b", "1")),
        ids=(None, "1"),
    ),
    Script(
        name="an ended stream is requested again with its last id",
        clause=AGAIN,
        replies=(stream(b"id: 1\ndata: a\n\n"), stream(b"id: 2\ndata: b\n\n"), stream(b"id: 3\ndata: c\n\n"), GONE),
        events=(message("a", "1"), message("b", "2"), message("c", "3")),
        ids=(None, "1", "2", "3"),
    ),
    Script(
        name="a broken stream is requested again with its last id",
        clause="9.2.3: a network error reestablishes the connection",
        replies=(stream(b"id: 1\ndata: a\n\n", b"data: unfin", cut=True), stream(b"data: b\n\n"), GONE),
        events=(message("a", "1"), message("b", "1")),
        ids=(None, "1", "1"),
    ),
    Script(
        name="a stream without an event is requested again",
        clause=AGAIN,
        replies=(stream(), stream(b":\n\n"), stream(b"data: a\n\n"), GONE),
        events=(message("a"),),
        ids=(None, None, None, None),
    ),
    Script(
        name="comments are not returned",
        clause="9.2.6: a line that starts with a colon is ignored",
        replies=(stream(b":\n\n", b": heartbeat\n\n", b"data: a\n\n", b":\n\n"), GONE),
        events=(message("a"),),
        ids=(None, None),
    ),
    # -- ids
    Script(
        name="an id outlives its connection",
        clause=KEPT,
        replies=(stream(b"id: 1\ndata: a\n\n"), stream(b"data: b\n\n"), stream(), GONE),
        events=(message("a", "1"), message("b", "1")),
        ids=(None, "1", "1", "1"),
    ),
    Script(
        name="an id without an event is sent back",
        clause="9.2.6: the last event ID string is set before the check for empty data",
        replies=(stream(b"data: a\n\nid: 1\n\n"), stream(b"id: 2\n\n"), GONE),
        events=(message("a"),),
        ids=(None, "1", "2"),
    ),
    Script(
        name="an id that is reset is not sent back",
        clause=LAST_ID,
        replies=(stream(b"id: 1\ndata: a\n\nid\ndata: b\n\n"), GONE),
        events=(message("a", "1"), message("b")),
        ids=(None, None),
    ),
    Script(
        name="an id that is reset by a later connection is not sent back",
        clause=LAST_ID,
        replies=(stream(b"id: 1\ndata: a\n\n"), stream(b"id:\ndata: b\n\n"), GONE),
        events=(message("a", "1"), message("b")),
        ids=(None, "1", None),
    ),
    Script(
        name="an id with NUL is not sent back",
        clause="9.2.6: an id with NULL is ignored",
        replies=(stream(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n"), GONE),
        events=(message("a", "1"), message("b", "1")),
        ids=(None, "1"),
    ),
    Script(
        name="an id is sent back in UTF-8",
        clause=LAST_ID,
        replies=(stream("id: gr\u00f6\u00dfe-\u2713\ndata: a\n\n".encode()), GONE),
        events=(message("a", "gr\u00f6\u00dfe-\u2713"),),
        ids=(None, "gr\u00f6\u00dfe-\u2713"),
    ),
    Script(
        name="an id of a thousand characters is sent back",
        clause=LAST_ID,
        replies=(stream(b"id: %b\ndata: a\n\n" % (b"x" * 1000)), GONE),
        events=(message("a", "x" * 1000),),
        ids=(None, "x" * 1000),
    ),
    Script(
        name="an id of an unfinished event is not sent back",
        clause=END,
        replies=(stream(b"id: 1\ndata: a\n\nid: 2\ndata: b\n"), stream(b"id: 3\n"), GONE),
        events=(message("a", "1"),),
        ids=(None, "1", "1"),
    ),
    # -- one connection after the other
    Script(
        name="an unfinished event is not finished by the next connection",
        clause=BUFFERS,
        replies=(stream(b"event: note\ndata: a\n"), stream(b"data: b\n\n"), GONE),
        events=(message("b"),),
        ids=(None, None, None),
    ),
    Script(
        name="an unfinished line is not finished by the next connection",
        clause=BUFFERS,
        replies=(stream(b"data: a"), Reply((b"data: b\n\n",)), GONE),
        events=(message("b"),),
        ids=(None, None, None),
    ),
    Script(
        name="an unfinished character is not finished by the next connection",
        clause="9.2.6: each stream is decoded separately",
        replies=(stream(b"data: \xe2\x9c"), Reply((b"\x93: x\ndata: b\n\n",)), GONE),
        events=(message("b"),),
        ids=(None, None, None),
    ),
    Script(
        name="each connection may begin with a BOM",
        clause="9.2.6: the UTF-8 decode algorithm strips one leading byte order mark",
        replies=(Reply((b"\xef\xbb", b"\xbfretry: 10\ndata: a\n\n")), Reply((b"\xef\xbb\xbfdata: b\n\n",)), GONE),
        events=(message("a"), message("b")),
        ids=(None, None, None),
    ),
    Script(
        name="a CR at the end of a connection does not affect the next",
        clause=BUFFERS,
        replies=(stream(b"data: a\n\n:\r"), Reply((b"\ndata: b\n\n",)), GONE),
        events=(message("a"), message("b")),
        ids=(None, None, None),
    ),
    # -- the reconnection time
    Script(
        name="the client waits for the reconnection time",
        clause=TIME,
        replies=(Reply((b"retry: 300\ndata: a\n\n",)), GONE),
        events=(message("a"),),
        ids=(None, None),
        waits=(0.3,),
    ),
    Script(
        name="the last reconnection time counts",
        clause=TIME,
        replies=(stream(b"data: a\n\nretry: 200\n"), GONE),
        events=(message("a"),),
        ids=(None, None),
        waits=(0.2,),
    ),
    Script(
        name="the reconnection time outlives its connection",
        clause="9.2.2: the reconnection time is that of the event source",
        replies=(Reply((b"retry: 200\n\n",)), Reply((b"data: a\n\n",)), Reply(), GONE),
        events=(message("a"),),
        ids=(None,) * 4,
        waits=(0.2, 0.2, 0.2),
    ),
    Script(
        name="a value that is not a number is not a reconnection time",
        clause="9.2.6: retry takes ASCII digits alone",
        replies=(Reply((b"retry: 200\nretry: 1.5\nretry: -1\nretry:  5\nretry: 5 \nretry\ndata: a\n\n",)), GONE),
        events=(message("a"),),
        ids=(None, None),
        waits=(0.2,),
    ),
    # -- content types and redirects
    *(
        Script(
            name=f"the content type {found} is that of a stream",
            clause=MIME,
            replies=(stream("data: \u00e4\n\n".encode(), headers={"content-type": found}), GONE),
            events=(message("\u00e4"),),
            ids=(None, None),
        )
        for found in (
            "text/event-stream;charset=UTF-8",
            "text/event-stream ; x=y",
            "text/event-stream;",
            "Text/Event-Stream",
            "text/event-stream; charset=iso-8859-1",
        )
    ),
    *(
        Script(
            name=f"the redirect {status} is followed with the id",
            clause=REDIRECTS,
            replies=(stream(b"id: 1\ndata: a\n\n"), moved(status), stream(b"id: 2\ndata: b\n\n"), GONE),
            events=(message("a", "1"), message("b", "2")),
            ids=(None, "1", "1", "2"),
        )
        for status in (301, 302, 303, 307, 308)
    ),
    # -- what ends it
    *(
        Script(
            name=f"the status {status} ends the stream at once", clause=FAIL, replies=(refusal(status),), ids=(None,)
        )
        for status in (201, 202, 206, 400, 401, 403, 404, 410, 418, 429, 500, 501, 502, 503, 504)
    ),
    Script(
        name="the status 205 ends the stream at once",
        clause=FAIL,
        replies=(Reply((), 205, {**STREAM, "content-length": "0"}),),
        ids=(None,),
    ),
    *(
        Script(
            name=f"the content type {found} ends the stream at once",
            clause=FAIL,
            replies=(refusal(200, {"content-type": found}),),
            ids=(None,),
        )
        for found in (
            "text/html",
            "text/plain",
            "text/event-stream2",
            "text/event",
            "application/json; x=text/event-stream",
        )
    ),
    Script(name="no content type ends the stream at once", clause=FAIL, replies=(refusal(200, {}),), ids=(None,)),
    ended_with("204 ends the stream after events", GONE),
    ended_with("404 ends the stream after events", refusal(404)),
    ended_with("503 ends the stream after events", refusal(503)),
    ended_with("another content type ends the stream after events", refusal(200, {"content-type": "text/html"})),
)

NAMES: Final = tuple(sorted({event.type for script in SCRIPTS for event in script.events}))
"""The names of all events, for clients that must register a listener for each name."""
