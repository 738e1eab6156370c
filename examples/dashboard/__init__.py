"""A live dashboard of the machine that it runs on: its processors, memory and network, once a second.

Start it from the project's root, and open the address that it prints:

    python -m examples.dashboard

The sampler is a task in the app's nursery. The first viewer starts it, it outlives every viewer, and if it fails the
server stops, rather than show old values for ever. The nursery of a request would be the wrong place: the task would
end with the viewer that happened to start it.

The samples are a topic. A new viewer gets all that are kept, so that the plot is full at once, and then each new one; a
viewer that reconnects goes on after the last sample that it has received.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trio_sse import SSE, Aborted, App, Get, Response
from trio_sse.topics import History, MemoryTopics, Topics

from .machine import Reading, Sample, read_machine
from .sampler import SAMPLES_KEPT, Sampler

__all__ = ("app", "create_app")

logger = logging.getLogger("examples.dashboard")
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
TOPIC = "samples"


def page() -> Response:
    """The page itself, which opens an EventSource on /metrics."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


def make_topics() -> Topics:
    """The topics, which keep as many samples as the plot shows."""
    topics = MemoryTopics()
    topics.keep(TOPIC, History(count=SAMPLES_KEPT))
    return topics


@asynccontextmanager
async def viewing(sampler: Sampler, app_nursery: trio.Nursery, aborted: Aborted) -> AsyncGenerator[None]:
    """What surrounds the stream of a viewer: the first one starts the sampler."""
    sampler.start(app_nursery)
    try:
        yield
    finally:
        logger.info("viewer left: %s", aborted.reason)


def create_app(read: Callable[[], Reading] = read_machine) -> App:
    """Make an app with one sampler for all viewers; tests read a machine of their own."""

    def sampler(topics: Topics) -> Sampler:
        return Sampler(topics.topic(TOPIC), read)

    metrics = SSE("/metrics").retry(1000).use(viewing).events(sample=Sample).topic(TOPIC, since=SAMPLES_KEPT)
    return App().provide(make_topics).provide(sampler).add(Get("/").handle(page), metrics)


app = create_app()
