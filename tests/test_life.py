"""The life of a connection as a property: whatever happens, at whatever moment, the promises hold.

A handler, a client and a server each follow a random script, on Trio's virtual clock and with its scheduler's order
drawn by hypothesis too. What must hold afterwards does not depend on the scripts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_sse import SSE, Aborted, App, EndReason
from trio_sse.testing import TestClient, TestStream

SECONDS = st.integers(0, 40).map(lambda tenths: tenths / 10)
HANDLER = st.lists(
    st.one_of(
        st.just(("yield",)),
        st.just(("batch",)),
        SECONDS.map(lambda s: ("sleep", s)),
        SECONDS.map(lambda s: ("yield within", s)),
        SECONDS.map(lambda s: ("yield beside a crash after", s)),
        SECONDS.map(lambda s: ("start a task", s)),
        st.just(("raise",)),
    ),
    max_size=8,
)
CLIENT = st.lists(
    st.one_of(SECONDS.map(lambda s: ("sleep", s)), st.just(("pause",)), st.just(("resume",))),
    max_size=6,
)
ENDINGS = st.sampled_from(["disconnect", "cancel", "fail to receive"])


class Planned(Exception):
    """An error that a script asks for."""


@attrs.define
class Record:
    """What a run left behind."""

    entered: int = 0
    closed: int = 0
    handler_done: bool = False
    steps: list[str] = attrs.field(factory=list)
    reason_at_close: EndReason | None = None
    was_set_when_cancelled: list[bool] = attrs.field(factory=list)
    sent: int = 0


def route(record: Record, script: list[tuple[Any, ...]]) -> SSE:
    async def handler(aborted: Aborted, nursery: trio.Nursery) -> AsyncIterator[Any]:
        record.entered += 1
        try:
            for action, *seconds in script:
                match action:
                    case "yield":
                        yield number(record)
                    case "batch":
                        yield [number(record), number(record)]
                    case "sleep":
                        await trio.sleep(seconds[0])
                    case "yield within":
                        with trio.move_on_after(seconds[0]):
                            yield number(record)
                            await trio.sleep(1)
                    case "yield beside a crash after":
                        try:
                            async with trio.open_nursery() as own:
                                own.start_soon(crash_after, seconds[0])
                                yield number(record)
                                await trio.sleep(1)
                                own.cancel_scope.cancel()
                        except* Planned:
                            pass
                    case "start a task":
                        nursery.start_soon(crash_after, seconds[0])
                    case "raise":
                        raise Planned
            record.handler_done = True
        except trio.Cancelled:
            record.was_set_when_cancelled.append(aborted.is_set())
            raise
        finally:
            record.closed += 1
            record.reason_at_close = aborted.reason

    return SSE("/").use(step(record, "outer"), step(record, "inner")).heartbeat(2).handle(handler)


def number(record: Record) -> dict[str, Any]:
    record.sent += 1
    return {"data": record.sent}


async def crash_after(seconds: float) -> None:
    await trio.sleep(seconds)
    raise Planned


def step(record: Record, name: str) -> Any:
    @asynccontextmanager
    async def entered_and_left() -> AsyncIterator[None]:
        await trio.sleep(0.1)
        record.steps.append(f"enter {name}")
        try:
            yield
        finally:
            await trio.sleep(0.1)
            record.steps.append(f"leave {name}")

    return entered_and_left


async def play(stream: TestStream, script: list[tuple[Any, ...]]) -> None:
    for action, *seconds in script:
        match action:
            case "sleep":
                await trio.sleep(seconds[0])
            case "pause":
                stream.pause()
            case "resume":
                stream.resume()
        if stream.app_ended:
            return


async def live(record: Record, handler: list[Any], client: list[Any], ending: str) -> TestStream:
    try:
        return await talk(record, handler, client, ending)
    except BaseExceptionGroup as group:  # an error that met the server's cancellation
        assert_planned(group)
        return TestStream(())


async def talk(record: Record, handler: list[Any], client: list[Any], ending: str) -> TestStream:
    stream = TestStream(())
    with trio.CancelScope() as server:
        async with TestClient(App().add(route(record, handler))).stream("/") as stream:
            await play(stream, client)
            if ending == "cancel":
                server.cancel()
                await trio.sleep_forever()
            if ending == "fail to receive":
                stream.fail_receive(Planned())
            stream.disconnect()
            await stream.ended()
            if stream.error is not None:
                assert_planned(stream.claim_error())
    return stream


def assert_planned(error: BaseException) -> None:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            assert_planned(part)
    else:
        assert isinstance(error, Planned), repr(error)


@settings(max_examples=400, deadline=None)
@given(handler=HANDLER, client=CLIENT, ending=ENDINGS)
def test_whatever_happens_the_promises_hold(handler: list[Any], client: list[Any], ending: str) -> None:
    record = Record()

    async def main() -> TestStream:
        before = trio.lowlevel.current_statistics().tasks_living
        stream = await live(record, handler, client, ending)
        assert trio.lowlevel.current_statistics().tasks_living == before, "a task is left"
        return stream

    stream = trio.run(main, clock=MockClock(autojump_threshold=0))
    check(record, stream)


def check(record: Record, stream: TestStream) -> None:
    assert record.closed == record.entered <= 1, "finally runs once for each body that was entered"
    assert all(record.was_set_when_cancelled), "aborted is set before anything is cancelled"
    if record.handler_done:
        assert record.reason_at_close is None or record.was_set_when_cancelled == []
    entered = [words.removeprefix("enter ") for words in record.steps if words.startswith("enter")]
    left = [words.removeprefix("leave ") for words in record.steps if words.startswith("leave")]
    assert left == entered[::-1], "every step that was entered is left, in reverse order"
    numbers = [int(str(event.data)) for event in stream.pending() if event.event is None]
    assert numbers == sorted(set(numbers)), "events come in order, none twice"
    if record.handler_done and stream.complete:
        assert record.reason_at_close is None
