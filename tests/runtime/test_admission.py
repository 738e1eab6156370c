"""Admission: how many streams are let in, who is turned away and how, and that every place is given back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_sse import SSE, App, Forbidden, Get, HTTPError, Limits
from trio_sse._runtime.admission import Admission, StreamSlot
from trio_sse.errors import ServiceUnavailable
from trio_sse.testing import TestClient, TestStream
from trio_sse.wire import DONE_ID

EVENT_SOURCE = {"accept": "text/event-stream"}
RETRY = re.compile(rb"retry: (\d+)\n")

CountAs = Callable[[Hashable], None]


async def waiting() -> AsyncIterator[Any]:
    yield {"data": "let in"}
    await trio.sleep_forever()


def app_of(limits: Limits, *steps: Callable[..., Any], handler: Callable[..., Any] = waiting) -> App:
    route = SSE("/").use(*steps).heartbeat(None).handle(handler)
    return App(limits=limits, reconnect_delay=(2.0, 3.0)).add(route)


@attrs.define
class Crowd:
    """Streams of one app that stay open."""

    client: TestClient
    stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    async def join(self, address: str = "192.0.2.1", **headers: str) -> TestStream:
        """Open one more."""
        stream = await self.stack.enter_async_context(self.client.stream("/", client=(address, 50000), headers=headers))
        if stream.status == 200:
            await stream.event()
        else:
            await stream.ended()
        return stream


async def assert_turned_away(asking: TestClient, status: int, detail: str, **options: Any) -> None:
    """An EventSource is told when to come back; everybody else gets a status."""
    reply = await asking.get("/", headers=EVENT_SOURCE, **options)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store, no-transform"
    told = RETRY.fullmatch(reply.body)
    assert told, reply.body
    assert 2000 <= int(told[1]) <= 3000
    for accept in ("*/*", "text/*", ""):
        reply = await asking.get("/", headers={"accept": accept} if accept else {}, **options)
        assert (reply.status, reply.json()["detail"]) == (status, detail)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["retry-after"] == "3"


# -- streams in all

FULL = "Too many streams are open."


async def test_as_many_streams_are_let_in_as_may_be_open(autojump_clock: MockClock) -> None:
    ran: list[str] = []
    client = TestClient(app_of(Limits(streams=3), lambda: ran.append("step")))
    async with Crowd(client) as crowd:
        streams = [await crowd.join() for _ in range(3)]
        await assert_turned_away(client, 503, FULL)
        assert len(ran) == 3, "no step runs for who is turned away"
        assert not any(stream.closed for stream in streams), "nobody is put out for somebody else"
        streams[1].disconnect()
        await streams[1].ended()
        await crowd.join()
        await assert_turned_away(client, 503, FULL)
        assert [stream.closed for stream in streams] == [False, True, False]


async def test_all_routes_of_an_app_count_together_and_plain_ones_not_at_all(autojump_clock: MockClock) -> None:
    app = App(limits=Limits(streams=1)).add(
        SSE("/").handle(waiting), SSE("/other").handle(waiting), Get("/plain").handle(lambda: "plain")
    )
    client = TestClient(app)
    async with Crowd(client) as crowd:
        assert (await client.get("/plain")).json() == "plain"
        await crowd.join()
        assert (await client.get("/other")).status == 503
        assert (await client.get("/plain")).json() == "plain"


async def test_two_apps_count_for_themselves(autojump_clock: MockClock) -> None:
    first, second = (TestClient(app_of(Limits(streams=1))) for _ in range(2))
    async with Crowd(first) as one, Crowd(second) as other:
        await one.join()
        assert (await other.join()).status == 200


async def test_a_stream_counts_from_before_its_steps(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams=1), lambda: None, trio.sleep_forever))
    async with client.stream("/", wait=False):
        await trio.testing.wait_all_tasks_blocked()
        await assert_turned_away(client, 503, FULL)


async def test_a_stream_counts_until_its_clean_up_has_ended(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": "x"}
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep(3)

    client = TestClient(app_of(Limits(streams=1), handler=handler))
    async with client.stream("/") as stream:
        await stream.event()
        stream.disconnect()
        await trio.sleep(2)
        assert (await client.get("/")).status == 503
        await trio.sleep(2)
        assert (await client.get("/")).status == 200


async def test_a_client_that_has_been_told_done_needs_no_place(autojump_clock: MockClock) -> None:
    """Its 204 costs nothing, and without it the client would come back for ever."""
    client = TestClient(app_of(Limits(streams=1)))
    async with Crowd(client) as crowd:
        await crowd.join()
        assert (await client.get("/", headers={**EVENT_SOURCE, "last-event-id": DONE_ID})).status == 204


async def test_head_takes_a_place_for_a_moment_only(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams=1, streams_per_client=1)))
    for _ in range(3):
        assert (await client.request("HEAD", "/")).status == 200
    async with Crowd(client) as crowd:
        await crowd.join()
        assert (await client.request("HEAD", "/")).status == 503


# -- streams of a client

YOURS = "You have too many streams open."


async def test_a_client_has_as_many_streams_as_it_may(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_client=2)))
    async with Crowd(client) as crowd:
        first, _ = [await crowd.join("192.0.2.1") for _ in range(2)]
        await assert_turned_away(client, 429, YOURS, client=("192.0.2.1", 1))
        assert (await crowd.join("192.0.2.2")).status == 200
        first.disconnect()
        await first.ended()
        assert (await crowd.join("192.0.2.1")).status == 200
        await assert_turned_away(client, 429, YOURS, client=("192.0.2.1", 2))


async def test_the_handler_of_who_is_turned_away_does_not_run(autojump_clock: MockClock) -> None:
    ran: list[str] = []

    async def handler() -> AsyncIterator[Any]:
        ran.append("handler")
        yield {"data": "x"}
        await trio.sleep_forever()

    client = TestClient(app_of(Limits(streams_per_client=1), handler=handler))
    async with Crowd(client) as crowd:
        await crowd.join()
        await assert_turned_away(client, 429, YOURS, client=("192.0.2.1", 1))
    assert ran == ["handler"]


async def test_ipv6_clients_count_by_their_network(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_client=1)))
    async with Crowd(client) as crowd:
        await crowd.join("2001:db8:1:2::1")
        assert (await crowd.join("2001:db8:1:2:ffff::9")).status == 429
        assert (await crowd.join("2001:db8:1:3::1")).status == 200


async def test_a_proxys_clients_count_for_themselves_if_it_is_trusted(autojump_clock: MockClock) -> None:
    trusting = TestClient(app_of(Limits(streams_per_client=1, trusted_proxies=["10.0.0.0/8"])))
    async with Crowd(trusting) as crowd:
        assert (await crowd.join("10.0.0.1", **{"x-forwarded-for": "203.0.113.1"})).status == 200
        assert (await crowd.join("10.0.0.1", **{"x-forwarded-for": "203.0.113.2"})).status == 200
        spoofed = "203.0.113.77, 203.0.113.2"
        assert (await crowd.join("10.0.0.1", **{"x-forwarded-for": spoofed})).status == 429
    distrusting = TestClient(app_of(Limits(streams_per_client=1)))
    async with Crowd(distrusting) as crowd:
        assert (await crowd.join("10.0.0.1", **{"x-forwarded-for": "203.0.113.1"})).status == 200
        assert (await crowd.join("10.0.0.1", **{"x-forwarded-for": "203.0.113.2"})).status == 429


def by_user(headers: Mapping[str, str], count_as: CountAs) -> None:
    if "user" in headers:
        count_as(headers["user"])


async def test_a_principal_counts_in_place_of_an_address(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_client=1), by_user))
    async with Crowd(client) as crowd:
        assert (await crowd.join("192.0.2.1", user="ada")).status == 200
        assert (await crowd.join("192.0.2.1", user="eve")).status == 200, "the same address"
        assert (await crowd.join("192.0.2.2", user="ada")).status == 429, "another one"
        assert (await crowd.join("192.0.2.1")).status == 200, "and nobody has counted for it"
        assert (await crowd.join("192.0.2.1")).status == 429


async def test_the_last_key_named_is_the_one(autojump_clock: MockClock) -> None:
    def twice(headers: Mapping[str, str], count_as: CountAs) -> None:
        for key in headers["keys"].split():
            count_as(key)

    client = TestClient(app_of(Limits(streams_per_client=1), twice))
    async with Crowd(client) as crowd:
        assert (await crowd.join(keys="a b c")).status == 200
        assert (await crowd.join(keys="a")).status == 200
        assert (await crowd.join(keys="b c")).status == 429
        assert (await crowd.join(keys="b b b")).status == 200, "the same key again is no second stream"


async def test_a_handler_may_still_say_whose_stream_it_is(autojump_clock: MockClock) -> None:
    """Too late for a status, but the count is right: one stream of a user who logs in while it lasts."""
    go = trio.Event()

    async def handler(headers: Mapping[str, str], count_as: CountAs) -> AsyncIterator[Any]:
        yield {"data": "let in"}
        if "user" in headers:
            await go.wait()
            count_as(headers["user"])
            yield {"data": "logged in"}
        await trio.sleep_forever()

    client = TestClient(app_of(Limits(streams_per_client=1), handler=handler))
    async with Crowd(client) as crowd:
        first = await crowd.join("192.0.2.1", user="ada")
        assert (await crowd.join("192.0.2.1")).status == 429
        go.set()
        assert (await first.event()).data == "logged in"
        assert (await crowd.join("192.0.2.1")).status == 200


async def test_a_claim_that_fails_leaves_the_one_before(autojump_clock: MockClock) -> None:
    admission = Admission(Limits(streams_per_client=1))
    first, second = admission.enter(), admission.enter()
    first.claim("a")
    second.claim("b")
    with pytest.raises(HTTPError):
        second.claim("a")
    assert admission.by_client == Counter({"a": 1, "b": 1})
    second.leave()
    first.leave()
    assert (admission.open, dict(admission.by_client)) == (0, {})


async def test_a_key_that_cannot_be_one_is_an_error(autojump_clock: MockClock) -> None:
    def wrong(count_as: Callable[[Any], None]) -> None:
        count_as(["a list"])

    async with TestClient(app_of(Limits(streams_per_client=1), wrong)).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), TypeError)
    assert stream.status == 500


async def test_plain_routes_may_share_the_step(autojump_clock: MockClock) -> None:
    app = App(limits=Limits(streams_per_client=1)).add(Get("/").use(by_user).handle(lambda: "plain"))
    for _ in range(3):
        assert (await TestClient(app).get("/", headers={"user": "ada"})).json() == "plain"


# -- streams a second

TOO_FAST = "Too many streams are being opened."


async def test_a_second_allows_so_many_at_once(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_second=4)))
    async with Crowd(client) as crowd:
        for _ in range(4):
            assert (await crowd.join()).status == 200
        await assert_turned_away(client, 503, TOO_FAST)
        await trio.sleep(0.2)
        assert (await crowd.join()).status == 503, "who was turned away has used nothing up, but it is too soon"
        await trio.sleep(0.05)
        assert (await crowd.join()).status == 200
        assert (await crowd.join()).status == 503


async def test_what_was_not_used_is_kept_for_a_second(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_second=4)))
    async with Crowd(client) as crowd:
        await trio.sleep(3600)
        assert [(await crowd.join()).status for _ in range(6)] == [200] * 4 + [503] * 2
        await trio.sleep(0.5)
        assert [(await crowd.join()).status for _ in range(4)] == [200] * 2 + [503] * 2


async def test_less_than_one_a_second_is_one_at_a_time(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams_per_second=0.25)))
    async with Crowd(client) as crowd:
        assert (await crowd.join()).status == 200, "the first one need not wait"
        for _ in range(3):
            await trio.sleep(3.9)
            assert (await crowd.join()).status == 503
            await trio.sleep(0.2)
            assert (await crowd.join()).status == 200


async def test_streams_that_have_ended_count_for_the_rate_too(autojump_clock: MockClock) -> None:
    async def short() -> AsyncIterator[Any]:
        yield {"data": "x"}

    client = TestClient(app_of(Limits(streams_per_second=2), handler=short))
    assert [(await client.get("/")).status for _ in range(3)] == [200, 200, 503]


async def test_a_full_app_uses_up_nothing(autojump_clock: MockClock) -> None:
    client = TestClient(app_of(Limits(streams=1, streams_per_second=2)))
    async with Crowd(client) as crowd:
        first = await crowd.join()
        for _ in range(5):
            assert (await client.get("/")).json()["detail"] == FULL
        first.disconnect()
        await first.ended()
        assert (await crowd.join()).status == 200


@given(
    rate=st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    gaps=st.lists(st.sampled_from([0, 0, 0.1, 0.3, 1, 5]), min_size=1, max_size=60),
)
@settings(deadline=None)
def test_no_stretch_of_time_lets_in_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    let_in: list[float] = []

    async def main() -> None:
        admission = Admission(Limits(streams_per_second=rate))
        for gap in gaps:
            await trio.sleep(gap)
            try:
                admission.enter()
            except ServiceUnavailable:
                continue
            let_in.append(trio.current_time())

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert let_in, "the first one always"
    most = max(rate, 1.0)
    for first, start in enumerate(let_in):
        for last in range(first, len(let_in)):
            assert last - first + 1 <= most + rate * (let_in[last] - start) + 1e-6


# -- a place is given back however a stream ends


async def ends_by_itself() -> AsyncIterator[Any]:
    yield {"data": "x"}


async def pouring() -> AsyncIterator[Any]:
    while True:
        yield {"data": "x"}
        await trio.sleep(1)


async def fails() -> AsyncIterator[Any]:
    yield {"data": "x"}
    raise LookupError("broken")


async def refused_step() -> None:
    raise Forbidden


async def broken_step() -> None:
    raise LookupError("broken")


async def returns_nothing() -> None:
    pass


ENDS: dict[str, tuple[tuple[Callable[..., Any], ...], Callable[..., Any]]] = {
    "by itself": ((), ends_by_itself),
    "error in the handler": ((), fails),
    "refused by a step": ((refused_step,), waiting),
    "error in a step": ((broken_step,), waiting),
    "no stream at all": ((), returns_nothing),
    "client_gone": ((), waiting),
    "client_gone in a step": ((trio.sleep_forever,), waiting),
    "too_slow": ((), pouring),
    "drain": ((), waiting),
    "drain in a step": ((trio.sleep_forever,), waiting),
    "server's send": ((), pouring),
    "server's receive": ((), waiting),
}


@pytest.mark.parametrize("claims", [False, True], ids=["address", "principal"])
@pytest.mark.parametrize("how", ENDS)
async def test_a_place_is_given_back_however_a_stream_ends(how: str, claims: bool, autojump_clock: MockClock) -> None:
    steps, handler = ENDS[how]
    first: tuple[Callable[..., Any], ...] = (lambda count_as: count_as("ada"),) if claims else ()
    app = app_of(Limits(streams=1, streams_per_client=1), *first, *steps, handler=handler)
    client = TestClient(app)
    async with client.stream("/", wait=False) as stream:
        await trio.testing.wait_all_tasks_blocked()
        match how:
            case "client_gone" | "client_gone in a step":
                assert app._compiled.context.admission.open == 1
                stream.disconnect()
            case "too_slow":
                stream.pause()
            case "drain" | "drain in a step":
                client.drain(1)
            case "server's send":
                stream.fail_send(OSError("broken pipe"))
            case "server's receive":
                stream.fail_receive(RuntimeError("broken"))
            case _:
                pass
        await stream.ended()
        stream.error = None
    admission = app._compiled.context.admission
    assert (admission.open, dict(admission.by_client)) == (0, {})


async def test_a_place_is_given_back_when_the_server_cancels(autojump_clock: MockClock) -> None:
    app = app_of(Limits(streams=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(TestClient(app).get, "/")
        await trio.testing.wait_all_tasks_blocked()
        assert app._compiled.context.admission.open == 1
        nursery.cancel_scope.cancel()
    assert (app._compiled.context.admission.open, dict(app._compiled.context.admission.by_client)) == (0, {})


# -- against a model

CLIENTS = ("a", "b", "c")
MOVES = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from(CLIENTS)),
    st.tuples(st.just("claim"), st.integers(0, 9), st.sampled_from(CLIENTS)),
    st.tuples(st.just("leave"), st.integers(0, 9)),
)


@given(most=st.integers(1, 5), each=st.integers(1, 3), moves=st.lists(MOVES, max_size=60))
@settings(deadline=None)
def test_any_arrivals_and_leavings_agree_with_a_list(most: int, each: int, moves: list[Any]) -> None:
    admission = Admission(Limits(streams=most, streams_per_client=each))
    inside: list[tuple[StreamSlot, str]] = []  # the model: who is in, and for whom

    def room_for(client: str) -> bool:
        return [name for _, name in inside].count(client) < each

    for move in moves:
        if move[0] == "enter":
            if len(inside) >= most:
                with pytest.raises(ServiceUnavailable):
                    admission.enter()
                continue
            slot = admission.enter()
            if room_for(move[1]):
                slot.claim(move[1])
                inside.append((slot, move[1]))
            else:
                with pytest.raises(HTTPError) as raised:
                    slot.claim(move[1])
                assert raised.value.status == 429
                slot.leave()
        elif inside:
            index = move[1] % len(inside)
            slot, client = inside[index]
            if move[0] == "leave":
                slot.leave()
                del inside[index]
            elif client == move[2] or room_for(move[2]):
                slot.claim(move[2])
                inside[index] = (slot, move[2])
            else:
                with pytest.raises(HTTPError):
                    slot.claim(move[2])
        assert admission.open == len(inside)
        assert admission.full is (len(inside) == most)
        assert dict(admission.by_client) == Counter(name for _, name in inside)


@given(
    plans=st.lists(
        st.tuples(
            st.floats(0, 5),  # when it comes
            st.floats(0, 5),  # how long it stays
            st.sampled_from(CLIENTS),
            st.sampled_from(["leaves", "ends", "fails", "refused"]),
        ),
        max_size=12,
    ),
    most=st.integers(1, 4),
    each=st.integers(1, 2),
)
@settings(deadline=None, max_examples=60)
def test_a_crowd_of_streams_stays_within_the_limits_and_leaves_nothing(
    plans: list[tuple[float, float, str, str]], most: int, each: int
) -> None:
    running: Counter[str] = Counter()

    def step(headers: Mapping[str, str], count_as: CountAs) -> None:
        if headers["how"] == "refused":
            raise Forbidden
        count_as(headers["name"])

    async def handler(headers: Mapping[str, str]) -> AsyncIterator[Any]:
        name, how = headers["name"], headers["how"]
        running[name] += 1
        try:
            assert running.total() <= most
            assert running[name] <= each
            yield {"data": "x"}
            await trio.sleep(float(headers["stays"]))
            if how == "fails":
                raise LookupError("broken")
            if how == "leaves":
                await trio.sleep_forever()
        finally:
            running[name] -= 1

    async def visit(client: TestClient, comes: float, stays: float, name: str, how: str) -> None:
        await trio.sleep(comes)
        headers = {"name": name, "how": how, "stays": str(stays)}
        async with client.stream("/", headers=headers) as stream:
            assert stream.status in (200, 403, 429, 503)
            await trio.sleep(stays + 0.1)
        if isinstance(stream.error, LookupError):
            stream.claim_error()

    app = app_of(Limits(streams=most, streams_per_client=each), step, handler=handler)

    async def main() -> None:
        client = Forgiving(app)
        async with trio.open_nursery() as nursery:
            for plan in plans:
                nursery.start_soon(visit, client, *plan)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    admission = app._compiled.context.admission
    assert (admission.open, dict(admission.by_client), running.total()) == (0, {}, 0)
    assert app.statistics().open == 0


class Forgiving(TestClient):
    """A client whose streams may fail as the test has planned."""

    async def _run(self, scope: dict[str, Any], stream: TestStream) -> None:
        await super()._run(scope, stream)
        if isinstance(stream.error, LookupError):
            stream.error = None


# -- refusals of the app's own


@pytest.mark.parametrize("in_a_step", [True, False])
async def test_who_is_asked_to_come_back_does(in_a_step: bool, autojump_clock: MockClock) -> None:
    async def busy() -> Any:
        raise ServiceUnavailable("The kitchen is full.", retry=True)

    app = app_of(Limits(), busy) if in_a_step else app_of(Limits(), handler=busy)
    await assert_turned_away(TestClient(app), 503, "The kitchen is full.")
    assert app.statistics().refused == {"app": 4}


@pytest.mark.parametrize("headers", [{}, EVENT_SOURCE])
async def test_who_is_not_asked_gets_the_status(headers: dict[str, str], autojump_clock: MockClock) -> None:
    async def closed() -> None:
        raise ServiceUnavailable("We have closed.")

    app = app_of(Limits(), closed)
    reply = await TestClient(app).get("/", headers=headers)
    assert (reply.status, reply.json()["detail"]) == (503, "We have closed.")
    assert "retry-after" not in reply.headers
    assert app.statistics().refused == {}


async def test_an_error_may_say_itself_when_to_come_back(autojump_clock: MockClock) -> None:
    async def closed(headers: Mapping[str, str]) -> None:
        raise ServiceUnavailable("Lunch.", retry=True, headers={"Retry-After": headers["x-when"]})

    client = TestClient(app_of(Limits(), closed))
    assert (await client.get("/", headers={"x-when": "600"})).headers["retry-after"] == "600"
    assert (await client.get("/", headers={"x-when": "600", **EVENT_SOURCE})).body == b"retry: 600000\n"
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    reply = await client.get("/", headers={"x-when": date, **EVENT_SOURCE})
    assert RETRY.fullmatch(reply.body)
    assert reply.body != b"retry: 600000\n"


async def test_a_plain_route_may_ask_too(autojump_clock: MockClock) -> None:
    def busy() -> None:
        raise ServiceUnavailable("Later.", retry=True)

    reply = await TestClient(App().add(Get("/").handle(busy))).get("/")
    assert (reply.status, reply.headers["retry-after"] in "12345") == (503, True)


async def test_there_is_no_coming_back_once_the_response_has_started(autojump_clock: MockClock) -> None:
    async def handler() -> AsyncIterator[Any]:
        yield {"data": "x"}
        raise ServiceUnavailable("Too late.", retry=True)

    app = app_of(Limits(), handler=handler)
    async with TestClient(app).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), ServiceUnavailable)
    assert b"Too late." in stream.raw
    assert app.statistics().refused == {}
