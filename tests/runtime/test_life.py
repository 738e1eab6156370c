"""The connection as a state machine: whatever happens, at whatever moment, the promises hold.

Hypothesis chooses what happens to the handler, its client and the server, one step at a time. After each step Trio runs
until all tasks are blocked, and the test compares the result with the model in `support.life_model`.

`LIFE_EXAMPLES=5000` runs more examples than usual.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from hypothesis import reject, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from outcome import Outcome
from trio.testing import MockClock, wait_all_tasks_blocked

from support.asgi import scope_of
from support.life_model import CLEANUP, DRAINING, HEARTBEAT, SENDING, Life, Plan, Undecided
from trio_sse import SSE, Aborted, App, Done
from trio_sse._runtime.server_extension import EXTENSION, Drain, ServerExtension
from trio_sse.testing import TestStream, no_leaks
from trio_sse.testing._leaks import tasks_in

EPOCH = 1_000_000.0
LOGGER = logging.getLogger("trio_sse")


class Planned(Exception):
    """An error that is meant to happen."""


class Crash(Exception):
    """An error of a task in the handler's own nursery."""


class Stage:
    """A Trio run that continues only when a method is called, and then until all its tasks are blocked.

    It runs in Trio's guest mode. Its main task never blocks, so that Trio does not wait in a thread: everything happens
    in the calls of the methods, and always in the same order.
    """

    def __init__(self) -> None:
        self.clock = MockClock()
        self._ticks: deque[Callable[[], object]] = deque()
        self._todo: Callable[[trio.Nursery], object] | None = None
        self._nursery: trio.Nursery | None = None
        self._closed = False
        self._outcome: Outcome[None] | None = None
        trio.lowlevel.start_guest_run(
            self._conduct,
            run_sync_soon_threadsafe=self._ticks.append,
            done_callback=self._note_outcome,
            clock=self.clock,
        )

    def do(self, what: Callable[[trio.Nursery], object]) -> None:
        """Do something inside the run, and see what comes of it."""
        self._todo = what
        self._run_while(lambda: self._todo is not None)

    def pass_time(self, seconds: float) -> None:
        """Let time go on, from each moment for which something is planned to the next."""
        target = self.clock.current_time() + seconds
        while (left := target - self.clock.current_time()) > 0:
            self.do(lambda _: self.clock.jump(max(min(left, self._next_moment()), 1e-9)))

    @staticmethod
    def _next_moment() -> float:
        return trio.lowlevel.current_statistics().seconds_to_next_deadline

    def tasks(self) -> list[str]:
        """The names of all tasks."""
        return [task.name for task in tasks_in(self._nursery)] if self._nursery is not None else []

    def close(self) -> None:
        """End the run, in which nothing may be left."""
        self._closed = True
        self._run_while(lambda: self._outcome is None)

    def _run_while(self, condition: Callable[[], bool]) -> None:
        while condition() and self._outcome is None:
            self._ticks.popleft()()
        if self._outcome is not None:
            self._outcome.unwrap()

    async def _conduct(self) -> None:
        with no_leaks():
            async with trio.open_nursery() as self._nursery:
                while not self._closed:
                    await trio.lowlevel.checkpoint()
                    if self._todo is not None:
                        self._todo(self._nursery)
                        await wait_all_tasks_blocked()
                        self._todo = None
                self._nursery.cancel_scope.cancel()

    def _note_outcome(self, outcome: Outcome[None]) -> None:
        self._outcome = outcome


@attrs.define
class Puppets:
    """Handler, steps and a task that do as they are told, and note what becomes of them."""

    plan: Plan
    journal: list[str] = attrs.field(factory=list)
    broken: list[str] = attrs.field(factory=list)
    events: int = 0
    aborted: Aborted | None = None
    nursery: trio.Nursery | None = None
    expire_at: Callable[[float], None] | None = None
    task_crashes: trio.Event = attrs.field(factory=trio.Event)
    _driver: trio.lowlevel.Task | None = None
    _orders: Any = attrs.field(factory=lambda: trio.open_memory_channel[tuple[Any, ...]](1))

    def order(self, *order: Any) -> None:
        self._orders[0].send_nowait(order)

    def note(self, what: str) -> None:
        """Note something that the driver does."""
        self._driver = self._driver or trio.lowlevel.current_task()
        if trio.lowlevel.current_task() is not self._driver:
            self.broken.append(f"{what}, in another task")
        self.journal.append(what)

    def expire_in(self, seconds: float) -> None:
        assert self.expire_at is not None
        self.expire_at(EPOCH + trio.current_time() + seconds)

    def start_task(self, clean_up: float) -> None:
        assert self.nursery is not None
        self.nursery.start_soon(self.task, clean_up)

    def app(self) -> App:
        route = SSE("/").use(self.step("outer"), self.step("inner")).heartbeat(HEARTBEAT).handle(self.handler)
        return App(
            wall_clock=lambda: EPOCH + trio.current_time(),
            cleanup_timeout=CLEANUP,
            send_timeout=SENDING,
            reconnect_delay=(3.0, 3.0),
        ).add(route)

    async def handler(
        self, aborted: Aborted, nursery: trio.Nursery, expire_at: Callable[[float], None]
    ) -> AsyncIterator[Any]:
        self.aborted, self.nursery, self.expire_at = aborted, nursery, expire_at
        self.note("enter handler")
        try:
            while True:
                match await self._orders[1].receive():
                    case "yields", count:
                        for _ in range(count):
                            yield self.event()
                    case "yields together", count:
                        yield [self.event() for _ in range(count)]
                    case "yields within", seconds:
                        with trio.move_on_after(seconds) as scope:
                            yield self.event()
                        if scope.cancelled_caught:
                            self.note("gave up")
                    case "yields beside a crash", seconds:
                        try:
                            async with trio.open_nursery() as own:
                                own.start_soon(crash_after, seconds)
                                yield self.event()
                                own.cancel_scope.cancel()
                        except* Crash:
                            self.note("gave up")
                    case ("yields done",):
                        yield Done()
                    case "sleeps", seconds:
                        await trio.sleep(seconds)
                    case ("returns",):
                        return
                    case ("raises",):
                        raise Planned("handler")
        except BaseException as error:
            if all(isinstance(leaf, trio.Cancelled) for leaf in leaves_of(error)):
                self.note(f"cancelled: {aborted.reason}")
                if self.plan.stubborn:
                    self.note("yield once more")
                    yield {"data": "once more"}
            raise
        finally:
            self.note("closing handler")
            if self.plan.closing:
                with trio.CancelScope(shield=self.plan.shielded):
                    await trio.sleep(self.plan.closing)
            self.note("closed handler")

    def event(self) -> dict[str, Any]:
        self.events += 1
        self.note(f"yield {self.events}")
        return {"data": self.events}

    def step(self, name: str) -> Any:
        async def step() -> AsyncIterator[None]:
            if name == "inner" and self.plan.entering:
                await trio.sleep(self.plan.entering)
            self.note(f"enter {name}")
            try:
                yield
            except BaseException:
                self.note(f"roll back {name}")
                raise
            else:
                self.note(f"commit {name}")
                if name == "inner" and self.plan.commit_fails:
                    raise Planned(name)
            finally:
                if self.plan.leaving:
                    await trio.sleep(self.plan.leaving)
                self.note(f"left {name}")

        step.__qualname__ = name
        return asynccontextmanager(step)

    async def task(self, clean_up: float) -> None:
        try:
            await self.task_crashes.wait()
            raise Planned("task")
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(clean_up)
            raise
        finally:
            self.journal.append("task ended")


async def crash_after(seconds: float) -> None:
    await trio.sleep(seconds)
    raise Crash


def leaves_of(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves_of(part)]
    return [error]


@attrs.define
class Server:
    """A request to an app, and what the app does with `receive` and `send`."""

    app: App
    broken: list[str]
    stream: TestStream = attrs.field(factory=TestStream)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    drain: Drain = attrs.field(factory=Drain)
    ended: bool = False
    error: BaseException | None = None
    _receiving: bool = False
    _sending: bool = False
    _told_gone: bool = False

    async def run(self) -> None:
        request = scope_of(
            "GET", "/", {"accept": "text/event-stream"}, extensions={EXTENSION: ServerExtension(self.drain)}
        )
        try:
            with self.scope:
                await self.app(request, self.receive, self.send)
        except Exception as error:
            self.error = error
        self.ended = True

    async def receive(self) -> dict[str, Any]:
        if self._receiving:
            self.broken.append("receive was called twice at once")
        if self._told_gone:
            self.broken.append("receive was called after the disconnect")
        self._receiving = True
        try:
            message = await self.stream.receive()
        finally:
            self._receiving = False
        self._told_gone = message["type"] == "http.disconnect"
        return message

    async def send(self, message: Any) -> None:
        if self._sending:
            self.broken.append("send was called while another send was under way")
        self._sending = True
        try:
            await self.stream.send(message)
        finally:
            self._sending = False


class Reports(logging.Handler):
    """Who is reported for overstaying."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        LOGGER.addHandler(self)
        LOGGER.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.names.append(str(record.args[1] if isinstance(record.args, tuple) else record.msg).removesuffix("()"))

    def close(self) -> None:
        LOGGER.removeHandler(self)
        LOGGER.propagate = True
        super().close()


def either(certain: list[str], perhaps: list[str]) -> tuple[list[str], list[str]]:
    return sorted(certain), sorted(certain + perhaps)


SECONDS = st.integers(0, 12)
ENDS = ("returns", "yields done", "raises")
BRIEFLY_OR_TOO_LONG = st.sampled_from([0, 2, 7])
"""Seconds of clean-up; the limit of what the library shields is between the last two."""


def running(machine: ConnectionMachine) -> bool:
    return not machine.life.over


def idle(machine: ConnectionMachine) -> bool:
    return machine.life.idle


def client_is_there(machine: ConnectionMachine) -> bool:
    return running(machine) and not machine.life.gone


def may_end(machine: ConnectionMachine) -> bool:
    return running(machine) and machine.steps >= machine.peace


class ConnectionMachine(RuleBasedStateMachine):
    """What can happen. Whole seconds, and each kind of time has a fraction of its own, so that none meets another."""

    def __init__(self) -> None:
        super().__init__()
        self.task_started = self.nursery_of_its_own = False
        self.steps = self.peace = 0
        self.at_last = ""
        self.holds = True

    @initialize(
        peace=st.integers(0, 8),
        at_last=st.sampled_from(["client goes", *ENDS]),
        entering=st.sampled_from([0, 0, 0, 0, 0, 0, 2, 7]),
        closing=BRIEFLY_OR_TOO_LONG,
        shielded=st.booleans(),
        leaving=BRIEFLY_OR_TOO_LONG,
        stubborn=st.booleans(),
        commit_fails=st.booleans(),
        scheduling=st.random_module(),
    )
    def client_comes(
        self,
        peace: int,
        at_last: str,
        entering: int,
        closing: int,
        shielded: bool,
        leaving: int,
        stubborn: bool,
        commit_fails: bool,
        scheduling: object,
    ) -> None:
        """`peace` is the number of steps before anything may end the stream; `at_last` ends it if nothing else does."""
        self.peace, self.at_last = peace, at_last
        plan = Plan(
            entering=entering and entering + 0.019,
            closing=closing and closing + 0.011,
            shielded=shielded,
            leaving=leaving and leaving + 0.013,
            stubborn=stubborn,
            commit_fails=commit_fails,
        )
        self.life, self.puppets, self.reports = Life(plan), Puppets(plan), Reports()
        self.server = Server(self.puppets.app(), self.puppets.broken)
        self.stage = Stage()
        self.stage.do(lambda nursery: nursery.start_soon(self.server.run, name="the app"))

    # -- the handler

    @precondition(idle)
    @rule(count=st.integers(1, 4))
    def handler_yields(self, count: int) -> None:
        self.order("yields", count, story=self.life.yields(count))

    @precondition(idle)
    @rule(count=st.integers(1, 3))
    def handler_yields_together(self, count: int) -> None:
        self.order("yields together", count, story=self.life.yields_together(count))

    @precondition(idle)
    @rule(seconds=SECONDS)
    def handler_yields_within(self, seconds: int) -> None:
        self.order("yields within", seconds + 0.33, story=self.life.yields_within(seconds + 0.33))

    @precondition(idle)
    @rule(seconds=SECONDS)
    def handler_yields_beside_a_crash(self, seconds: int) -> None:
        self.nursery_of_its_own = True
        self.order("yields beside a crash", seconds + 0.47, story=self.life.yields_within(seconds + 0.47, crash=True))

    @precondition(idle)
    @rule(seconds=SECONDS)
    def handler_sleeps(self, seconds: int) -> None:
        self.order("sleeps", seconds + 0.21, story=self.life.sleeps(seconds + 0.21))

    @precondition(lambda self: idle(self) and may_end(self))
    @rule(how=st.sampled_from(ENDS))
    def handler_ends(self, how: str) -> None:
        stories = {"returns": self.life.returns, "yields done": self.life.yields_done, "raises": self.life.raises}
        self.order(how, story=stories[how]())

    @precondition(idle)
    @rule(seconds=SECONDS)
    def handler_lets_it_expire(self, seconds: int) -> None:
        self.life.end_at(seconds + 0.59, "expired")
        self.stage.do(lambda _: self.puppets.expire_in(seconds + 0.59))

    # -- a task in the request's nursery

    @precondition(lambda self: idle(self) and not self.task_started)
    @rule(clean_up=BRIEFLY_OR_TOO_LONG)
    def handler_starts_a_task(self, clean_up: int) -> None:
        self.task_started = True
        seconds = clean_up and clean_up + 0.017
        self.both(lambda: self.life.start_task(seconds), lambda _: self.puppets.start_task(seconds))

    @precondition(lambda self: may_end(self) and self.life.task_runs)
    @rule()
    def task_crashes(self) -> None:
        self.both(self.life.crash_task, lambda _: self.puppets.task_crashes.set())

    # -- the client

    @precondition(lambda self: client_is_there(self) and not self.life.paused)
    @rule()
    def client_stops_reading(self) -> None:
        self.both(lambda: self.life.change(paused=True), lambda _: self.server.stream.pause())

    @precondition(lambda self: running(self) and self.life.paused)
    @rule()
    def client_reads_on(self) -> None:
        self.both(lambda: self.life.change(paused=False), lambda _: self.server.stream.resume())

    @precondition(lambda self: may_end(self) and not self.life.deaf)
    @rule(half=st.booleans())
    def client_goes(self, half: bool) -> None:
        stream = self.server.stream
        if half:
            self.both(lambda: self.life.change(gone=True), lambda _: stream.half_close())
        else:
            self.both(lambda: self.life.change(gone=True, deaf=True), lambda _: stream.disconnect())

    # -- the server

    @precondition(lambda self: client_is_there(self) and may_end(self))
    @rule()
    def receive_fails(self) -> None:
        self.both(
            lambda: self.life.change(gone=True, receiving_fails=True),
            lambda _: self.server.stream.fail_receive(Planned("receive")),
        )

    @precondition(lambda self: may_end(self) and self.life.sending_fails is None)
    @rule(error=st.sampled_from([OSError, Planned]), at_a_yield=st.booleans())
    def send_fails(self, error: type[Exception], at_a_yield: bool) -> None:
        self.both(
            lambda: self.life.change(sending_fails=error.__name__),
            lambda _: self.server.stream.fail_send(error("send")),
        )
        if at_a_yield and idle(self):
            self.handler_yields(2)

    @precondition(lambda self: may_end(self) and not self.life.cancelled)
    @rule()
    def server_cancels(self) -> None:
        self.both(self.life.cancel, lambda _: self.server.scope.cancel())

    @precondition(lambda self: may_end(self) and not self.life.draining)
    @rule()
    def server_drains(self) -> None:
        self.both(self.life.drain, lambda _: self.server.drain.begin(DRAINING))

    # -- time

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.expect(lambda: self.life.pass_time(seconds))
        self.stage.pass_time(seconds)

    # -- what must hold

    @invariant()
    def what_happened_is_what_must_happen(self) -> None:
        self.holds = False
        self.check()
        self.holds = True

    def check(self) -> None:
        life, server, puppets = self.life, self.server, self.puppets
        assert puppets.broken == [], "one task does it all; one receive at a time, none after the last; one send"
        tasks = self.stage.tasks()
        assert len(tasks) == len(set(tasks)), "one driver, one heartbeat"
        assert puppets.journal == life.journal
        assert server.stream.writes == life.writes
        assert (server.stream.status, server.stream.complete) == (life.status, life.complete)
        reason = puppets.aborted.reason if puppets.aborted is not None else life.reason
        assert reason == life.reason
        assert sorted(self.reports.names) in either(life.reports, life.reports_perhaps)
        assert server.ended == life.over
        if life.over:
            self.check_errors()

    def check_errors(self) -> None:
        error = self.server.error
        errors = sorted(map(str, leaves_of(error) if error is not None else []))
        assert errors in either(self.life.errors, self.life.errors_perhaps)
        if len(errors) == 1 and not (self.life.cancelled or self.nursery_of_its_own):
            assert isinstance(error, Planned), "an error that is alone is raised as it is"

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            if self.holds:
                self.end()
        finally:
            self.clear_up()

    def end(self) -> None:
        if self.life.paused:
            self.client_reads_on()
        self.time_passes(13)
        self.check()
        if idle(self) and self.at_last in ENDS:
            self.handler_ends(self.at_last)
            self.check()
        self.client_goes(half=False)
        self.time_passes(100)
        self.check()
        assert self.life.over

    def clear_up(self) -> None:
        """End the run. There is something left to end only when something did not hold."""
        self.reports.close()
        self.stage.do(lambda _: self.server.scope.cancel())
        self.stage.pass_time(100)
        self.stage.close()

    # -- both at once

    def order(self, *order: Any, story: Any) -> None:
        self.both(lambda: self.life.order(story), lambda _: self.puppets.order(*order))

    def both(self, expected: Callable[[], object], actual: Callable[[trio.Nursery], object]) -> None:
        self.expect(expected)
        self.stage.do(actual)

    def expect(self, what: Callable[[], object]) -> None:
        self.steps += 1
        self.holds = False
        try:
            what()
        except Undecided:
            reject()
        self.holds = True


def test_whatever_happens_the_promises_hold() -> None:
    run_state_machine_as_test(
        ConnectionMachine,
        settings=settings(
            max_examples=int(os.environ.get("LIFE_EXAMPLES", "200")), stateful_step_count=25, deadline=None
        ),
    )
