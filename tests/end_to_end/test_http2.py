"""HTTP/2: many streams on one connection, each with its own end, under flow control that holds.

Most of it is spoken without TLS, which is quicker and lets a GOAWAY meet a write under way.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
import trio
from h2.settings import SettingCodes
from trio.testing import wait_all_tasks_blocked

from trio_sse import SSE, Aborted, App, Get
from trio_sse._server import tcp as _tcp
from trio_sse._server.http2 import HTTP2

from .http2 import Http2Peer, connected_by_http2, upgraded_to_http2
from .limits import within
from .serving import Certificate, serving
from .sockets import Peer, connected

TRIES = int(os.environ.get("TRIES", "20"))
"""Clients that leave, for each way of leaving."""
REQUESTS = int(os.environ.get("REQUESTS", "1100"))
"""Requests on one connection: more than hypercorn lets through by default."""
SEED = 20261124

WINDOW = SettingCodes.INITIAL_WINDOW_SIZE
HIGH_WATER = 32 * 1024
LARGE = {"data": "x" * 1000}
WIDE = 2**30
"""A window that is never used up."""


# -- what is served, and what is seen of it


@attrs.define
class Witness:
    """How often each handler was entered and left, why, and how much the tight ones have yielded."""

    entered: Counter[str] = attrs.field(factory=Counter)
    left: Counter[str] = attrs.field(factory=Counter)
    reasons: dict[str, str | None] = attrs.field(factory=dict)
    yielded: Counter[str] = attrs.field(factory=Counter)

    def app(self) -> App:
        async def tight(name: str, aborted: Aborted) -> AsyncIterator[Any]:
            self.entered[name] += 1
            try:
                while True:
                    yield {"id": str(self.yielded[name]), **LARGE}
                    self.yielded[name] += 1
            finally:
                self.left[name] += 1
                self.reasons[name] = aborted.reason

        async def paced(name: str, aborted: Aborted) -> AsyncIterator[Any]:
            self.entered[name] += 1
            try:
                while True:
                    yield {"id": str(self.yielded[name]), "data": "x"}
                    self.yielded[name] += 1
                    await trio.sleep(0.04)
            finally:
                self.left[name] += 1
                self.reasons[name] = aborted.reason

        async def three() -> AsyncIterator[Any]:
            for number in range(3):
                yield {"id": str(number), "data": "x" * 40_000}

        return App().add(
            SSE("/tight/:name").handle(tight),
            SSE("/impatient/:name").send_timeout(0.3).handle(tight),
            SSE("/paced/:name").handle(paced),
            SSE("/three").handle(three),
            Get("/hello").handle(lambda: {"hello": "world"}),
        )

    def check_that_each_was_left_once(self) -> None:
        assert self.entered == self.left
        assert set(self.left.values()) == {1}


@attrs.define
class Follower:
    """What has come on one stream: nothing but consecutive events."""

    peer: Http2Peer
    id: int
    count: int = 0

    def catch_up(self) -> int:
        """Take what has come; how many events those are."""
        before = self.count
        while (event := self.peer.event_nowait(self.id)) is not None:
            assert event["id"] == str(self.count)
            self.count += 1
        return self.count - before


async def follow(followers: list[Follower]) -> None:
    """Read on a connection for ever, and follow its streams."""
    while True:
        await followers[0].peer.read()
        for follower in followers:
            follower.catch_up()


async def follow_by_http1(peer: Peer, counts: Counter[Peer]) -> None:
    while True:
        assert (await peer.event())["id"] == str(counts[peer])
        counts[peer] += 1


@pytest.fixture
def protocols(monkeypatch: pytest.MonkeyPatch) -> list[HTTP2]:
    """The server's end of each connection, in the order in which they went over to HTTP/2."""
    made: list[HTTP2] = []

    class Noted(HTTP2):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(_tcp, "HTTP2", Noted)
    return made


@pytest.fixture
def nothing_to_report(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test during which something above INFO is logged."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno > logging.INFO] == []


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def come_back_to(baseline: int) -> None:
    """Wait until there are no more tasks than there were."""
    while tasks() > baseline:
        await wait_all_tasks_blocked(0.01)


# -- clients that leave under load


async def leave(port: int, certificate: Certificate | None, number: int, way: str, rng: random.Random) -> None:
    """Be a client with some tight streams that says GOAWAY, or resets them one by one, at a drawn moment."""
    async with connected_by_http2(port, certificate) as peer:
        ids = [await peer.get(f"/tight/leaving-{number}.{stream}") for stream in range(rng.randint(1, 4))]
        for _ in range(rng.randint(0, 6)):
            await peer.read()
        for _ in range(rng.randint(0, 40)):
            await trio.lowlevel.checkpoint()
        if way == "GOAWAY":
            await peer.go_away()
            await peer.read_on()
            return
        for id in rng.sample(ids, len(ids)):
            await peer.reset(id)
            for _ in range(rng.randint(0, 1)):
                await peer.ping()


@within(90)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("way", ["GOAWAY", "RST_STREAM"])
async def test_clients_that_leave_under_load_disturb_nobody(way: str, secure: bool, certificate: Certificate) -> None:
    """Fifty others, by HTTP/2 and HTTP/1.1, get all their events in order meanwhile, and nothing is left."""
    rng, witness = random.Random(f"{SEED} {way} {secure}"), Witness()
    trusted = certificate if secure else None
    async with serving(witness.app(), certificate=trusted) as server:
        await wait_all_tasks_blocked()
        before = tasks(), descriptors()
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            followers: list[Follower] = []
            for number in range(5):
                peer = await stack.enter_async_context(connected_by_http2(server.port, trusted))
                each = [Follower(peer, await peer.get(f"/paced/{number}.{stream}")) for stream in range(6)]
                nursery.start_soon(follow, each)
                followers += each
            counts = Counter[Peer]()
            for number in range(0 if secure else 20):
                plain = await stack.enter_async_context(connected(server.port))
                await plain.get(f"/paced/http1.{number}")
                nursery.start_soon(follow_by_http1, plain, counts)
            for number in range(TRIES):
                await leave(server.port, trusted, number, way, rng)
            while max(reached := [*(follower.count for follower in followers), *counts.values()]) <= 5:
                await trio.lowlevel.checkpoint()  # a fast machine is done with those who leave before a sixth event
            assert len(reached) == (30 if secure else 50)
            assert min(reached) > max(reached) / 2, "some were held up"
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await come_back_to(before[0])
        assert descriptors() == before[1]
    assert sum(name.startswith("leaving") for name in witness.entered) >= TRIES
    witness.check_that_each_was_left_once()


@within(20)
@pytest.mark.usefixtures("nothing_to_report")
async def test_streams_that_were_reset_leave_nothing_on_their_connection(protocols: list[HTTP2]) -> None:
    """More of them than hypercorn's priority tree would hold."""
    witness = Witness()
    async with serving(witness.app()) as server, connected_by_http2(server.port, None) as peer:
        kept = Follower(peer, await peer.get("/paced/kept"))
        for number in range(21):
            ids = [await peer.get(f"/paced/{number}.{stream}") for stream in range(50)]
            for id in ids:
                await peer.event(id)
                await peer.reset(id)
        while kept.count < witness.yielded["kept"]:
            await peer.read()
            kept.catch_up()
        await wait_all_tasks_blocked()
        [protocol] = protocols
        left = len(protocol.streams), len(protocol.stream_buffers), len(protocol.priority._streams)
        assert left == (1, 1, 2), "the tree has a root"
    witness.check_that_each_was_left_once()
    assert len(witness.left) == 21 * 50 + 1


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_streams_that_end_leave_nothing_on_their_connection(protocols: list[HTTP2]) -> None:
    async with serving(Witness().app()) as server, connected_by_http2(server.port, None) as peer:
        for _ in range(20):
            await peer.whole(await peer.get("/hello"))
            await peer.whole(await peer.get("/three"))
        [protocol] = protocols
        await wait_all_tasks_blocked()
        assert (protocol.streams, protocol.stream_buffers, len(protocol.priority._streams)) == ({}, {}, 1)


@within(10)
@pytest.mark.parametrize("way", ["GOAWAY", "reset"])
async def test_a_handler_is_told_that_its_client_has_gone(way: str) -> None:
    witness = Witness()
    async with serving(witness.app()) as server, connected_by_http2(server.port, None) as peer:
        id = await peer.get("/paced/one")
        await peer.event(id)
        await (peer.go_away() if way == "GOAWAY" else peer.reset(id))
        with trio.fail_after(1):
            while not witness.left:
                await wait_all_tasks_blocked()
    assert witness.reasons == {"one": "client_gone"}


# -- flow control


@within(10)
async def test_a_window_that_is_used_up_stops_the_handler(protocols: list[HTTP2]) -> None:
    """What waits is bounded; when the window opens it goes on, with nothing lost and nothing twice."""
    witness = Witness()
    async with (
        serving(witness.app()) as server,
        connected_by_http2(server.port, None, settings={WINDOW: 1000}, gives_window=False) as peer,
        trio.open_nursery() as nursery,
    ):
        stream = Follower(peer, await peer.get("/tight/one"))
        nursery.start_soon(peer.read_on)
        await wait_all_tasks_blocked(0.05)
        assert peer.size(stream.id) == 1000
        stopped_at = witness.yielded["one"]
        [buffer] = protocols[0].stream_buffers.values()
        assert HIGH_WATER <= len(buffer.buffer) < HIGH_WATER + 1100
        await wait_all_tasks_blocked(0.05)
        assert witness.yielded["one"] == stopped_at

        await peer.widen(50_000, stream.id)
        await wait_all_tasks_blocked(0.05)
        assert stream.catch_up() == 50
        assert stopped_at < witness.yielded["one"] < stopped_at + 60
        assert len(buffer.buffer) < HIGH_WATER + 1100
        nursery.cancel_scope.cancel()
    witness.check_that_each_was_left_once()


@within(10)
async def test_a_connections_window_that_is_used_up_stops_all_its_handlers(protocols: list[HTTP2]) -> None:
    witness = Witness()
    async with (
        serving(witness.app()) as server,
        connected_by_http2(server.port, None, settings={WINDOW: WIDE}, gives_window=False) as peer,
        connected_by_http2(server.port, None) as other,
        trio.open_nursery() as nursery,
    ):
        streams = [Follower(peer, await peer.get(f"/tight/{number}")) for number in range(3)]
        nursery.start_soon(peer.read_on)
        await wait_all_tasks_blocked(0.05)
        assert sum(peer.size(stream.id) for stream in streams) == 65_535
        assert len(protocols[0].stream_buffers) == 3
        assert all(len(buffer.buffer) < HIGH_WATER + 1100 for buffer in protocols[0].stream_buffers.values())
        stopped_at = witness.yielded.copy()

        undisturbed = Follower(other, await other.get("/paced/other"))
        while undisturbed.count < 5:
            await other.read()
            undisturbed.catch_up()
        await other.reset(undisturbed.id)
        assert witness.yielded.total() - witness.yielded["other"] == stopped_at.total()

        await peer.widen(300_000)
        await wait_all_tasks_blocked(0.05)
        assert sum(stream.catch_up() for stream in streams) * 1000 > 350_000
        assert all(stream.count > 40 for stream in streams), "the window was not shared"
        nursery.cancel_scope.cancel()
    witness.check_that_each_was_left_once()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_stream_whose_client_gives_no_window_is_dropped_alone(protocols: list[HTTP2]) -> None:
    witness = Witness()
    async with (
        serving(witness.app()) as server,
        connected_by_http2(server.port, None, settings={WINDOW: 1000}, gives_window=False) as peer,
    ):
        await peer.widen(WIDE)
        paced = Follower(peer, await peer.get("/paced/paced"))
        await peer.widen(WIDE, paced.id)
        stalled = await peer.get("/impatient/stalled")
        while stalled not in peer.resets:
            await peer.read()
            paced.catch_up()
        assert witness.reasons == {"stalled": "too_slow"}
        seen = paced.count
        assert seen >= 5, "it was held up"
        while paced.count < seen + 5:
            await peer.read()
            paced.catch_up()
        assert set(peer.resets) == {stalled}
        assert list(protocols[0].stream_buffers) == [paced.id]
    witness.check_that_each_was_left_once()


@within(10)
async def test_settings_that_change_the_window_hold_at_once() -> None:
    """Also below what has been sent already: then the stream's window is negative (RFC 9113, 6.9.2)."""
    witness = Witness()
    async with (
        serving(witness.app()) as server,
        connected_by_http2(server.port, None, settings={WINDOW: 0}, gives_window=False) as peer,
        trio.open_nursery() as nursery,
    ):
        await peer.widen(WIDE)
        stream = Follower(peer, await peer.get("/tight/one"))
        nursery.start_soon(peer.read_on)
        for window, wider, expected in (
            (0, 0, 0),
            (5000, 0, 5000),
            (1000, 0, 5000),
            (1000, 4500, 5500),
            (9000, 0, 13_500),
        ):
            await peer.set(WINDOW, window)
            if wider:
                await peer.widen(wider, stream.id)
            await wait_all_tasks_blocked(0.03)
            assert peer.size(stream.id) == expected
        await peer.set(WINDOW, 300_000)
        while stream.count < 200:
            await wait_all_tasks_blocked()
            stream.catch_up()
        nursery.cancel_scope.cancel()
    witness.check_that_each_was_left_once()


@within(10)
async def test_events_go_through_a_window_of_one_byte() -> None:
    async with (
        serving(App().add(SSE("/").handle(short))) as server,
        connected_by_http2(server.port, None, settings={WINDOW: 1}, gives_window=False) as peer,
    ):
        id = await peer.get("/")
        size = 0
        while not peer.has_ended(id):
            await peer.read()
            assert peer.size(id) in (size, size + 1)
            if peer.size(id) > size and not peer.has_ended(id):
                await peer.widen(1, id)
            size = peer.size(id)
        assert await peer.whole(id) == b":\ndata: all\n\n"


async def short() -> AsyncIterator[Any]:
    yield {"data": "all"}


@within(10)
async def test_an_event_larger_than_a_frame_and_a_window_arrives_whole() -> None:
    async with serving(Witness().app()) as server, connected_by_http2(server.port, None) as peer:
        id = await peer.get("/three")
        for number in range(3):
            assert await peer.event(id) == {"id": str(number), "data": "x" * 40_000}


@within(10)
async def test_an_app_that_waits_for_a_window_goes_on_when_the_connection_has_gone() -> None:
    """A plain ASGI app, which does not listen for the disconnect: nothing else would ever wake it."""
    ended: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(100):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            ended.append(number)

    async with serving(app) as server:
        await wait_all_tasks_blocked()
        before = tasks()
        async with connected_by_http2(server.port, None, settings={WINDOW: 0}) as peer:
            await peer.status(await peer.get("/"))
            await wait_all_tasks_blocked()
            assert len(ended) == 4
        with trio.fail_after(2):
            await come_back_to(before)
    assert len(ended) == 100


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_streams_that_are_given_up_in_the_middle_of_a_write_are_reset_alone() -> None:
    """The task that sends waits for the socket with a piece of one of them, as their apps leave them unfinished."""
    start, gone = trio.Event(), 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal gone
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/kept":
            await send({"type": "http.response.body", "body": b"whole"})
            return
        await start.wait()
        with trio.move_on_after(0.2):
            while True:
                await send({"type": "http.response.body", "body": b"x" * 20_000, "more_body": True})
        gone += 1

    async with (
        serving(app) as server,
        connected_by_http2(server.port, None, settings={WINDOW: WIDE}, gives_window=False) as peer,
    ):
        await peer.widen(WIDE)
        ids = [await peer.get("/") for _ in range(5)]
        for id in ids:
            assert await peer.status(id) == 200
        start.set()
        while gone < 5:
            await wait_all_tasks_blocked(0.01)
        for id in ids:
            await peer.whole(id)
        assert set(peer.resets) == set(ids)
        assert await peer.whole(await peer.get("/kept")) == b"whole"


async def bare_lifespan(receive: Any, send: Any) -> None:
    for name in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{name}.complete"})


# -- one connection, many requests


@within(60)
@pytest.mark.usefixtures("nothing_to_report")
async def test_a_stream_is_not_silenced_by_the_requests_beside_it(protocols: list[HTTP2]) -> None:
    """hypercorn by itself ends a connection after a number of requests, and the streams on it fall silent."""
    witness = Witness()
    async with serving(witness.app()) as server, connected_by_http2(server.port, None) as peer:
        stream = Follower(peer, await peer.get("/paced/beside"))
        for _ in range(REQUESTS // 50):
            for id in [await peer.get("/hello") for _ in range(50)]:
                assert await peer.whole(id) == b'{"hello":"world"}'
            stream.catch_up()
        seen = stream.count
        assert seen > 5
        while stream.count < seen + 5:
            await peer.read()
            stream.catch_up()
        assert len(protocols) == 1
        assert protocols[0].keep_alive_requests == REQUESTS // 50 * 50 + 1
    witness.check_that_each_was_left_once()


@within(20)
async def test_the_heads_of_responses_that_start_together_are_not_mixed_up() -> None:
    """Header compression has a memory: a head that overtakes another one is read as a different one."""
    start = trio.Event()

    def headers(number: int) -> dict[str, str]:
        return {f"x-{number % 37}": f"value {number}", "x-number": str(number)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        await start.wait()
        pairs = [(name.encode(), value.encode()) for name, value in headers(int(scope["path"][1:])).items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with serving(app) as server, connected_by_http2(server.port, None) as peer:
        for attempt in range(5):
            start = trio.Event()
            numbers = range(attempt * 90, attempt * 90 + 90)
            ids = {await peer.get(f"/{number}"): number for number in numbers}
            await peer.ping()
            start.set()
            for id, number in ids.items():
                assert await peer.whole(id) == b"/%d" % number
                assert headers(number).items() <= peer.heads[id].items()


@within(10)
async def test_a_tight_stream_leaves_the_others_on_its_connection_their_turns() -> None:
    """Counted in turns of the scheduler, which the others take one for an event."""
    events: Counter[str] = Counter()
    longest: Counter[str] = Counter()

    async def tight() -> AsyncIterator[Any]:
        while True:
            yield LARGE
            events["tight"] += 1

    async def stepping(name: str) -> AsyncIterator[Any]:
        while events[name] < 100:
            before = events["tight"]
            yield {"id": str(events[name]), "data": name}
            await trio.lowlevel.checkpoint()
            events[name] += 1
            longest[name] = max(longest[name], events["tight"] - before)

    app = App().add(SSE("/tight").handle(tight), SSE("/:name").handle(stepping))
    async with (
        serving(app) as server,
        connected_by_http2(server.port, None, settings={WINDOW: WIDE}, gives_window=False) as peer,
    ):
        await peer.widen(WIDE)
        tight_id = await peer.get("/tight")
        streams = [Follower(peer, await peer.get(f"/{number}")) for number in range(20)]
        while not all(peer.has_ended(stream.id) for stream in streams):
            await peer.read()
        assert [stream.catch_up() for stream in streams] == [100] * 20
        assert peer.size(tight_id) > 0
    assert events["tight"] > 100, "it was no rival"
    assert max(longest.values()) <= 4 * 16, "between two events of another stream"


# -- the ways to HTTP/2


@within(10)
async def test_a_client_may_go_over_to_http2_without_tls() -> None:
    async with serving(Witness().app()) as server:
        async with upgraded_to_http2(server.port, "/paced/upgraded") as peer:
            assert (await peer.event(1))["id"] == "0"
            assert await peer.whole(await peer.get("/hello")) == b'{"hello":"world"}'
            assert (await peer.event(1))["id"] == "1"
        async with connected_by_http2(server.port, None) as peer:
            assert await peer.whole(await peer.get("/hello")) == b'{"hello":"world"}'


@within(10)
@pytest.mark.parametrize("state", ["has said nothing", "has had an answer", "has reset its stream"])
async def test_an_idle_connection_is_closed_in_time(state: str) -> None:
    async with (
        serving(Witness().app(), keep_alive_timeout=0.2) as server,
        connected_by_http2(server.port, None) as peer,
    ):
        await be(peer, state)
        with trio.fail_after(2):
            await peer.read_on()


@within(10)
@pytest.mark.parametrize("state", ["has said nothing", "has had an answer", "has reset its stream"])
async def test_an_idle_connection_holds_up_no_shutdown(state: str) -> None:
    async with (
        serving(Witness().app(), graceful_timeout=30) as server,
        connected_by_http2(server.port, None) as peer,
    ):
        await be(peer, state)
        with trio.fail_after(2):
            await server.shut_down()


async def be(peer: Http2Peer, state: str) -> None:
    if state == "has had an answer":
        await peer.whole(await peer.get("/hello"))
    elif state == "has reset its stream":
        id = await peer.get("/paced/one")
        await peer.event(id)
        await peer.reset(id)
    await peer.ping()


@within(10)
async def test_a_connection_with_a_stream_is_not_idle() -> None:
    witness = Witness()
    async with (
        serving(witness.app(), keep_alive_timeout=0.1) as server,
        connected_by_http2(server.port, None) as peer,
    ):
        stream = Follower(peer, await peer.get("/paced/one"))
        await peer.reset(await peer.get("/paced/two"))
        while stream.count < 15:
            await peer.read()
            stream.catch_up()


# -- what hypercorn takes for granted


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
@pytest.mark.parametrize(
    "request_line",
    [(b"GET", b"/\xff"), (b"G\xffT", b"/hello"), (b"CONNECT", None)],
    ids=["path", "method", "CONNECT to elsewhere"],
)
async def test_a_malformed_request_is_reset_alone(request_line: tuple[bytes, bytes | None]) -> None:
    async with serving(Witness().app()) as server, connected_by_http2(server.port, None) as peer:
        stream = Follower(peer, await peer.get("/paced/one"))
        bad = await peer.request_raw(*request_line)
        await peer.whole(bad)
        assert peer.resets == {bad: 1}, "PROTOCOL_ERROR"
        assert await peer.whole(await peer.get("/hello")) == b'{"hello":"world"}'
        stream.catch_up()
        seen = stream.count
        while stream.count < seen + 3:
            await peer.read()
            stream.catch_up()


@within(10)
@pytest.mark.usefixtures("nothing_to_report")
async def test_any_number_of_priorities_is_taken(protocols: list[HTTP2]) -> None:
    """For streams that are open, have ended, or never come."""
    async with serving(Witness().app()) as server, connected_by_http2(server.port, None) as peer:
        id = await peer.get("/paced/one")
        for number in range(1, 2400, 2):
            await peer.prioritize(number, depends_on=number + 2)
        await peer.ping()
        assert (await peer.event(id))["id"] == "0"
        assert len(protocols[0].priority._streams) == 2


@within(10)
async def test_a_websocket_is_refused() -> None:
    async with serving(Witness().app()) as server, connected_by_http2(server.port, None) as peer:
        id = await peer.request_raw(
            b"CONNECT", b"/hello", (b":protocol", b"websocket"), (b"sec-websocket-version", b"13")
        )
        assert await peer.status(id) == 403
        assert await peer.whole(await peer.get("/hello")) == b'{"hello":"world"}'
