"""Typed events: a value whose class determines the name of the event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from trio_sse import SSE, App, Controller, Done, ServerSentEvent
from trio_sse._plan.event_map import EventMap
from trio_sse.errors import EventError
from trio_sse.testing import TestClient
from trio_sse.wire import EncodedEvent, encode


@attrs.frozen
class Tick:
    count: int


@attrs.frozen
class Late(Tick):
    pass


@attrs.frozen
class Latest(Late):
    pass


@dataclass
class OrderUpdate:
    order: int


class Unknown:
    pass


TYPES = EventMap((("tick", Tick), ("order", OrderUpdate), ("late", Late)))


def written(item: Any) -> bytes:
    return encode(TYPES.event(item))


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        (Tick(1), b'event: tick\ndata: {"count":1}\n\n'),
        (OrderUpdate(5), b'event: order\ndata: {"order":5}\n\n'),
        (Late(1), b'event: late\ndata: {"count":1}\n\n'),
        (Latest(1), b'event: late\ndata: {"count":1}\n\n'),
        # events and mappings beside them
        ({"data": Tick(1)}, b'event: tick\ndata: {"count":1}\n\n'),
        ({"data": Tick(1), "id": "7"}, b'event: tick\ndata: {"count":1}\nid: 7\n\n'),
        ({"data": Tick(1), "event": "other"}, b'event: other\ndata: {"count":1}\n\n'),
        ({"data": "plain"}, b"data: plain\n\n"),
        ({"event": "other"}, b"event: other\n\n"),
        (ServerSentEvent(data=Tick(1)), b'event: tick\ndata: {"count":1}\n\n'),
        (ServerSentEvent(data=Tick(1), id="7"), b'event: tick\ndata: {"count":1}\nid: 7\n\n'),
        (ServerSentEvent(data=Tick(1), event="other"), b'event: other\ndata: {"count":1}\n\n'),
        (ServerSentEvent(comment="hello"), b": hello\n"),
        (ServerSentEvent(data="plain"), b"data: plain\n\n"),
    ],
)
def test_the_class_of_a_value_names_its_event(item: Any, wire: bytes) -> None:
    assert sorted(written(item).splitlines()) == sorted(wire.splitlines())  # whichever field comes first


@pytest.mark.parametrize(("item", "kind"), [(Unknown(), "Unknown"), (5, "int"), ("text", "str"), (None, "NoneType")])
def test_a_value_of_another_class_is_an_error_that_says_what_there_is(item: Any, kind: str) -> None:
    for _ in range(2):  # the second time from memory
        with pytest.raises(EventError) as caught:
            TYPES.event(item)
        assert str(caught.value) == (
            f"event: is a {kind}, but the route names tick=Tick, order=OrderUpdate, late=Late: name it in .events() too"
        )


def test_the_map_can_be_read_from_the_route() -> None:
    route = SSE("/").events(tick=Tick, order=OrderUpdate)
    assert route.options.events == (("tick", Tick), ("order", OrderUpdate))
    assert route.events(late=Late).options.events == (*route.options.events, ("late", Late))
    assert SSE("/").options.events == ()
    assert repr(route) == "SSE('/').events(tick=Tick, order=OrderUpdate)"
    (in_app,) = App().add(Controller("/a").routes(x=route)).routes
    assert isinstance(in_app, SSE)
    assert in_app.options.events == route.options.events


async def events_of(handler: Any, **classes: Any) -> tuple[list[tuple[str, object]], BaseException | None]:
    """All events of a stream, with the error that it ended with."""
    client = TestClient(App().add(SSE("/").events(**classes).handle(handler)))
    async with client.stream("/") as stream:
        await stream.ended()
        error, stream.error = stream.error, None
    return [(event.event or "message", event.data) for event in stream.pending()], error


async def test_an_event_that_is_framed_already_needs_no_class(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield EncodedEvent("event: other\ndata: 1\n\n")
        yield [EncodedEvent.of({"data": 2}), Tick(3)]

    assert await events_of(handler, tick=Tick) == ([("other", "1"), ("message", "2"), ("tick", '{"count":3}')], None)


async def test_a_handler_yields_plain_values_alone_and_in_batches(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield Tick(1)
        yield [Tick(2), OrderUpdate(3), {"data": "plain"}]
        yield [Tick(4), Done(), Tick(5)]

    events, error = await events_of(handler, tick=Tick, order=OrderUpdate)
    assert error is None
    assert events == [
        ("tick", '{"count":1}'),
        ("tick", '{"count":2}'),
        ("order", '{"order":3}'),
        ("message", "plain"),
        ("tick", '{"count":4}'),
        ("stream-done", "null"),
    ]


async def test_a_plain_class_such_as_int_may_be_named_too(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield 5
        yield True
        yield "text"

    events, error = await events_of(handler, number=int, text=str)
    assert error is None
    assert events == [("number", "5"), ("number", "true"), ("text", "text")]


async def test_an_undeclared_class_is_raised_at_the_yield_and_names_the_route(autojump_clock: MockClock) -> None:
    seen: list[EventError] = []

    async def handler() -> AsyncIterator[Any]:
        yield Tick(1)
        try:
            yield [Tick(2), Unknown()]
        except EventError as error:
            seen.append(error)
            raise

    events, error = await events_of(handler, tick=Tick)
    assert isinstance(error, EventError)
    assert error is seen[0]
    assert str(error).startswith("SSE /: event: is a Unknown, but the route names tick=Tick")
    assert [name for name, _ in events] == ["tick", "stream-error"]  # nothing of the batch


async def test_without_classes_a_plain_value_is_still_an_error(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield Tick(1)

    events, error = await events_of(handler)
    assert isinstance(error, EventError)
    assert [name for name, _ in events] == ["stream-error"]
