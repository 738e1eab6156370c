"""A live dashboard of the machine that it runs on: its processors, memory and network, once a second.

Start it from the project's root, and open the address that it prints:

    python -m examples.dashboard

The sampler is a task in the app's nursery. The first viewer starts it, it outlives every viewer, and if it fails the
server stops, rather than show old values for ever. The nursery of a request would be the wrong place: the task would
end with the viewer that happened to start it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import trio

from trio_sse import SSE, Aborted, App, Events, Get, Response
from trio_sse.wire import EventFields

from .machine import Sample
from .sampler import Sampler

__all__ = ("app", "create_app")

logger = logging.getLogger("examples.dashboard")
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def page() -> Response:
    """The page itself, which opens an EventSource on /metrics."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


async def metrics(sampler: Sampler, aborted: Aborted, last_event_id: str | None) -> Events:
    """Send the samples that are kept in one batch, so that the plot is full at once, and then each new sample.

    A viewer that reconnects continues after the last sample that it has received.
    """
    seen = resume_after(last_event_id, sampler.newest)
    try:
        while True:
            samples = await sampler.newer_than(seen)
            seen = samples[-1].number
            yield [event(sample) for sample in samples]
    finally:
        logger.info("viewer left: %s", aborted.reason)


def event(sample: Sample) -> EventFields:
    """The event for a sample."""
    return {"event": "sample", "id": str(sample.number), "data": sample}


def resume_after(last_event_id: str | None, newest: int) -> int:
    """The number after which a viewer continues: 0, the start, for a new viewer.

    Also for a viewer whose last sample is in the future: it received that one from a server that has been restarted.
    """
    if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdecimal()):
        return 0
    number = int(last_event_id)
    return number if number <= newest else 0


def create_app(sampler: Sampler | None = None) -> App:
    """Make an app with one sampler for all viewers; tests pass their own."""
    shared = sampler or Sampler()

    def running(app_nursery: trio.Nursery) -> Sampler:
        shared.start(app_nursery)
        return shared

    return App().add(
        Get("/").handle(page),
        SSE("/metrics").retry(1000).use(sampler=running).handle(metrics),
    )


app = create_app()
