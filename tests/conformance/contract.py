"""The server that `servers.py` requires, written with `trio_sse`.

Run it in `tests` with `trio-sse run conformance.contract:app`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import trio

from trio_sse import SSE, App, Get, Response
from trio_sse.errors import NoContent

from .servers import EVENTS

__all__ = ("app", "contract")


def contract() -> App:
    """Make an app. Each app counts its own open streams."""
    open_streams = 0

    async def events() -> AsyncIterator[Any]:
        for type, data, id in EVENTS:
            yield {"event": None if type == "message" else type, "id": id, "data": data}

    async def replay(last_event_id: str | None) -> Any:
        known = last_event_id in {"1", "2", "3", "4", "5"}
        last = int(last_event_id or 0) if known else 0
        if last == 5:
            raise NoContent
        return numbers_after(last)

    async def done() -> Any:
        raise NoContent

    async def retry() -> AsyncIterator[Any]:
        yield {"retry": 250}

    async def quiet() -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield

    async def held() -> AsyncIterator[Any]:
        nonlocal open_streams
        open_streams += 1
        try:
            yield {"data": "held"}
            await trio.sleep_forever()
        finally:
            open_streams -= 1

    def count() -> Response:
        return Response(str(open_streams), media_type="text/plain")

    return App().add(
        SSE("/events").handle(events),
        SSE("/replay").handle(replay),
        SSE("/done").handle(done),
        SSE("/retry").handle(retry),
        SSE("/forbidden").guard(lambda: False).handle(quiet),
        SSE("/quiet").heartbeat(0.1).handle(quiet),
        SSE("/held").handle(held),
        Get("/held/count").handle(count),
    )


async def numbers_after(last: int) -> AsyncIterator[Any]:
    for number in range(last + 1, 6):
        yield {"id": str(number), "data": number}


app = contract()
