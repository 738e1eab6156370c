"""A chat with a history: rooms, who is there, and nothing missed after a reconnect.

Start it from the project's root, and open the address in two tabs:

    trio-sse run examples.chat:app

Each room is a topic. A page that opens gets the last lines; one that comes back gets what it has missed, or is told of
a gap, for which it opens the room again. Who is there is another topic, which needs no history.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import attrs

from trio_sse import SSE, App, Controller, Events, Get, Post, QueryParams, Response, run
from trio_sse.topics import History, MemoryTopics, Topics

SHOWN = 50
"""The lines that a page gets when it opens."""

KEPT = History(count=500, seconds=24 * 3600)
"""What a room keeps for pages that come back."""

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<p>In the kitchen: <span id="people"></span></p>
<ol id="lines"></ol>
<form id="form"><input id="text" autocomplete="off" autofocus><button>Say</button></form>
<script>
  const user = new URLSearchParams(location.search).get("user") ?? "guest";
  const lines = document.getElementById("lines"), people = document.getElementById("people"), here = new Set();
  let source;

  function open() {
    source?.close();
    lines.replaceChildren();
    source = new EventSource("rooms/kitchen/events");
    source.addEventListener("line", (event) => {
      const { user, text } = JSON.parse(event.data), line = document.createElement("li");
      line.textContent = `${user}: ${text}`;
      lines.append(line);
    });
    source.addEventListener("gap", open);  // this page has missed lines: begin with the last ones
  }

  const presence = new EventSource(`rooms/kitchen/people?user=${encodeURIComponent(user)}`);
  const show = () => { people.textContent = [...here].sort().join(", "); };
  presence.addEventListener("here", (event) => {
    here.clear();
    JSON.parse(event.data).forEach((user) => here.add(user));
    show();
  });
  presence.addEventListener("joined", (event) => { here.add(event.data); show(); });
  presence.addEventListener("left", (event) => { here.delete(event.data); show(); });

  document.getElementById("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = document.getElementById("text");
    fetch("rooms/kitchen/lines", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, text: text.value }),
    });
    text.value = "";
  });
  open();
</script>
"""


@attrs.frozen
class Line:
    """What a user says."""

    user: str
    text: str


class People:
    """Who is in which room, in this process. A user may have several tabs."""

    def __init__(self) -> None:
        self._tabs: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def join(self, room: str, user: str) -> bool:
        """Note a tab; True if it is the user's first."""
        self._tabs[room][user] += 1
        return self._tabs[room][user] == 1

    def leave(self, room: str, user: str) -> bool:
        """Note that a tab is gone; True if it was the user's last."""
        tabs = self._tabs[room]
        tabs[user] -= 1
        gone = tabs[user] == 0
        if gone:
            del tabs[user]
        if not tabs:
            del self._tabs[room]
        return gone

    def here(self, room: str) -> list[str]:
        """The users in a room."""
        return sorted(self._tabs[room]) if room in self._tabs else []


def make_topics() -> Topics:
    """The topics, in this process."""
    topics = MemoryTopics()
    topics.keep("rooms/*", KEPT)
    return topics


def page() -> Response:
    """The page, which opens two streams."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


async def say(room: str, body: Line, topics: Topics) -> dict[str, str]:
    """Say something. It never waits for a slow reader."""
    return {"id": await topics.topic("rooms", room).publish(body)}


async def presence(room: str, query: QueryParams, people: People, topics: Topics) -> Events:
    """Who is here, and then who joins and leaves.

    A tab is gone when its connection is. What is published in the `finally` goes through although the stream has been
    cancelled by then.
    """
    user, topic = query.get("user") or "guest", topics.topic("people", room)
    changes = topic.subscribe()  # before the list is read, so that no change is missed
    if people.join(room, user):
        await topic.publish({"event": "joined", "data": user})
    try:
        yield {"event": "here", "data": people.here(room)}
        async for change in changes:
            yield change
    finally:
        if people.leave(room, user):
            await topic.publish({"event": "left", "data": user})


rooms = Controller("/rooms/:room").routes(
    events=SSE("/events").events(line=Line).topic("rooms/:room", since=SHOWN),
    say=Post("/lines").body(Line).handle(say),
    people=SSE("/people").handle(presence),
)

app = App().provide(make_topics).provide(People).add(rooms, page=Get("/").handle(page))

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
