"""A page with Datastar: a live search, and the number of all searches so far, in every window at once.

It needs `pip install datastar-py`. Start it from the project's root:

    trio-sse run examples.datastar_search:app

Then open http://127.0.0.1:8000/ in two windows.
"""

from __future__ import annotations

from html import escape

import attrs
from datastar_py import ServerSentEventGenerator as Datastar

from trio_sse import SSE, App, Events, Get, Limits, Post, Response, run
from trio_sse.topics import MemoryTopic
from trio_sse.wire import EncodedEvent

HTML = "text/html; charset=utf-8"

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Search</title>
<script type="module" src="https://cdn.jsdelivr.net/gh/starfederation/datastar@v1.0.1/bundles/datastar.js"></script>

<body data-signals="{text: '', searches: 0}" data-init="@get('/searches', {retry: 'always', retryMaxCount: Infinity})">
  <input type="search" data-bind:text data-on:input__debounce.200ms="@post('/search')">
  <ul id="found"></ul>
  <p>Searches so far: <output data-text="$searches"></output></p>
</body>
"""

TEAS = ("Assam", "Ceylon", "Darjeeling", "Earl Grey", "Gunpowder", "Lapsang", "Matcha", "Oolong", "Sencha")


@attrs.frozen
class Signals:
    """What Datastar sends with a POST: the page's signals. Those that have no field here are left out."""

    text: str


class Searches:
    """Counts the searches, and tells the number to all who listen."""

    def __init__(self) -> None:
        self.topic = MemoryTopic[EncodedEvent]("searches")
        self.count = 0

    def event(self) -> EncodedEvent:
        """The number, as an event that is framed already."""
        return EncodedEvent(Datastar.patch_signals({"searches": self.count}))

    async def add(self) -> None:
        """Count one. Its event is encoded once, for all streams."""
        self.count += 1
        await self.topic.publish(self.event())


def page() -> Response:
    """The page."""
    return Response(PAGE, media_type=HTML)


async def search(body: Signals, searches: Searches) -> Response:
    """The list, as HTML: Datastar puts it in place of the element with the same id."""
    await searches.add()
    found = (tea for tea in TEAS if body.text.lower() in tea.lower())
    items = "".join(f"<li>{escape(tea)}</li>" for tea in found)
    return Response(f'<ul id="found">{items}</ul>', media_type=HTML)


async def follow(searches: Searches) -> Events:
    """The number now, and whenever it changes."""
    changes = aiter(searches.topic)  # nothing that is published from here on is missed
    yield searches.event()
    async for event in changes:
        yield event


app = (
    App(limits=Limits(origins=()))
    .provide(Searches)
    .add(
        Get("/").handle(page),
        Post("/search").body(Signals).handle(search),
        SSE("/searches").handle(follow),
    )
)

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
