"""Routes whose streams are topics: what they send, from where on, and what they promise as any stream does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, App, Controller, Forbidden, Limits, ServerSentEvent, Unauthorized, required
from trio_sse.errors import BuildError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient
from trio_sse.topics import HasEvents, History, MemoryTopics, Topic, Topics
from trio_sse.wire import DONE_ID


def app_with(*routes: Any, topics: MemoryTopics | None = None, **settings: Any) -> tuple[App, MemoryTopics]:
    topics = topics or MemoryTopics()
    return App(**settings).provide(Topics, value=topics).add(*routes), topics


async def data_of(stream: Any, count: int) -> list[Any]:
    return [json.loads(event.data) for event in await stream.events(count)]


async def position(stream: Any) -> str:
    """Read the first event, and return its id."""
    event = await stream.event()
    assert (event.event, event.data) == ("stream-position", "null")
    assert event.id is not None
    return str(event.id)


ROOMS = SSE("/rooms/:room/events").topic("rooms/:room")


# -- what is sent


async def test_a_stream_is_that_of_the_topic_of_its_path(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    async with (
        TestClient(app) as client,
        client.stream("/rooms/1/events") as one,
        client.stream("/rooms/2/events") as two,
    ):
        run = (await position(one)).partition(".")[0]
        assert await position(two) == f"{run}.0"
        await topics.topic("rooms", 1).publish({"event": "line", "data": "hello"})
        await topics.topic("rooms", 2).publish(2)
        first, second = await one.event(), await two.event()
        assert (first.event, first.data, first.id) == ("line", "hello", f"{run}.1")
        assert (second.event, second.data, second.id) == (None, "2", f"{run}.2")
        await wait_all_tasks_blocked()
        assert one.pending() == two.pending() == []


async def test_events_are_framed_once_for_all_streams(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    async with (
        TestClient(app) as client,
        client.stream("/rooms/1/events") as one,
        client.stream("/rooms/1/events") as two,
    ):
        await position(one)
        await position(two)
        await topics.topic("rooms/1").publish("x" * 1000)
        await one.event()
        await two.event()
        assert one.writes[-1] is two.writes[-1]


async def test_what_comes_together_is_sent_in_one_write(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").topic("a", since="oldest"))
    for number in range(50):
        await topics.topic("a").publish(number)
    async with TestClient(app) as client, client.stream("/") as stream:
        await position(stream)
        assert await data_of(stream, 50) == [*range(50)]
        assert len(stream.writes) == 3  # the opening line, the position, the events


@attrs.frozen
class User:
    id: int


def who(headers: Any) -> User:
    name = headers.get("x-user")
    if name is None:
        raise Unauthorized
    return User(int(name))


def mine(user: User, topics: Topics) -> list[str | Topic[Any]]:
    return [f"users/{user.id}", topics.topic("all")]


async def test_topics_are_named_by_what_the_steps_provide(autojump_clock: MockClock) -> None:
    app, topics = app_with(
        SSE("/me").use(user=who).topic(lambda user: f"users/{user.id}"),
        SSE("/mine").use(user=who).topic(mine, "news/*"),
    )
    async with TestClient(app) as client:
        assert (await client.get("/me")).status == 401
        async with (
            client.stream("/me", headers={"x-user": "1"}) as me,
            client.stream("/mine", headers={"x-user": "2"}) as all_mine,
        ):
            await position(me)
            await position(all_mine)
            for number, name in enumerate(("users/1", "users/2", "all", "news/tea", "users/11")):
                await topics.topic(name).publish(number)
            assert await data_of(me, 1) == [0]
            assert await data_of(all_mine, 3) == [1, 2, 3]
            await wait_all_tasks_blocked()
            assert me.pending() == all_mine.pending() == []


async def test_what_a_function_returns_is_no_pattern(autojump_clock: MockClock) -> None:
    app, _ = app_with(SSE("/me").topic(lambda query: f"users/{query['name']}"))
    async with TestClient(app) as client, client.stream("/me?name=*") as stream:
        await stream.ended()
        assert stream.status == 500
        assert "is a pattern, which can only be subscribed to" in str(stream.claim_error())


@attrs.frozen
class Room(HasEvents[Any]):
    id: UUID


async def test_a_model_in_the_path_stands_for_its_id(autojump_clock: MockClock) -> None:
    id = UUID(int=7)

    def rooms(topics: Topics) -> Repository[Room]:
        return MemoryRepository(Room, [Room(id)], topics=topics)

    app, topics = app_with(
        SSE("/a/:room").types(Room).topic("Room/:room"), SSE("/b/:room").types(required(Room)).topic("Room/:room")
    )
    async with TestClient(app.provide(rooms)) as client:
        async with client.stream(f"/a/{id}") as one, client.stream(f"/b/{id}") as two:
            await position(one)
            await position(two)
            await Room(id, events=topics.topic(Room, id)).events.publish("hello")
            assert (await one.event()).data == (await two.event()).data == "hello"
        assert (await client.get(f"/b/{UUID(int=8)}")).status == 404


async def test_a_path_cannot_name_another_topic_than_its_segment(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    async with TestClient(app) as client:
        for room in ("*", "**", "%2A%2A", "a%2Fb", "%25"):
            async with client.stream(f"/rooms/{room}/events") as stream:
                await position(stream)
                await topics.topic("rooms/secret").publish("secret")
                await topics.topic("rooms/a/b").publish("secret")
                await wait_all_tasks_blocked()
                assert stream.pending() == []
        assert (await client.get(f"/rooms/{'x' * 300}/events")).status == 404


@attrs.frozen
class Tick:
    n: int


async def test_the_classes_that_a_route_names_name_its_events(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").events(tick=Tick).topic("a"), SSE("/plain").topic("a"))
    async with TestClient(app) as client, client.stream("/") as stream, client.stream("/plain") as plain:
        await position(stream)
        await position(plain)
        for event in (Tick(1), {"data": Tick(2)}, ServerSentEvent(Tick(3), event="own"), {"data": "x"}):
            await topics.topic("a").publish(event)
        assert [event.event for event in await stream.events(4)] == ["tick", "tick", "own", None]
        assert [event.event for event in await plain.events(4)] == [None, None, "own", None]


# -- from where on


async def test_a_client_that_comes_back_gets_what_it_has_missed(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    room = topics.topic("rooms/1")
    async with TestClient(app) as client:
        async with client.stream("/rooms/1/events") as stream:
            first = await position(stream)
        await room.publish("missed")
        async with client.stream("/rooms/1/events", headers={"last-event-id": first}) as stream:
            event = await stream.event()  # without a position, which it has
            assert event.data == "missed"
            await room.publish("live")
            assert (await stream.event()).data == "live"
            last = stream.last_event_id
        async with client.stream("/rooms/1/events", headers={"last-event-id": str(last)}) as stream:
            await wait_all_tasks_blocked()
            assert stream.pending() == []


async def test_reconnects_while_publishing_miss_and_repeat_nothing(autojump_clock: MockClock) -> None:
    topics = MemoryTopics(backlog=100)
    app, _ = app_with(SSE("/").heartbeat(None).topic("a"), topics=topics)
    rounds, seen = 400, list[int]()

    async def publish() -> None:
        for number in range(rounds * 2):
            await topics.topic("a").publish(number)
            await trio.sleep(0.01 * (1 + number * 7 % 5))

    async with TestClient(app) as client, trio.open_nursery() as nursery:
        async with client.stream("/") as stream:
            last = await position(stream)
        nursery.start_soon(publish)
        while len(seen) < rounds * 2:
            async with client.stream("/", headers={"last-event-id": last}) as stream:
                events = [await stream.event(), *stream.pending()]
                seen += [int(event.data) for event in events]
                last = str(stream.last_event_id)
    assert seen == [*range(rounds * 2)]


@pytest.mark.parametrize("since", ["oldest", 2])
async def test_a_client_without_an_id_begins_where_the_route_says(since: Any, autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").topic("a", since=since))
    for number in range(3):
        await topics.topic("a").publish(number)
    async with TestClient(app) as client, client.stream("/") as stream:
        await position(stream)
        assert await data_of(stream, 2) == ([0, 1] if since == "oldest" else [1, 2])


async def test_a_gap_is_told_before_what_follows(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").topic("a"), SSE("/named").topic("a", gap="missed"))
    topics.keep("a", History(count=2))
    async with TestClient(app) as client:
        async with client.stream("/") as stream:
            first = await position(stream)
        ids = [await topics.topic("a").publish(number) for number in range(5)]
        for path, name in (("/", "gap"), ("/named", "missed")):
            async with client.stream(path, headers={"last-event-id": first}) as stream:
                gap, *rest = await stream.events(3)
                assert (gap.event, gap.id, [event.data for event in rest]) == (name, ids[2], ["3", "4"])
                assert json.loads(gap.data) == {
                    "reason": "trimmed",
                    "after": first,
                    "to": ids[2],
                    "topics": ["a"],
                    "dropped": None,
                }


async def test_a_restart_of_the_process_is_told(autojump_clock: MockClock) -> None:
    before, after = app_with(ROOMS), app_with(ROOMS)
    async with TestClient(before[0]) as client, client.stream("/rooms/1/events") as stream:
        await position(stream)
        await before[1].topic("rooms/1").publish("old")
        await stream.event()
        last = str(stream.last_event_id)
    await after[1].topic("rooms/1").publish("new")
    again = TestClient(after[0], headers={"last-event-id": last})
    async with again, again.stream("/rooms/1/events") as stream:
        gap, event = await stream.events(2)
        assert (gap.event, json.loads(gap.data)["reason"], event.data) == ("gap", "unknown", "new")


@pytest.mark.parametrize(
    ("id", "reason"),
    [
        ("7", "malformed"),
        ("x" * 129, "malformed"),
        ("x" * 2000, None),  # too long for any id
        ("k3Jx9QpL.7", "unknown"),
        ("ü", "malformed"),
        ("a\tb", "malformed"),
    ],
)
async def test_an_id_of_a_stranger_is_no_error(id: str, reason: str | None, autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").last_event_id(query="after").topic("a"))
    async with TestClient(app) as client, trio.open_nursery() as nursery:
        for query, header in (("", id), (f"?after={id}", None)):
            headers = {"last-event-id": header.encode().decode("latin-1")} if header else {}
            async with client.stream(f"/{query}", headers=headers) as stream:
                nursery.start_soon(topics.topic("a").publish, "x")
                names = []
                async for event in stream:
                    names.append(event.event)
                    if event.data == "x":
                        break
                assert stream.status == 200
                assert ("gap" in names) == (reason is not None)


async def test_a_page_says_in_the_query_where_its_first_connection_begins(autojump_clock: MockClock) -> None:
    taken: list[str | None] = []

    async def plain(last_event_id: str | None) -> AsyncIterator[Any]:
        taken.append(last_event_id)
        yield {"data": 1}

    app, topics = app_with(
        SSE("/").last_event_id(query="after").topic("a"), SSE("/plain").last_event_id(query="after").handle(plain)
    )
    ids = [await topics.topic("a").publish(number) for number in range(3)]
    async with TestClient(app) as client:
        async with client.stream(f"/?after={ids[0]}") as stream:
            assert await data_of(stream, 2) == [1, 2]
        async with client.stream(f"/?after={ids[0]}", headers={"last-event-id": ids[1]}) as stream:
            assert await data_of(stream, 1) == [2]
        for query in ("", "?after=", "?after=7", f"?after={'x' * 1025}", "?after=%00"):
            await client.get(f"/plain{query}")
        assert (await client.get("/plain?after=7", headers={"last-event-id": DONE_ID})).status == 204
    assert taken == [None, None, "7", None, None]


# -- slow clients


async def test_a_client_that_is_too_slow_is_disconnected_where_the_route_says_so(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").heartbeat(None).send_timeout(1000).topic("a", slow="disconnect", lag=3))
    async with TestClient(app) as client, client.stream("/") as stream:
        await position(stream)
        stream.pause()
        for number in range(5):
            await topics.topic("a").publish(number)
            await wait_all_tasks_blocked()
        stream.resume()
        assert [event.data async for event in stream] == ["0"]
        await stream.ended()
        assert not stream.complete
        assert app.statistics().ended == {"too_slow": 1}
        async with client.stream("/", headers={"last-event-id": str(stream.last_event_id)}) as again:
            assert await data_of(again, 4) == [1, 2, 3, 4]


async def test_a_client_that_is_slow_gets_the_latest_of_each_key(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/").heartbeat(None).send_timeout(1000).topic("book", slow="latest", lag=2))
    async with TestClient(app) as client, client.stream("/") as stream:
        await position(stream)
        stream.pause()
        for number in range(10):
            await topics.topic("book").publish(number, key=str(number % 2))
            await wait_all_tasks_blocked()
        stream.resume()
        first, gap, *rest = await stream.events(4)
        assert (first.data, gap.event, json.loads(gap.data)["dropped"]) == ("0", "gap", 7)
        assert [event.data for event in rest] == ["8", "9"]


# -- as any stream


async def test_the_end_of_a_topic_ends_the_stream_for_good(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/jobs/:job").topic("jobs/:job", since="oldest"))
    job = topics.topic("jobs", 7)
    await job.publish("token")
    async with TestClient(app) as client:
        async with client.stream("/jobs/7") as stream:
            await position(stream)
            assert (await stream.event()).data == "token"
            await job.end()
            assert [event.event async for event in stream] == ["stream-done"]
            assert stream.complete
        async with client.stream("/jobs/7") as late:
            assert [event.event async for event in late] == ["stream-position", None, "stream-done"]
        done = await client.get("/jobs/7", headers={"last-event-id": str(late.last_event_id)})
        assert done.status == 204


async def test_guards_limits_lifetime_and_expiry_hold(autojump_clock: MockClock) -> None:
    def refuse() -> bool:
        raise Forbidden

    def expire(expire_at: Any) -> None:
        expire_at(1010.0)

    app, _ = app_with(
        SSE("/forbidden").guard(refuse).topic("a"),
        SSE("/expires").use(expire).topic("a"),
        SSE("/short").lifetime(10).topic("a"),
        SSE("/beats").heartbeat(1).topic("a"),
        limits=Limits(streams=1),
        wall_clock=lambda: 1000.0,
    )
    async with TestClient(app) as client:
        assert (await client.get("/forbidden")).status == 403
        async with client.stream("/expires") as stream:
            assert [event.event async for event in stream] == ["stream-position", "stream-expired"]
        async with client.stream("/short") as stream:
            assert [event.event async for event in stream] == ["stream-position"]
            assert stream.complete
        assert 18 < trio.current_time() < 22
        async with client.stream("/beats") as stream:
            await position(stream)
            await trio.sleep(5.5)
            assert stream.writes[2:] == [b":\n"] * 5
            assert (await client.get("/beats", headers={"accept": "application/json"})).status in (406, 503)


async def test_a_shutdown_of_the_server_loses_nothing(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    room = topics.topic("rooms/1")
    client = TestClient(app)
    async with client, client.stream("/rooms/1/events") as stream:
        await position(stream)
        await room.publish("before")
        assert (await stream.event()).data == "before"
        client.drain()
        rest = [event async for event in stream]
        assert (rest, stream.complete) == ([], True)
    await room.publish("meanwhile")
    async with (
        TestClient(app) as again,
        again.stream("/rooms/1/events", headers={"last-event-id": str(stream.last_event_id)}) as second,
    ):
        assert (await second.event()).data == "meanwhile"


async def test_clients_that_come_and_go_leave_nothing(autojump_clock: MockClock) -> None:
    app, topics = app_with(SSE("/:a").heartbeat(None).topic("t/:a", "all/*"))
    async with TestClient(app) as client, trio.open_nursery() as nursery:

        async def visit(number: int) -> None:
            for turn in range(10):
                async with client.stream(f"/{number % 7}") as stream:
                    await position(stream)
                    with trio.move_on_after(0.05 * ((number + turn) % 4)):
                        await stream.event()

        for number in range(50):
            nursery.start_soon(visit, number)
        for turn in range(30):
            await topics.topic("t", turn % 7).publish(turn)
            await topics.topic("all/x").publish(turn)
            await trio.sleep(0.03)
    assert topics._hub.waiting == 0
    assert app.statistics().open == 0


async def test_a_head_request_subscribes_to_nothing(autojump_clock: MockClock) -> None:
    app, topics = app_with(ROOMS)
    async with TestClient(app) as client:
        response = await client.request("HEAD", "/rooms/1/events")
        assert (response.status, response.body) == (200, b"")
    assert topics._hub.waiting == 0


# -- when the app is built


WRONG: Any = 17


def no_topics() -> Any:
    return App().add(ROOMS)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SSE("/").topic(), r"SSE /: .topic\(\) names no topic"),
        (lambda: SSE("/").topic("a//b"), r"SSE /: .topic\('a//b'\): 'a//b' is no name of a topic: no segment is empty"),
        (lambda: SSE("/").topic("a*"), "is no pattern"),
        (lambda: SSE("/").topic("a/:"), "':' is no path parameter"),
        (lambda: SSE("/").topic(WRONG), r".topic\(\) takes names, such as 'rooms/:room', and functions"),
        (lambda: SSE("/").topic("a", since=0), "SSE /: .topic\\(\\): since is 'now', 'oldest'"),
        (lambda: SSE("/").topic("a", slow=WRONG), "slow is 'drop_oldest', 'latest' or 'disconnect', not 17"),
        (lambda: SSE("/").topic("a", lag=0), "lag is a number of events above 0"),
        (lambda: SSE("/").topic("a", gap="a\nb"), r"gap='a\\nb'\): the name may not hold CR, LF or NUL"),
        (lambda: SSE("/").topic("a", gap=""), "the name is empty"),
        (lambda: SSE("/").topic("a").topic("b"), r"has the handler .topic\(\) already"),
        (lambda: SSE("/").last_event_id(query=""), r"last_event_id\(query=…\) is the name of a parameter"),
        (no_topics, r"SSE /rooms/:room/events: .topic\('rooms/:room'\) needs Topics, which nothing provides"),
        (lambda: app_with(SSE("/a/:b").topic("x/:c"))[0], r".topic\('x/:c'\) takes :c, but the path has :b"),
        (lambda: app_with(SSE("/a").topic("x/:c"))[0], "but the path has no parameters"),
        (lambda: app_with(SSE("/a").topic(lambda usr: usr))[0], r"handler .topic\(\) asks for 'usr'"),
    ],
)
def test_a_mistake_is_found_when_the_app_is_built(build: Any, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        build().check()


async def test_an_async_function_names_no_topics() -> None:
    async def named() -> str:
        return "a"

    with pytest.raises(BuildError, match="takes a plain function that returns the names of topics"):
        SSE("/").topic(cast("Any", named))


def test_a_controller_s_path_has_the_parameters() -> None:
    controller = Controller("/rooms/:room").routes(events=SSE("/events").topic("rooms/:room"))
    app_with(controller)[0].check()


def test_a_route_shows_its_topics() -> None:
    route = SSE("/rooms/:room").last_event_id(query="after").topic("rooms/:room", mine, since=5, slow="latest", gap="g")
    assert repr(route) == (
        "SSE('/rooms/:room').last_event_id(query='after').topic('rooms/:room', mine(), since=5, slow='latest', gap='g')"
    )
    assert str(SSE("/").topic("a").topics) == ".topic('a')"
