"""An MCP server written by hand, without an SDK: the transport "Streamable HTTP", up to revision 2025-11-25.

One path has three routes. A POST brings a JSON-RPC message of the client, and is answered with JSON or with a stream. A
GET is the stream of what the server says by itself. A DELETE ends the session.

Start it from the project's root:

    trio-sse run examples.mcp_by_hand:app

Then connect an MCP client to http://127.0.0.1:8000/mcp.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

import attrs
import trio

from trio_sse import SSE, App, Delete, Events, EventStream, Headers, Limits, NotFound, Post, Request, Response, run
from trio_sse.errors import BadRequest, HTTPException
from trio_sse.wire import EventFields

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32600, -32601, -32602, -32603
MOST_SESSIONS = 1000
BACKLOG = 100
"""The most messages that wait for the GET of one session."""


def tool(name: str, description: str, **properties: str) -> dict[str, Any]:
    """A tool as clients see it; all its arguments are required."""
    schema = {"type": "object", "properties": {key: {"type": value} for key, value in properties.items()}}
    return {"name": name, "description": description, "inputSchema": schema | {"required": [*properties]}}


TOOLS = [
    tool("add_note", "Write a note that all clients are told of.", text="string"),
    tool("count", "Count to a number, and tell how far it is.", to="integer"),
]


@attrs.frozen
class Message:
    """A JSON-RPC message: a request, a notification (it has no id), or a response (it has no method)."""

    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    method: str | None = None
    params: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class Session:
    """A client's session, with what waits for its GET."""

    id: str
    send: trio.MemorySendChannel[EventFields]
    receive: trio.MemoryReceiveChannel[EventFields]


class Sessions:
    """The open sessions. Not every client ends its own, so the oldest is closed when there are too many."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def open(self) -> Session:
        """Open a session."""
        if len(self._open) == MOST_SESSIONS:
            self.close(next(iter(self._open.values())))
        session = Session(uuid.uuid4().hex, *trio.open_memory_channel[EventFields](BACKLOG))
        self._open[session.id] = session
        return session

    def find(self, id: str) -> Session:
        """Find a session. If it has ended, the 404 makes the client open another one."""
        if id not in self._open:
            raise NotFound("The session has ended.")
        return self._open[id]

    def close(self, session: Session) -> None:
        """End a session, and the stream of its GET."""
        self._open.pop(session.id, None)
        session.send.close()

    def notify(self, method: str, **params: Any) -> None:
        """Notify all clients, without waiting for any of them. A session that does not listen is closed."""
        for session in tuple(self._open.values()):
            try:
                session.send.send_nowait(notification(method, **params))
            except trio.WouldBlock:
                self.close(session)


# -- JSON-RPC


def notification(method: str, **params: Any) -> EventFields:
    """A notification of the server, as an event."""
    return {"data": {"jsonrpc": "2.0", "method": method, "params": params}}


def result(request: Message, **fields: Any) -> dict[str, Any]:
    """The answer to a request."""
    return {"jsonrpc": "2.0", "id": request.id, "result": fields}


def tool_result(request: Message, text: str) -> dict[str, Any]:
    """The answer to a call of a tool."""
    return result(request, content=[{"type": "text", "text": text}])


def failure(id: int | str | None, code: int, message: str) -> dict[str, Any]:
    """The answer to a request that has failed."""
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def http_failure(error: HTTPException, _request: Request) -> Response:
    """The same for all that the library refuses, and for a stream that fails; clients know whose answer it is."""
    code = INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
    return Response(failure(None, code, error.detail or error.title), status=error.status)


# -- the routes


def session_of(headers: Headers, sessions: Sessions) -> Session:
    """The session of a request."""
    id = headers.get("mcp-session-id")
    if id is None:
        raise BadRequest("The header Mcp-Session-Id is missing.")
    return sessions.find(id)


def receive(body: Message, headers: Headers, sessions: Sessions) -> Response | EventStream | dict[str, Any]:
    """Answer a message of the client."""
    if body.method == "initialize":
        return Response(initialize(body), headers={"mcp-session-id": sessions.open().id})
    session_of(headers, sessions)
    if body.id is None or body.method is None:
        return Response(status=202)
    match body.method:
        case "ping" | "logging/setLevel":
            return result(body)
        case "tools/list":
            return result(body, tools=TOOLS)
        case "tools/call":
            return call_tool(body, sessions)
        case _:
            return failure(body.id, METHOD_NOT_FOUND, f"There is no method {body.method}.")


def initialize(request: Message) -> dict[str, Any]:
    """Agree on a version of the protocol, and say what the server can do."""
    version = request.params.get("protocolVersion")
    return result(
        request,
        protocolVersion=version if version in VERSIONS else VERSIONS[0],
        capabilities={"tools": {}, "logging": {}},
        serverInfo={"name": "notes", "version": "1.0"},
    )


def call_tool(request: Message, sessions: Sessions) -> EventStream | dict[str, Any]:
    """Call a tool. One that takes a while answers with a stream, in which it tells its progress."""
    match request.params:
        case {"name": "add_note", "arguments": {"text": str(text)}}:
            sessions.notify("notifications/message", level="info", data=text)
            return tool_result(request, "Noted.")
        case {"name": "count", "arguments": {"to": int(to)}}:
            return EventStream(count(request, to))
        case _:
            return failure(request.id, INVALID_PARAMS, "There is no such tool, or its arguments do not fit.")


async def count(request: Message, to: int) -> Events:
    """Count to a number; the last event is the answer."""
    token = request.params.get("_meta", {}).get("progressToken")
    for number in range(1, to + 1):
        await trio.sleep(0.05)
        if token is not None:
            yield notification("notifications/progress", progressToken=token, progress=number, total=to)
    yield {"data": tool_result(request, f"Counted to {to}.")}


def listen(session: Session) -> trio.MemoryReceiveChannel[EventFields]:
    """The stream of what the server says by itself. The library closes the channel; the session keeps its own."""
    return session.receive.clone()


def end(session: Session, sessions: Sessions) -> None:
    """End a session."""
    sessions.close(session)


app = (
    App(
        error_response=http_failure,
        error_event=None,  # MCP's events have no names
        limits=Limits(hosts=("127.0.0.1", "localhost"), origins=()),  # no page of another site reaches a local server
    )
    .provide(Sessions)
    .add(
        Post("/mcp").body(Message).handle(receive),
        SSE("/mcp").use(session=session_of).handle(listen),
        Delete("/mcp").use(session=session_of).handle(end),
    )
)

if __name__ == "__main__":
    run(app)
