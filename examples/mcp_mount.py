"""An app of the MCP SDK beside routes of our own: what an assistant notes with a tool appears on a page as an event.

It needs the SDK, `pip install mcp`. Start it from the project's root:

    trio-sse run examples.mcp_mount:app

Then connect an MCP client to http://127.0.0.1:8000/ai/mcp, and listen in a terminal:

    curl -N http://127.0.0.1:8000/notes/events
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio
from mcp.server import MCPServer

from trio_sse import SSE, App, Events, Mount, run


class Notes:
    """All notes, and a way to wait for the next one."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._changed = trio.Event()

    def add(self, text: str) -> int:
        """Add a note. Returns its number."""
        self._texts.append(text)
        self._changed.set()
        self._changed = trio.Event()
        return len(self._texts)

    async def follow(self, after: int) -> AsyncIterator[tuple[int, str]]:
        """Each note with its number, from the one after a number on, for ever."""
        while True:
            changed = self._changed
            for number, text in enumerate(self._texts[after:], after + 1):
                yield number, text
                after = number
            await changed.wait()


async def events(notes: Notes, last_event_id: str | None) -> Events:
    """The notes, for a page; a client that reconnects gets those that it has missed."""
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    async for number, text in notes.follow(after):
        yield {"event": "note", "id": str(number), "data": text}


def make_app() -> App:
    """Make the app. The SDK's app can be started once, so that each test needs one of its own."""
    notes = Notes()
    server = MCPServer("notes")

    @server.tool()
    async def add_note(text: str) -> str:  # pyright: ignore[reportUnusedFunction] - the decorator has it
        """Write a note that people see at once."""
        return f"This is note {notes.add(text)}."

    mounted = Mount("/ai", server.streamable_http_app())
    return App().provide(Notes, value=notes).add(SSE("/notes/events").handle(events), mounted)


app = make_app()

if __name__ == "__main__":
    run(app)
