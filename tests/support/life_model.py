"""A model of a connection as the documentation describes it, without Trio, to compare the real one with.

Each task of the connection is a coroutine of the model: a generator that yields what it waits for. The scheduler runs
all of them until each waits, then advances the time to the next moment that one of them waits for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Final

import attrs

__all__ = ("CLEANUP", "DRAINING", "HEARTBEAT", "SENDING", "Life", "Plan", "Undecided")

# No two sums of these and of the seconds in the test, which have other fractions, are equal, so that only one thing
# happens at a time.
HEARTBEAT: Final = 4.1003
CLEANUP: Final = 5.0307
SENDING: Final = 20.007
DRAINING: Final = 30.0007

EPSILON: Final = 1e-6
"""Two moments that are closer than this, in seconds, count as one."""

ORDER: Final = ("watcher", "heartbeat", "driver", "task")
"""The order in which tasks run that can continue at the same moment. What the other tasks do may cancel the driver."""

BEAT: Final = b":\n"
DONE: Final = b"event: stream-done\nid: trio-sse.done\ndata: null\n\n"
EXPIRED: Final = b"event: stream-expired\ndata: null\n\n"
RETRY: Final = b"retry: 3000\n"
PROBLEM: Final = b'{"title":"Internal Server Error","status":500}'
ERROR: Final = b"event: stream-error\ndata: " + PROBLEM + b"\n\n"


class Undecided(Exception):
    """Two things happen at the same moment, so that either order is correct and the model cannot choose one."""


class Cancelled(Exception):
    """The model's `trio.Cancelled`."""


class Closed(Exception):
    """The library closes the generator at its `yield`."""


class Returned(Exception):
    """The handler returns."""


class OutOfTime(Exception):
    """A scope that the handler holds around its `yield` is cancelled."""


class Failed(Exception):
    """An error; its text names the part of the connection that failed."""


def never() -> bool:
    """A condition that is never true."""
    return False


@attrs.frozen
class Wait:
    """What a task waits for: a condition or a moment, whichever is first. It receives whether it was the moment."""

    until: Callable[[], bool] = never
    at: Callable[[], float] = lambda: math.inf
    shielded: bool = False


Coroutine = Generator[Wait, bool, None]


@attrs.define
class Task:
    """A running task.

    Attributes:
        coroutine: What it does.
        wait: What it waits for.
        is_cancelled: Whether its scope is cancelled.
        just_began: Whether it has only begun to wait, so that a cancellation takes precedence.
    """

    coroutine: Coroutine
    wait: Wait
    is_cancelled: Callable[[], bool]
    just_began: bool = True


@attrs.frozen
class Plan:
    """What the handler and the steps do; all times in seconds.

    Attributes:
        entering: How long the inner step takes to enter.
        closing: How long the handler's `finally` waits.
        shielded: Whether the handler shields that wait.
        leaving: How long each step takes to exit.
        stubborn: Whether the handler yields once more when it is cancelled.
        commit_fails: Whether the inner step fails after it has committed.
    """

    entering: float = 0
    closing: float = 0
    shielded: bool = False
    leaving: float = 0
    stubborn: bool = False
    commit_fails: bool = False


@attrs.define
class Life:
    """One connection: the methods are what happens to it, the attributes are the expected results.

    Attributes:
        journal: What the handler, the steps and the task note.
        status: The status of the response, once the client has received it.
        writes: The parts of the body that the client has received.
        complete: Whether the response has ended properly.
        reason: The value of `aborted.reason`.
        reports: What has been logged for exceeding its time limit.
        reports_perhaps: What may have been logged as well.
        errors: The parts whose errors the app raises.
        errors_perhaps: The parts whose errors the app may raise as well.
        idle: Whether the handler waits for its next order.
        over: Whether the app has ended the request.
    """

    plan: Plan
    journal: list[str] = attrs.field(factory=list)
    status: int | None = None
    writes: list[bytes] = attrs.field(factory=list)
    complete: bool = False
    reason: str | None = None
    reports: list[str] = attrs.field(factory=list)
    reports_perhaps: list[str] = attrs.field(factory=list)
    errors: list[str] = attrs.field(factory=list)
    errors_perhaps: list[str] = attrs.field(factory=list)
    idle: bool = False
    now: float = 0.0
    paused: bool = False
    gone: bool = False
    deaf: bool = False
    cancelled: bool = False
    draining: bool = False
    sending_fails: str | None = None
    receiving_fails: bool = False
    task_runs: bool = False
    writing: bool = False
    _started: bool = False
    _events: int = 0
    _order: Coroutine | None = None
    _at_yield: bool = False
    _handler_ended: bool = False
    _tasks_end: bool = False
    _task_crashes: bool = False
    _driver_ended: bool = False
    _client_cannot_receive: bool = False
    _work_cancelled: bool = False
    _finishing: bool = False
    _finish_cancelled: bool = False
    _finish_seconds: float = math.inf
    _finish_deadline: float = math.inf
    _end_at: float = math.inf
    _end_reason: str = ""
    _abort_after_write: bool = False
    _is_done: bool = False
    _last_write: float = 0.0
    _reported_at: float = -1.0
    _tasks: dict[str, Task] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._begin("watcher", self._watch())
        self._begin("driver", self._drive(), self._driver_is_cancelled)
        self._settle()

    @property
    def over(self) -> bool:
        return self._driver_ended and not self.task_runs

    # -- what happens to it

    def order(self, coroutine: Coroutine) -> None:
        """Give the idle handler an order."""
        self._order = coroutine
        self._settle()

    def start_task(self, clean_up: float) -> None:
        """Start a task in the request's nursery, which takes `clean_up` seconds to end."""
        self.task_runs = True
        self._begin("task", self._task(clean_up))
        self._settle()

    def crash_task(self) -> None:
        """Make that task fail."""
        self._task_crashes = True
        self._settle()

    def end_at(self, seconds: float, reason: str) -> None:
        """End the stream after some seconds, unless it ends before."""
        if self.now + seconds < self._end_at:
            self._end_at, self._end_reason = self.now + seconds, reason

    def change(self, **changes: bool | str) -> None:
        """Change what the client or the server does."""
        if "gone" in changes and self._abort_after_write:  # that write continues, at the moment at which it is over
            raise Undecided
        if (
            "gone" in changes and self._is_done and self.writing
        ):  # its handler has ended, or is cancelled at that moment
            raise Undecided
        for name, value in changes.items():
            setattr(self, name, value)
        self._settle()

    def cancel(self) -> None:
        """The server cancels the request."""
        if self._abort_after_write:  # the write may be a heartbeat, which is cancelled as well
            raise Undecided
        self.cancelled = True
        self._kill("heartbeat")
        self._abort("cancelled")
        self._begin("watcher", self._watch_the_driver())
        self._settle()

    def drain(self) -> None:
        """The server begins to shut down."""
        self.draining = True
        self.end_at(DRAINING, "draining")
        if self.writing and not self._handler_ended:
            self._abort_after_write = True
        elif not self._handler_ended:
            self._abort("draining")
        self._settle()

    def pass_time(self, seconds: float) -> None:
        """Advance the time."""
        target = self.now + seconds
        while (moment := self._next_moment()) <= target + EPSILON:
            if moment >= target - EPSILON:
                raise Undecided
            self.now = moment
            self._settle()
        self.now = target
        self._settle()

    # -- orders for the handler

    def yields(self, count: int) -> Coroutine:
        """Yield events one by one."""
        for _ in range(count):
            yield from self._at_a_yield(self._next_event())

    def yields_together(self, count: int) -> Coroutine:
        """Yield a batch of events."""
        yield from self._at_a_yield(b"".join([self._next_event() for _ in range(count)]))

    def yields_within(self, seconds: float, *, crash: bool = False) -> Coroutine:
        """Yield an event inside a scope that is cancelled after some seconds, or a nursery whose child crashes then."""
        try:
            yield from self._at_a_yield(self._next_event(), deadline=self.now + seconds)
        except OutOfTime:
            if crash or not self._work_cancelled:
                self.journal.append("gave up")
            if self._work_cancelled:  # a shutdown has waited for the write that was cancelled
                raise Cancelled from None
            self._at_yield = False

    def yields_done(self) -> Coroutine:
        """Yield `Done()`: the client must not reconnect."""
        self._is_done = True
        yield from self._at_a_yield(DONE)
        raise Closed

    def sleeps(self, seconds: float) -> Coroutine:
        """Sleep."""
        yield self._moment(seconds)

    def returns(self) -> Coroutine:
        """Return."""
        raise Returned
        yield

    def raises(self) -> Coroutine:
        """Fail."""
        raise Failed("handler")
        yield

    def _next_event(self) -> bytes:
        self._events += 1
        self.journal.append(f"yield {self._events}")
        return b"data: %d\n\n" % self._events

    def _at_a_yield(self, frame: bytes, deadline: float = math.inf) -> Coroutine:
        self._at_yield = True
        yield from self._write(frame, self._driver_is_cancelled, deadline)
        self._at_yield = False

    # -- the driver: steps, start, handler, tasks, steps, end

    def _drive(self) -> Coroutine:
        self._keep((yield from attempt(self._outer_step())))
        if not self._client_cannot_receive:
            self._finishing = True
            self._finish_deadline = self.now + self._finish_seconds
            self._keep((yield from attempt(self._finish())))
        self._driver_ended = True
        if self._reported_at == self.now:  # it has ended at its time limit: it may be logged, or not
            self.reports.remove("the handler")
            self.reports_perhaps.append("the handler")
        self._kill("heartbeat")

    def _driver_is_cancelled(self) -> bool:
        if self._finishing:
            return self._finish_cancelled or self.now >= self._finish_deadline
        return self._work_cancelled

    def _outer_step(self) -> Coroutine:
        self.journal.append("enter outer")
        yield from self._leaving("outer", self._inner_step())

    def _inner_step(self) -> Coroutine:
        failure = yield from attempt(self._entering())
        if failure is not None:
            yield from self._end_of_the_handler()
            raise failure
        self.journal.append("enter inner")
        yield from self._leaving("inner", self._answer(), fails=self.plan.commit_fails)

    def _entering(self) -> Coroutine:
        if self.plan.entering:
            yield self._moment(self.plan.entering)

    def _leaving(self, name: str, inside: Coroutine, *, fails: bool = False) -> Coroutine:
        failure = yield from attempt(inside)
        self.journal.append(f"{'commit' if failure is None else 'roll back'} {name}")
        overstays = self.plan.leaving > CLEANUP
        if self.plan.leaving:
            yield self._moment(min(self.plan.leaving, CLEANUP), shielded=True)
        if overstays:
            self.reports.append(f"leaving {name}")
        else:
            self.journal.append(f"left {name}")
            if failure is None and fails:
                failure = Failed(name)
        if failure is not None:
            raise failure

    def _answer(self) -> Coroutine:
        failure = yield from attempt(self._handler())
        yield from self._end_of_the_handler()
        if failure is not None:
            raise failure

    def _end_of_the_handler(self) -> Coroutine:
        self._handler_ended = self._tasks_end = True
        limit = self.now + CLEANUP
        late = yield Wait(lambda: not self.task_runs, lambda: limit, shielded=True)
        if late:
            self.reports.append("a task in the request's nursery")

    def _handler(self) -> Coroutine:
        self._started = True
        yield from self._exclusively("status 200", self._driver_is_cancelled)
        yield from self._write(BEAT, self._driver_is_cancelled)
        self._begin("heartbeat", self._beat())
        self.journal.append("enter handler")
        failure = yield from attempt(self._orders())
        self.journal.append("closing handler")
        closed = isinstance(failure, Closed)
        if self.plan.closing:
            failure = (yield from attempt(self._closing(closed))) or failure
        else:
            self.journal.append("closed handler")
        if isinstance(failure, Cancelled | Failed):
            raise failure
        if self._work_cancelled:  # the handler may swallow a cancellation, but its steps must see one
            raise Cancelled

    def _closing(self, closed: bool) -> Coroutine:
        """The handler's `finally`."""
        seconds = self.plan.closing
        if closed and seconds > CLEANUP and not self.plan.shielded:
            yield self._moment(CLEANUP, shielded=True)
            self.reports.append("closing the handler")
            return
        yield self._moment(seconds, shielded=self.plan.shielded or closed)
        self.journal.append("closed handler")

    def _orders(self) -> Coroutine:
        while True:
            failure = yield from attempt(self._next_order())
            if isinstance(failure, Cancelled):
                self.journal.append(f"cancelled: {self.reason}")
                if self.plan.stubborn:
                    self.journal.append("yield once more")
                    raise Closed if self._at_yield else failure
            if failure is not None:
                raise failure

    def _next_order(self) -> Coroutine:
        self.idle = True
        try:
            yield Wait(lambda: self._order is not None)
        finally:
            self.idle = False
        coroutine, self._order = self._order, None
        assert coroutine is not None
        yield from coroutine

    def _finish(self) -> Coroutine:
        if self._started:
            retry = RETRY if self.draining else b""
            expired = EXPIRED if self.reason == "expired" else b""
            yield from self._write_last((ERROR if self.errors else expired) + retry, ends=not self.errors)
            return
        refused = self.errors or self.reason != "draining"
        yield from self._exclusively("status 500" if refused else "status 200", self._driver_is_cancelled)
        yield from self._write_last(PROBLEM if refused else RETRY, ends=True)

    # -- the watcher, the heartbeat and the task

    def _watch(self) -> Coroutine:
        late = yield Wait(lambda: self.gone, lambda: self._end_at)
        if late:
            self._abort(self._end_reason)
        elif self.receiving_fails and self._finishing:  # the last send continues at this moment: either may be first
            self.errors_perhaps.append("receive")
        elif self.receiving_fails:
            self._keep(Failed("receive"))
            self._abort("error")
        else:
            self._abort("client_gone")
        yield from self._watch_the_driver()

    def _watch_the_driver(self) -> Coroutine:
        limit = self.now + CLEANUP
        late = yield Wait(lambda: self._driver_ended, lambda: limit)
        if late:
            self.reports.append("the handler")
            self._reported_at = self.now

    def _beat(self) -> Coroutine:
        due = self._last_write + HEARTBEAT
        while True:
            moment = due
            yield Wait(at=lambda moment=moment: moment)  # type: ignore[misc]
            due = self._last_write + HEARTBEAT
            if self.writing:
                due = self.now + HEARTBEAT
            elif self.now >= due:
                failure = yield from attempt(self._write(BEAT, never))
                if failure is not None:
                    self._keep(failure)
                    self._abort("error")
                    return
                due = self._last_write + HEARTBEAT

    def _task(self, clean_up: float) -> Coroutine:
        yield Wait(lambda: self._tasks_end or self._task_crashes)
        if self._tasks_end and clean_up:
            yield self._moment(clean_up)
        self.journal.append("task ended")
        self.task_runs = False
        if not self._tasks_end:
            self._keep(Failed("task"))
            self._abort("error")

    def _abort(self, reason: str) -> None:
        if not self._handler_ended and self.reason is None:
            self.reason = reason
        self._work_cancelled = True
        if reason in ("cancelled", "too_slow"):
            self._finish_cancelled = True
        elif reason != "error":
            self._finish_seconds = CLEANUP
            self._finish_deadline = self.now + CLEANUP
        if reason in ("client_gone", "cancelled", "too_slow"):
            self._client_cannot_receive = True

    def _keep(self, failure: Exception | None) -> None:
        if isinstance(failure, Failed):
            self.errors.append(str(failure))

    # -- sending

    def _write(self, frame: bytes, is_cancelled: Callable[[], bool], deadline: float = math.inf) -> Coroutine:
        yield from self._exclusively(frame, is_cancelled, deadline)
        self._last_write = self.now

    def _write_last(self, frame: bytes, *, ends: bool) -> Coroutine:
        yield from self._exclusively(frame, self._driver_is_cancelled)
        if ends and not self.deaf and self.sending_fails is None:
            self.complete = self.gone = True  # a server sends http.disconnect after each response

    def _exclusively(
        self, frame: bytes | str, is_cancelled: Callable[[], bool], deadline: float = math.inf
    ) -> Coroutine:
        if (yield Wait(lambda: not self.writing, lambda: deadline)):
            raise OutOfTime
        self.writing = True
        try:
            yield from self._send(frame, is_cancelled, deadline)
        finally:
            self.writing = False
            if self._abort_after_write:
                self._abort_after_write = False
                self._abort("draining")

    def _send(self, what: bytes | str, is_cancelled: Callable[[], bool], deadline: float = math.inf) -> Coroutine:
        limit = self.now + SENDING
        late = yield Wait(
            lambda: not self.paused or self.gone or self.sending_fails is not None, lambda: min(limit, deadline)
        )
        if late and self.now >= deadline:
            raise OutOfTime
        if late:
            self._abort("too_slow")
            if is_cancelled():
                raise Cancelled
        elif self.sending_fails == "OSError":
            self._abort("client_gone")
        elif self.sending_fails is not None:
            raise Failed("send")
        elif not self.deaf:
            self._arrive(what)

    def _arrive(self, what: bytes | str) -> None:
        if isinstance(what, bytes):
            self.writes.append(what)
        else:
            self.status = int(what.removeprefix("status "))

    # -- time

    def _moment(self, seconds: float, *, shielded: bool = False) -> Wait:
        moment = self.now + seconds
        return Wait(at=lambda: moment, shielded=shielded)

    def _next_moment(self) -> float:
        moments = sorted({task.wait.at() for task in self._tasks.values()} | self._finish_moment())
        if len(moments) > 1 and moments[1] - moments[0] < EPSILON:
            raise Undecided
        return moments[0] if moments else math.inf

    def _finish_moment(self) -> set[float]:
        return {self._finish_deadline} if self._finishing and self.now < self._finish_deadline else set()

    def _begin(self, name: str, coroutine: Coroutine, is_cancelled: Callable[[], bool] = never) -> None:
        self._kill(name)
        self._tasks[name] = Task(coroutine, next(coroutine), is_cancelled)
        self._tasks = dict(sorted(self._tasks.items(), key=lambda item: ORDER.index(item[0])))

    def _kill(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            task.coroutine.close()

    def _settle(self) -> None:
        """Run all tasks until each of them waits."""
        while any(self._continues(name, task) for name, task in tuple(self._tasks.items())):
            pass

    def _continues(self, name: str, task: Task) -> bool:
        """Continue a task if what it waits for has happened, or if it is cancelled; whether it has continued.

        A cancellation takes precedence when a task begins to wait, and else what the task waits for.
        """
        if self._tasks.get(name) is not task:
            return False
        is_cancelled = task.is_cancelled() and not task.wait.shielded
        try:
            if is_cancelled and task.just_began:
                task.wait = task.coroutine.throw(Cancelled())
            elif task.wait.until():
                task.wait = task.coroutine.send(False)
            elif self.now >= task.wait.at():
                task.wait = task.coroutine.send(True)
            elif is_cancelled:
                task.wait = task.coroutine.throw(Cancelled())
            else:
                task.just_began = False
                return False
        except StopIteration:
            if self._tasks.get(name) is task:
                del self._tasks[name]
        task.just_began = True
        return True


def attempt(coroutine: Coroutine) -> Generator[Wait, bool, Exception | None]:
    """Run a coroutine, and return the exception that has ended it."""
    try:
        yield from coroutine
    except (Cancelled, Closed, Returned, Failed) as error:
        return error
    return None
