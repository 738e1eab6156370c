"""Services as they run: when they are made, in which order they are left, and what happens when that goes wrong."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import (
    SSE,
    Aborted,
    AbortReason,
    App,
    Forbidden,
    Get,
    Headers,
    NotFound,
    Post,
    QueryParams,
    any_of,
    required,
)
from trio_sse.errors import LifespanError, StepError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient

Log = list[Any]


class A:
    pass


class B:
    pass


class C:
    pass


@attrs.frozen
class Search:
    text: str = ""


@attrs.frozen
class Ticket:
    id: int


@pytest.fixture
def log() -> Log:
    return []


@asynccontextmanager
async def noted(log: Log, name: str, *, seconds: float = 1, swallow: bool = False) -> AsyncIterator[None]:
    """Note the entering and the leaving, which take time, and what it was left with."""
    log.append(f"+{name}")
    await trio.sleep(seconds)
    try:
        yield
    except BaseException as error:
        log.append(f"{name} sees {type(error).__name__}")
        if not swallow:
            raise
    finally:
        await trio.sleep(seconds)
        log.append(f"-{name}")


def providers(log: Log, *, seconds: float = 1) -> tuple[Any, Any, Any]:
    """Context managers for A, for B that is made of A, and for C that is made of B and A."""

    @asynccontextmanager
    async def make_a() -> AsyncIterator[A]:
        async with noted(log, "A", seconds=seconds):
            yield A()

    @asynccontextmanager
    async def make_b(a: A) -> AsyncIterator[B]:
        assert isinstance(a, A)
        async with noted(log, "B", seconds=seconds):
            yield B()

    @asynccontextmanager
    async def make_c(b: B, a: A) -> AsyncIterator[C]:
        assert isinstance(b, B)
        async with noted(log, "C", seconds=seconds):
            yield C()

    return make_a, make_b, make_c


IN_ORDER = ["+A", "+B", "+C"]
IN_REVERSE = ["-C", "-B", "-A"]


async def start(app: App) -> list[Any]:
    """Run the lifespan as a server does, and give what the app has sent by its end."""
    sent: list[Any] = []
    to_app, from_test = trio.open_memory_channel[Any](2)
    to_app.send_nowait({"type": "lifespan.startup"})
    to_app.send_nowait({"type": "lifespan.shutdown"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, from_test.receive, send)
    return sent


# -- the app's services


async def test_the_app_makes_its_services_before_it_says_that_it_has_started(
    autojump_clock: MockClock, log: Log
) -> None:
    make_a, make_b, make_c = providers(log)
    app = App().provide(make_c).provide(make_b).provide(make_a)
    async with TestClient(app):
        assert log == IN_ORDER
        assert trio.current_time() == 3
    assert log == [*IN_ORDER, *IN_REVERSE]


async def test_a_service_of_the_app_is_the_same_one_for_all(autojump_clock: MockClock) -> None:
    made: list[A] = []

    def make() -> A:
        made.append(A())
        return made[-1]

    class Holder:
        def __init__(self, a: A) -> None:
            self.a = a

    def handler(first: A, second: A, holder: Holder) -> bool:
        return first is second is holder.a is made[0]

    route = Get("/").inject(first=A, second=A, holder=Holder).handle(handler)
    async with TestClient(App().provide(make).provide(Holder).add(route)) as client:
        assert [(await client.get("/")).json() for _ in range(3)] == [True, True, True]
    assert len(made) == 1


async def test_two_tokens_of_one_class_give_the_same_service(autojump_clock: MockClock) -> None:
    class Both(A, B):
        pass

    def handler(a: A, b: B, both: Both) -> bool:
        return a is both is b

    app = App().provide(A, Both).provide(B, Both).provide(Both)
    async with TestClient(app.add(Get("/").inject(a=A, b=B, both=Both).handle(handler))) as client:
        assert (await client.get("/")).json() is True


@pytest.mark.parametrize("kind", ["sync", "async", "value", "entered", "class"])
async def test_a_service_may_be_made_in_any_way(autojump_clock: MockClock, kind: str) -> None:
    service = A()

    def plain() -> A:
        return service

    async def later() -> A:
        await trio.sleep(1)
        return service

    class Entered(A):
        async def __aenter__(self) -> Entered:
            self.entered = True
            return self

        async def __aexit__(self, *error: object) -> None:
            self.entered = False

    app = {
        "sync": App().provide(plain),
        "async": App().provide(later),
        "value": App().provide(A, value=service),
        "entered": App().provide(A, Entered),
        "class": App().provide(A),
    }[kind]
    found: list[A] = []

    def keep(a: A) -> None:
        found.append(a)

    async with TestClient(app.add(Post("/").inject(a=A).handle(keep))) as client:
        assert (await client.request("POST", "/")).status == 204
        if kind == "entered":
            assert isinstance(found[0], Entered)
            assert found[0].entered
    if kind == "entered":
        assert not found[0].entered  # type: ignore[attr-defined]
    else:
        assert (found[0] is service) == (kind != "class")


async def test_what_a_class_gives_when_it_is_entered_has_to_be_one(autojump_clock: MockClock, log: Log) -> None:
    class Odd:
        async def __aenter__(self) -> int:
            return 5

        async def __aexit__(self, *error: object) -> None:
            log.append("left")

    (message,) = await start(App().provide(Odd))
    assert message["type"] == "lifespan.startup.failed"
    assert "entering Odd gave int, which is not a Odd; a class that is an async context manager" in message["message"]
    assert log == ["left"]


async def test_a_factory_that_forgot_to_be_async_is_a_step_error(autojump_clock: MockClock) -> None:
    async def later() -> A:
        raise NotImplementedError

    def forgetful() -> Any:
        return later()

    (message,) = await start(App().provide(A, forgetful))
    assert "is not an async function but returned a coroutine; write it with 'async def'" in message["message"]


async def test_an_overridden_service_is_the_value_and_what_it_needed_is_not_made(
    autojump_clock: MockClock, log: Log
) -> None:
    make_a, make_b, make_c = providers(log)
    app = App().provide(make_c).provide(make_b).provide(make_a).override(C, "a stand-in")
    app = app.add(Get("/").inject(c=C).handle(lambda c: c))
    async with TestClient(app) as client:
        assert (await client.get("/")).json() == "a stand-in"
    assert log == []


# -- failures of the app's services


async def test_a_service_that_cannot_be_made_fails_the_start_with_its_traceback(
    autojump_clock: MockClock, log: Log
) -> None:
    make_a, make_b, _ = providers(log)

    def connect(b: B) -> C:
        raise ConnectionError("no database there")

    (message,) = await start(App().provide(make_a).provide(make_b).provide(connect))
    assert message["type"] == "lifespan.startup.failed"
    assert "ConnectionError: no database there" in message["message"]
    assert ", in connect" in message["message"]
    assert log == ["+A", "+B", "B sees ConnectionError", "-B", "A sees ConnectionError", "-A"]


async def test_a_service_that_fails_while_it_is_entered_leaves_those_before_it(
    autojump_clock: MockClock, log: Log
) -> None:
    make_a, make_b, _ = providers(log)

    @asynccontextmanager
    async def connect(b: B) -> AsyncIterator[C]:
        await trio.sleep(1)
        raise ConnectionError("no database there")
        yield C()

    (message,) = await start(App().provide(make_a).provide(make_b).provide(connect))
    assert "ConnectionError: no database there" in message["message"]
    assert log[-1] == "-A"
    assert log.count("-B") == 1


async def test_a_service_cannot_swallow_that_another_one_failed(autojump_clock: MockClock, log: Log) -> None:
    @asynccontextmanager
    async def swallows() -> AsyncIterator[A]:
        async with noted(log, "A", swallow=True):
            yield A()

    def connect(a: A) -> C:
        raise ConnectionError("no database there")

    (message,) = await start(App().provide(swallows).provide(connect))
    assert "ConnectionError: no database there" in message["message"]
    assert log == ["+A", "A sees ConnectionError", "-A"]


async def test_the_start_may_be_cancelled(autojump_clock: MockClock, log: Log) -> None:
    make_a, make_b, _ = providers(log)

    async def hangs(b: B) -> C:
        await trio.sleep_forever()
        raise AssertionError

    with trio.move_on_after(10) as server:
        await start(App().provide(make_a).provide(make_b).provide(hangs))
    assert server.cancelled_caught
    assert log == ["+A", "+B", "B sees Cancelled", "-B", "A sees Cancelled", "-A"]
    assert trio.current_time() == 12  # the leaving is shielded


async def test_a_cancelled_server_leaves_all_services(autojump_clock: MockClock, log: Log) -> None:
    app = App()
    for make in providers(log):
        app = app.provide(make)
    with trio.move_on_after(10) as server:
        async with app.lifespan():
            await trio.sleep_forever()
    assert server.cancelled_caught
    assert log == [*IN_ORDER, "C sees Cancelled", "-C", "B sees Cancelled", "-B", "A sees Cancelled", "-A"]
    assert trio.current_time() == 13


async def test_an_error_while_one_is_left_does_not_keep_the_others(autojump_clock: MockClock, log: Log) -> None:
    make_a, make_b, _ = providers(log)

    @asynccontextmanager
    async def fails(b: B) -> AsyncIterator[C]:
        yield C()
        raise OSError("cannot flush")

    app = App().provide(make_a).provide(make_b).provide(fails)
    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="cannot flush")):
        async with app.lifespan():
            log.clear()
    assert log == ["B sees OSError", "-B", "A sees OSError", "-A"]


async def test_a_service_that_overstays_its_leaving_is_cut_off_and_logged(
    autojump_clock: MockClock, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    make_a, make_b, _ = providers(log)

    @asynccontextmanager
    async def stays(b: B) -> AsyncIterator[C]:
        yield C()
        try:
            await trio.sleep(1000)
        finally:
            log.append("cut off")

    async with App(cleanup_timeout=7).provide(make_a).provide(make_b).provide(stays).lifespan():
        log.clear()
        left = trio.current_time()
    assert log == ["cut off", "-B", "-A"]
    assert trio.current_time() == left + 7 + 2
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "the app: leaving" in record.message
    assert "stays() has not ended within 7 s; it was cancelled" in record.message


@pytest.mark.parametrize("seconds", [0, 100])
async def test_a_service_may_hold_a_cancel_scope_and_a_nursery(
    autojump_clock: MockClock, log: Log, seconds: float
) -> None:
    @asynccontextmanager
    async def with_tasks() -> AsyncIterator[A]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                with trio.CancelScope():
                    yield A()
            finally:
                log.append("left")
                nursery.cancel_scope.cancel()

    with trio.move_on_after(seconds or 1) as server:
        async with TestClient(App().provide(with_tasks)):
            await trio.sleep(0 if seconds else 50)
    assert server.cancelled_caught == (not seconds)
    assert log == ["left"]


async def test_a_crash_of_a_task_that_a_service_holds_ends_the_app_with_it(autojump_clock: MockClock, log: Log) -> None:
    async def crash() -> None:
        await trio.sleep(5)
        raise ValueError("background")

    @asynccontextmanager
    async def with_tasks() -> AsyncIterator[A]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            yield A()

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="background"), flatten_subgroups=True):
        async with App().provide(with_tasks).lifespan():
            await trio.sleep_forever()
    assert trio.current_time() == 5


async def test_a_service_whose_own_scope_ends_the_app_is_an_error_and_no_silent_end(
    autojump_clock: MockClock, log: Log
) -> None:
    @asynccontextmanager
    async def short_lived() -> AsyncIterator[A]:
        with trio.move_on_after(60):
            yield A()

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="short_lived.. was cancelled by its own scope")):
        async with App().provide(short_lived).lifespan():
            await trio.sleep_forever()


# -- the app's nursery and its services


async def test_the_tasks_of_the_app_end_before_the_services_that_they_use(autojump_clock: MockClock, log: Log) -> None:
    make_a, *_ = providers(log)

    async def background(a: A) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            log.append("task")

    def handler(a: A, app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(background, a)

    app = App().provide(make_a).add(Post("/").inject(a=A).handle(handler))
    async with TestClient(app) as client:
        await client.request("POST", "/")
        assert log == ["+A"]
    assert log == ["+A", "task", "-A"]


async def test_a_service_may_start_tasks_of_the_app_while_it_is_made(autojump_clock: MockClock, log: Log) -> None:
    class Worker:
        def __init__(self, app_nursery: trio.Nursery, a: A) -> None:
            app_nursery.start_soon(self.work)

        async def work(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                log.append("worker")

    make_a, *_ = providers(log)
    async with TestClient(App().provide(Worker).provide(make_a)):
        await wait_all_tasks_blocked()
        log.append("running")
    assert log == ["+A", "running", "worker", "-A"]


async def test_a_task_that_overstays_is_logged_and_the_services_are_left(
    autojump_clock: MockClock, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    make_a, *_ = providers(log)

    async def stays() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(100)
        log.append("task")

    def handler(app_nursery: trio.Nursery) -> None:
        app_nursery.start_soon(stays)

    app = App(cleanup_timeout=7).provide(make_a).add(Post("/").handle(handler))
    async with TestClient(app) as client:
        await client.request("POST", "/")
    assert log == ["+A", "-A", "task"]
    assert [record.message for record in caplog.records] == [
        "the app: a task in the app's nursery has not ended within 7 s; it is still running"
    ]


async def test_a_task_that_fails_during_the_start_fails_the_start(autojump_clock: MockClock, log: Log) -> None:
    async def crash() -> None:
        raise ValueError("background")

    async def slow(app_nursery: trio.Nursery) -> A:
        app_nursery.start_soon(crash)
        await trio.sleep_forever()
        raise AssertionError

    (message,) = await start(App().provide(slow))
    assert message["type"] == "lifespan.startup.failed"
    assert "ValueError: background" in message["message"]


async def test_a_task_that_fails_leaves_the_services(autojump_clock: MockClock, log: Log) -> None:
    async def crash() -> None:
        await trio.sleep(5)
        raise ValueError("background")

    def starts(app_nursery: trio.Nursery) -> B:
        app_nursery.start_soon(crash)
        return B()

    make_a, *_ = providers(log)
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="background")):
        async with App().provide(make_a).provide(starts).lifespan():
            await trio.sleep_forever()
    assert log == ["+A", "A sees Cancelled", "-A"]


# -- two apps in one server


async def test_two_apps_side_by_side_have_services_of_their_own(autojump_clock: MockClock) -> None:
    def app_of(text: str) -> App:
        return App().provide(str, value=text).add(Get("/").inject(text=str).handle(lambda text: text))

    first, second = app_of("first"), app_of("second")
    async with first.lifespan() as one, second.lifespan() as two:
        state = one | two
        assert (await TestClient(first, state=state).get("/")).json() == "first"
        assert (await TestClient(second, state=state).get("/")).json() == "second"


async def test_an_app_does_not_take_another_one_s_services(autojump_clock: MockClock) -> None:
    app = App().provide(str, value="text").add(Get("/").inject(text=str).handle(lambda text: text))
    async with app.lifespan() as state, TestClient(attrs.evolve(app), state=state).stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LifespanError)
        assert stream.status == 500


async def test_a_request_that_needs_no_service_needs_no_lifespan(autojump_clock: MockClock) -> None:
    app = App().provide(A).add(Get("/free").handle(lambda: 1), Get("/").inject(a=A).handle(lambda a: 1))
    assert (await TestClient(app).get("/free")).json() == 1
    async with TestClient(app).stream("/") as stream:
        await stream.ended()
        error = stream.claim_error()
    assert isinstance(error, LifespanError)
    assert str(error).startswith("GET / needs what the app's lifespan holds (its nursery or its services)")


# -- services of a request


def app_of(log: Log, route: Any, *, seconds: float = 1) -> TestClient:
    """An app whose A lives as long as it does, with B and C for each request."""
    make_a, make_b, make_c = providers(log, seconds=seconds)
    return TestClient(
        App().provide(make_a).provide(make_b, scope="request").provide(make_c, scope="request").add(route)
    )


async def test_a_request_s_services_are_left_in_reverse_order_after_the_handler(
    autojump_clock: MockClock, log: Log
) -> None:
    def handler(c: C, b: B) -> None:
        log.append("handler")

    async with app_of(log, Post("/").inject(c=C, b=B).handle(handler)) as client:
        log.clear()
        await client.request("POST", "/")
        await client.request("POST", "/")
    once = ["+B", "+C", "handler", "-C", "-B"]
    assert log == [*once, *once, "-A"]


async def test_one_is_made_just_before_the_first_step_that_asks_for_it(autojump_clock: MockClock, log: Log) -> None:
    def step(name: str) -> Any:
        def run() -> bool:
            log.append(name)
            return True

        return run

    route = (
        Get("/")
        .inject(b=B, c=C)
        .guard(step("before"))
        .guard(lambda b: step("guard")())
        .guard(step("between"))
        .use(x=lambda c, b: step("use")())
        .handle(lambda b, c, x: step("handler")())
    )
    async with app_of(log, route) as client:
        log.clear()
        assert (await client.get("/")).json() is True
    assert log == ["before", "+B", "guard", "between", "+C", "use", "handler", "-C", "-B", "-A"]


async def test_one_that_is_named_but_not_asked_for_is_not_made(autojump_clock: MockClock, log: Log) -> None:
    async with app_of(log, Get("/").inject(b=B, c=C).handle(lambda: 1)) as client:
        log.clear()
        await client.get("/")
        assert log == []


async def test_one_is_not_made_after_a_refusal(autojump_clock: MockClock, log: Log) -> None:
    route = Get("/").inject(b=B, c=C).guard(lambda b: False).handle(lambda c: 1)
    async with app_of(log, route) as client:
        log.clear()
        assert (await client.get("/")).status == 403
        assert log == ["+B", "B sees Forbidden", "-B"]


async def test_guards_of_which_one_is_enough_share_one(autojump_clock: MockClock, log: Log) -> None:
    route = Get("/").inject(b=B).guard(any_of(lambda b: False, lambda b: True)).handle(lambda b: 1)
    async with app_of(log, route) as client:
        log.clear()
        assert (await client.get("/")).status == 200
        assert log == ["+B", "-B"]


async def test_services_and_steps_are_left_in_the_reverse_of_their_common_order(
    autojump_clock: MockClock, log: Log
) -> None:
    @asynccontextmanager
    async def transaction(b: B) -> AsyncIterator[None]:
        async with noted(log, "transaction"):
            yield

    route = Get("/").inject(b=B, c=C).use(transaction).handle(lambda c: log.append("handler"))
    async with app_of(log, route) as client:
        log.clear()
        await client.get("/")
        assert log == ["+B", "+transaction", "+C", "handler", "-C", "-transaction", "-B"]


async def test_requests_at_the_same_time_have_one_each(autojump_clock: MockClock, log: Log) -> None:
    seen: list[B] = []

    async def handler(b: B) -> None:
        await trio.sleep(5)
        seen.append(b)

    async with app_of(log, Post("/").inject(b=B).handle(handler)) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(client.request, "POST", "/")
        assert len({id(b) for b in seen}) == 3
        assert log.count("+B") == log.count("-B") == 3


async def test_an_error_of_the_handler_reaches_them_and_is_a_500(autojump_clock: MockClock, log: Log) -> None:
    def handler(c: C) -> None:
        raise ValueError("handler")

    async with app_of(log, Get("/").inject(c=C).handle(handler)) as client:
        log.clear()
        async with client.stream("/") as stream:
            await stream.ended()
            assert isinstance(stream.claim_error(), ValueError)
        assert stream.status == 500
        assert log == ["+B", "+C", "C sees ValueError", "-C", "B sees ValueError", "-B"]


async def test_one_that_cannot_be_made_is_a_500_or_what_it_raises(autojump_clock: MockClock, log: Log) -> None:
    @asynccontextmanager
    async def refuses(b: B, headers: Headers) -> AsyncIterator[C]:
        if "x-fail" in headers:
            raise OSError("no connection")
        raise Forbidden("not you")
        yield C()

    make_a, make_b, _ = providers(log)
    app = App().provide(make_a).provide(make_b, scope="request").provide(refuses, scope="request")
    async with TestClient(app.add(Get("/").inject(c=C).handle(lambda c: 1))) as client:
        reply = await client.get("/")
        assert (reply.status, reply.json()["detail"]) == (403, "not you")
        async with client.stream("/", headers={"x-fail": "1"}) as stream:
            await stream.ended()
            assert isinstance(stream.claim_error(), OSError)
        assert stream.status == 500
        assert log.count("+B") == log.count("-B") == 2


async def test_one_that_fails_to_be_left_turns_the_answer_into_a_500(autojump_clock: MockClock, log: Log) -> None:
    @asynccontextmanager
    async def commits() -> AsyncIterator[C]:
        yield C()
        raise OSError("commit failed")

    app = App().provide(commits, scope="request").add(Post("/").inject(c=C).handle(lambda c: "done"))
    async with TestClient(app) as client, client.stream("/", method="POST") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), OSError)
        assert stream.status == 500


async def events(c: C) -> AsyncIterator[Any]:
    yield {"data": "first"}
    await trio.sleep_forever()


async def test_they_are_left_when_the_client_of_a_stream_goes(autojump_clock: MockClock, log: Log) -> None:
    async with app_of(log, SSE("/").inject(c=C).handle(events)) as client:
        log.clear()
        async with client.stream("/") as stream:
            await stream.event()
        assert log == ["+B", "+C", "C sees Cancelled", "-C", "B sees Cancelled", "-B"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, ["+B"]),
        (1.5, ["+B", "+C", "B sees Cancelled", "-B"]),
        (2.5, ["+B", "+C", "C sees Cancelled", "-C", "B sees Cancelled", "-B"]),
    ],
)
async def test_a_client_that_goes_while_they_are_made_leaves_those_that_have_been(
    autojump_clock: MockClock, log: Log, seconds: float, expected: Log
) -> None:
    async with app_of(log, SSE("/").inject(c=C).handle(events)) as client:
        log.clear()
        async with client.stream("/", wait=False) as stream:
            await trio.sleep(seconds)
        assert log == expected
        assert (stream.status is None) == (seconds < 2)


async def test_a_client_that_goes_while_they_are_left_interrupts_nothing(autojump_clock: MockClock, log: Log) -> None:
    async with app_of(log, Get("/").inject(c=C).handle(lambda c: 1)) as client:
        log.clear()
        async with client.stream("/", wait=False):
            await trio.sleep(2.5)
        assert log == ["+B", "+C", "-C", "-B"]


async def test_the_server_s_cancelling_leaves_them_within_the_time_limit(
    autojump_clock: MockClock, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(log, SSE("/").inject(c=C).handle(events), seconds=20)
    async with app as client:
        log.clear()
        with trio.move_on_after(50) as server:
            async with client.stream("/") as stream:
                await stream.event()
                await trio.sleep_forever()
        assert server.cancelled_caught
        assert trio.current_time() == 20 + 50 + 5 + 5
        assert log == ["+B", "+C", "C sees Cancelled", "B sees Cancelled"]
    overstays = [record.message.partition(" has not ended")[0] for record in caplog.records]
    assert [each for each in overstays if "leaving" in each] == [
        "SSE /: leaving providers.make_c()",
        "SSE /: leaving providers.make_b()",
        "the app: leaving providers.make_a()",
    ]


async def test_a_service_that_swallows_the_handlers_error_is_named_and_the_answer_is_a_500(
    autojump_clock: MockClock, log: Log
) -> None:
    @asynccontextmanager
    async def swallows() -> AsyncIterator[C]:
        async with noted(log, "C", swallow=True):
            yield C()

    def fails(c: C) -> None:
        raise ValueError

    routes = SSE("/").inject(c=C).handle(events), Get("/x").inject(c=C).handle(fails)
    async with TestClient(App().provide(swallows, scope="request").add(*routes)) as client:
        async with client.stream("/x") as stream:
            await stream.ended()
            error = stream.claim_error()
        assert (stream.status, type(error)) == (500, StepError)
        assert "swallows" in str(error) and "swallowed ValueError()" in str(error)
        assert log == ["+C", "C sees ValueError", "-C"]
        log.clear()
        async with client.stream("/") as stream:
            await stream.event()
            stream.disconnect()
            await stream.ended()
        assert log == ["+C", "C sees Cancelled", "-C"]
        assert not stream.complete


async def test_a_service_of_a_request_may_hold_a_nursery_and_a_time_limit(autojump_clock: MockClock, log: Log) -> None:
    async def crash() -> None:
        await trio.sleep(5)
        raise ValueError("background")

    @asynccontextmanager
    async def limited(headers: Headers) -> AsyncIterator[C]:
        with trio.move_on_after(float(headers["x-limit"])):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(crash)
                yield C()
                nursery.cancel_scope.cancel()

    async def slow(c: C) -> str:
        try:
            await trio.sleep(4)
        finally:
            log.append(trio.current_time())
        return "slow"

    async def slower(c: C) -> None:
        await trio.sleep(10)

    app = App().provide(limited, scope="request")
    app = app.add(Get("/slow").inject(c=C).handle(slow), Get("/slower").inject(c=C).handle(slower))
    async with TestClient(app) as client:
        assert (await client.get("/slow", headers={"x-limit": "9"})).json() == "slow"
        async with client.stream("/slow", headers={"x-limit": "1"}) as stream:  # ends the handler, which has no answer
            await stream.ended()
            assert (stream.status, type(stream.claim_error())) == (500, StepError)
        assert log == [4, 5]
        async with client.stream("/slower", headers={"x-limit": "9"}) as stream:
            await stream.ended()
            error = stream.claim_error()
        assert isinstance(error, ExceptionGroup)
        assert error.subgroup(lambda e: str(e) == "background")
        assert stream.status == 500


async def test_it_may_take_the_nursery_of_the_request_which_ends_before_it_is_left(
    autojump_clock: MockClock, log: Log
) -> None:
    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("task")

    @asynccontextmanager
    async def with_task(nursery: trio.Nursery, aborted: Aborted) -> AsyncIterator[C]:
        nursery.start_soon(task)
        try:
            yield C()
        finally:
            log.append(aborted.reason)

    app = App().provide(with_task, scope="request").add(SSE("/").inject(c=C).handle(events))
    async with TestClient(app) as client, client.stream("/") as stream:
        await stream.event()
    assert log == ["task", AbortReason.CLIENT_GONE]


async def test_it_may_take_a_request_s_values_and_the_app_s_nursery(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Context:
        headers: Headers
        query: QueryParams
        cookies: Mapping[str, str]
        last_event_id: str | None
        app_nursery: trio.Nursery
        url: Any
        request: Any

    def handler(context: Context) -> list[Any]:
        return [
            context.headers["x-a"],
            context.query["q"],
            context.cookies["c"],
            context.last_event_id,
            context.url("here"),
            context.request.method,
            type(context.app_nursery).__name__,
        ]

    app = App().provide(Context, scope="request").add(here=Get("/here").inject(context=Context).handle(handler))
    async with TestClient(app) as client:
        headers = {"x-a": "1", "cookie": "c=3", "last-event-id": "4"}
        reply = await client.get("/here?q=2", headers=headers)
    assert reply.json() == ["1", "2", "3", "4", "/here", "GET", "Nursery"]


async def test_it_takes_the_plain_query_also_where_a_model_has_been_read_from_it(autojump_clock: MockClock) -> None:
    @attrs.frozen
    class Paging:
        query: QueryParams

    def handler(paging: Paging, query: Search) -> list[str]:
        return [type(paging.query).__name__, paging.query["page"], query.text]

    app = App().provide(Paging, scope="request")
    app = app.add(Get("/").inject(paging=Paging).query(Search).guard(lambda query: query.text == "x").handle(handler))
    async with TestClient(app) as client:
        assert (await client.get("/?page=3&text=x")).json() == ["QueryParams", "3", "x"]


async def test_a_step_before_the_reading_has_the_plain_query_and_one_after_it_the_model(
    autojump_clock: MockClock,
) -> None:
    def before(query: QueryParams) -> str:
        return query["text"] + " plain"

    def after(query: Search) -> str:
        return query.text + " read"

    route = Get("/").use(first=before).query(Search).use(second=after).handle(lambda first, second: [first, second])
    assert (await TestClient(App().add(route)).get("/?text=x")).json() == ["x plain", "x read"]


async def test_it_may_end_the_stream_when_its_credentials_expire(autojump_clock: MockClock, log: Log) -> None:
    @asynccontextmanager
    async def session(expire_at: Any) -> AsyncIterator[C]:
        expire_at(1030)
        async with noted(log, "session"):
            yield C()

    app = App(wall_clock=lambda: 1000).provide(session, scope="request").add(SSE("/").inject(c=C).handle(events))
    async with TestClient(app) as client, client.stream("/") as stream:
        assert (await stream.event()).data == "first"
        await stream.ended()
        assert [event.event for event in stream.pending()] == ["stream-expired"]
    assert log == ["+session", "session sees Cancelled", "-session"]
    assert trio.current_time() == 31


async def test_a_repository_of_the_request_is_made_where_a_model_is_looked_up(
    autojump_clock: MockClock, log: Log
) -> None:
    @asynccontextmanager
    async def session(b: B) -> AsyncIterator[Repository[Ticket]]:
        async with noted(log, "session"):
            yield MemoryRepository(Ticket, [Ticket(1)])

    make_a, make_b, _ = providers(log)
    app = App().provide(make_a).provide(make_b, scope="request").provide(session, scope="request")

    def guard() -> bool:
        log.append("guard")
        return True

    route = Get("/:ticket").guard(guard).types(required(Ticket))
    async with TestClient(app.add(route.handle(lambda ticket: ticket.id))) as client:
        log.clear()
        assert (await client.get("/1")).json() == 1
        assert log == ["guard", "+B", "+session", "-session", "-B"]
        log.clear()
        assert (await client.get("/2")).status == 404
        assert log == [
            "guard",
            "+B",
            "+session",
            f"session sees {NotFound.__name__}",
            "-session",
            f"B sees {NotFound.__name__}",
            "-B",
        ]


async def test_entering_that_gives_something_else_is_a_step_error_of_the_request(
    autojump_clock: MockClock, log: Log
) -> None:
    class Odd:
        async def __aenter__(self) -> int:
            return 5

        async def __aexit__(self, *error: object) -> None:
            log.append("left")

    app = App().provide(Odd, scope="request").add(Get("/").inject(odd=Odd).handle(lambda odd: 1))
    async with TestClient(app) as client, client.stream("/") as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), StepError)
    assert log == ["left"]


async def test_two_tokens_of_one_class_are_one_service_in_a_request_too(autojump_clock: MockClock) -> None:
    class Both(A, B):
        pass

    def handler(a: A, b: B) -> int:
        assert a is b  # type: ignore[comparison-overlap]
        return id(a)

    app = App().provide(Both, scope="request").provide(A, Both, scope="request").provide(B, Both, scope="request")
    async with TestClient(app.add(Get("/").inject(a=A, b=B).handle(handler))) as client:
        assert (await client.get("/")).status == 200
