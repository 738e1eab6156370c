"""A page with htmx, without other JavaScript: a form posts, and a stream makes the list of every visitor grow.

It needs `pip install trio-sse[forms]`. Start it from the project's root:

    trio-sse run examples.htmx_guestbook:app

Then open http://127.0.0.1:8000/ in two windows.
"""

from __future__ import annotations

from html import escape

import attrs
import trio

from trio_sse import SSE, App, Events, Get, Limits, Post, Response, run

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Guestbook</title>
<script src="https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js"></script>
<script src="https://cdn.jsdelivr.net/npm/htmx-ext-sse@2.2.4/dist/sse.min.js"></script>

<form hx-post="/entries" hx-swap="none" hx-on::after-request="if (event.detail.successful) this.reset()">
  <input name="text" required maxlength="200">
  <button>Sign</button>
</form>
<main hx-ext="sse" sse-connect="/entries">
  <ul id="entries" sse-swap="all"></ul>
  <template sse-swap="entry" hx-target="#entries" hx-swap="beforeend"></template>
</main>
"""


@attrs.frozen
class Entry:
    """The form."""

    text: str = attrs.field(validator=attrs.validators.max_len(200))

    def __str__(self) -> str:
        return f"<li>{escape(self.text)}</li>"


class Guestbook:
    """All entries, and a way to wait for the next one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._changed = trio.Event()

    def sign(self, entry: Entry) -> None:
        """Add an entry."""
        self.entries.append(entry)
        self._changed.set()
        self._changed = trio.Event()

    async def longer_than(self, count: int) -> None:
        """Wait until there are more entries."""
        while len(self.entries) <= count:
            await self._changed.wait()


def page() -> Response:
    """The page. Its list comes with the stream."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


def sign(form: Entry, guestbook: Guestbook) -> None:
    """Without content, a 204: what there is to show comes with the stream."""
    guestbook.sign(form)


async def follow(guestbook: Guestbook, last_event_id: str | None) -> Events:
    """All entries, and then each new one; a client that reconnects gets those that it has missed."""
    count = int(last_event_id) if last_event_id and last_event_id.isdecimal() else None
    if count is None:
        count = len(guestbook.entries)
        yield {"event": "all", "id": str(count), "data": "".join(map(str, guestbook.entries))}
    while True:
        await guestbook.longer_than(count)
        for entry in guestbook.entries[count:]:
            count += 1
            yield {"event": "entry", "id": str(count), "data": str(entry)}


app = (
    App(limits=Limits(origins=()))  # pages of other sites cannot sign
    .provide(Guestbook)
    .add(
        Get("/").handle(page),
        SSE("/entries").handle(follow),
        Post("/entries").form(Entry).handle(sign),
    )
)

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
