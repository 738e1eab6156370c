"""What a type checker knows of the public API. Checked by mypy and pyright, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

import attrs

from trio_sse import (
    SSE,
    Aborted,
    App,
    Decoder,
    EndReason,
    Get,
    NotFound,
    Post,
    Request,
    Response,
    ServerSentEvent,
    Values,
    any_of,
)


@attrs.frozen
class User:
    role: str


@attrs.frozen
class Filter:
    limit: int = 10


async def authenticate(headers: Values) -> User:
    assert_type(headers["authorization"], str)
    assert_type(headers.all("accept"), tuple[str, ...])
    return User("admin")


def is_admin(user: User) -> bool:
    return user.role == "admin"


async def stream(room: int, aborted: Aborted, query: Filter) -> AsyncIterator[Any]:
    yield {"event": "connected", "data": {"room": room}}
    yield ServerSentEvent(data=query.limit, id="1")
    assert_type(aborted.is_set(), bool)
    assert_type(aborted.reason, EndReason | None)
    assert_type(await aborted.wait(), EndReason)


async def create(body: Filter, request: Request) -> Response:
    if request.client is None:
        raise NotFound("nobody")
    assert_type(request.last_event_id, str | None)
    return Response("made", status=201)


# Builders keep their types through every method.
events = SSE("/rooms/:room/events").use(user=authenticate).guard(is_admin).query(Filter).heartbeat(5).retry(100)
assert_type(events, SSE)
assert_type(events.handle(stream), SSE)
assert_type(Get("/").use(user=authenticate).guard(any_of(is_admin, is_admin)).handle(lambda: 1), Get)
assert_type(Post("/").body(Filter).handle(create), Post)
app = App().add(events.handle(stream), Post("/").body(Filter).handle(create))
assert_type(app, App)


@SSE("/decorated").handle
async def decorated() -> AsyncIterator[Any]:
    yield {"data": 1}


assert_type(decorated, SSE)

decoder = Decoder()
assert_type(decoder.feed(b"data: 1\n\n"), list[ServerSentEvent])
assert_type(decoder.last_event_id, str | None)
