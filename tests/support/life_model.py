"""The life of a connection as the documentation has it, without Trio: what must happen, to be held against what does.

Each task of the connection is a story, a generator that yields what it waits for. That is all there is of scheduling:
stories are told until all of them wait, then time goes on to the next moment that one of them waits for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Final

import attrs

__all__ = ("CLEANUP", "DRAINING", "HEARTBEAT", "SENDING", "Life", "Plan", "Undecided")

# No two sums of these, and of the whole seconds with their own fractions in the test, are alike: each moment has one
# thing that happens.
HEARTBEAT: Final = 4.1003
CLEANUP: Final = 5.0307
SENDING: Final = 20.007
DRAINING: Final = 30.0007

ABOUT: Final = 1e-6
"""Seconds that are too few to tell two moments apart."""

TURNS: Final = ("watcher", "heartbeat", "driver", "task")
"""Who is the first to know, when several are told something at once. The driver is cancelled by what others know."""

BEAT: Final = b":\n\n"
DONE: Final = b"event: stream-done\nid: trio-sse.done\ndata: null\n\n"
EXPIRED: Final = b"event: stream-expired\ndata: null\n\n"
FAREWELL: Final = b"retry: 3000\n\n"
PROBLEM: Final = b'{"title":"Internal Server Error","status":500}'
ERROR: Final = b"event: stream-error\ndata: " + PROBLEM + b"\n\n"


class Undecided(Exception):
    """Two things happen at about the same moment, so that neither order is wrong."""


class Cut(Exception):
    """Cancelled."""


class Closed(Exception):
    """The library closes the generator where it stands."""


class Returned(Exception):
    """The handler returns."""


class OutOfTime(Exception):
    """The handler's own scope around its `yield` is cancelled."""


class Failed(Exception):
    """An error; its text says whose."""


def never() -> bool:
    """A condition that does not come to hold."""
    return False


@attrs.frozen
class Wait:
    """What a story waits for: a condition or a moment, whichever is first. It is told whether it was the moment."""

    until: Callable[[], bool] = never
    at: Callable[[], float] = lambda: math.inf
    shielded: bool = False


Story = Generator[Wait, bool, None]


@attrs.define
class Actor:
    """Who tells a story."""

    story: Story
    wait: Wait
    cut: Callable[[], bool]
    fresh: bool = True


@attrs.frozen
class Plan:
    """What handler and steps will do when their time has come; all times in seconds.

    Attributes:
        entering: How long the inner step is entered.
        closing: How long the handler's `finally` awaits.
        shielded: Whether that is in a shield of its own.
        leaving: How long each step is left.
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
    """One connection: what happens to it (the methods), and what must have come of it (the attributes).

    Attributes:
        journal: What handler, steps and task note.
        status: The status of the response, once the client has it.
        writes: The parts of the body that the client has.
        complete: Whether the response has been ended in order.
        reason: What `aborted` says.
        reports: Who has been reported for overstaying.
        reports_perhaps: Who may have been reported besides.
        errors: Whose errors come out of the app.
        errors_perhaps: Whose errors may come out besides.
        idle: Whether the handler waits for what it is told to do.
        over: Whether the app has done with the request.
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
    _order: Story | None = None
    _at_yield: bool = False
    _handler_ended: bool = False
    _tasks_end: bool = False
    _task_crashes: bool = False
    _driver_ended: bool = False
    _nobody_listens: bool = False
    _cut_work: bool = False
    _finishing: bool = False
    _cut_finish: bool = False
    _finish_seconds: float = math.inf
    _finish_deadline: float = math.inf
    _end_at: float = math.inf
    _end_reason: str = ""
    _hand_over: bool = False
    _last_write: float = 0.0
    _reported_at: float = -1.0
    _actors: dict[str, Actor] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._begin("watcher", self._watch())
        self._begin("driver", self._drive(), self._driver_is_cut)
        self._settle()

    @property
    def over(self) -> bool:
        return self._driver_ended and not self.task_runs

    # -- what happens to it

    def order(self, story: Story) -> None:
        """Tell the idle handler what to do."""
        self._order = story
        self._settle()

    def start_task(self, clean_up: float) -> None:
        """Start a task in the request's nursery, which takes its time to end."""
        self.task_runs = True
        self._begin("task", self._task(clean_up))
        self._settle()

    def crash_task(self) -> None:
        """Let that task fail."""
        self._task_crashes = True
        self._settle()

    def end_at(self, seconds: float, reason: str) -> None:
        """End the stream in so many seconds, unless it ends before."""
        if self.now + seconds < self._end_at:
            self._end_at, self._end_reason = self.now + seconds, reason

    def change(self, **changes: bool | str) -> None:
        """Change what the client or the server does."""
        if "gone" in changes and self._hand_over:  # the write that it waits for goes on, and is no more to wait for
            raise Undecided
        for name, value in changes.items():
            setattr(self, name, value)
        self._settle()

    def cancel(self) -> None:
        """The server cancels the request."""
        if self._hand_over:  # a heartbeat that it waits for is cancelled as well
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
            self._hand_over = True
        elif not self._handler_ended:
            self._abort("draining")
        self._settle()

    def pass_time(self, seconds: float) -> None:
        """Let time go on."""
        target = self.now + seconds
        while (moment := self._next_moment()) <= target + ABOUT:
            if moment >= target - ABOUT:
                raise Undecided
            self.now = moment
            self._settle()
        self.now = target
        self._settle()

    # -- what the handler can be told to do

    def yields(self, count: int) -> Story:
        """Yield events one by one."""
        for _ in range(count):
            yield from self._at_a_yield(self._next_event())

    def yields_together(self, count: int) -> Story:
        """Yield a batch of events."""
        yield from self._at_a_yield(b"".join([self._next_event() for _ in range(count)]))

    def yields_within(self, seconds: float, *, crash: bool = False) -> Story:
        """Yield an event inside a scope of the handler's own that is cancelled then, or a nursery with a crash then."""
        try:
            yield from self._at_a_yield(self._next_event(), deadline=self.now + seconds)
        except OutOfTime:
            if crash or not self._cut_work:
                self.journal.append("gave up")
            if self._cut_work:  # the write that has been given up is what a hand-over has waited for
                raise Cut from None
            self._at_yield = False

    def yields_done(self) -> Story:
        """Say that the client is not to come back."""
        yield from self._at_a_yield(DONE)
        raise Closed

    def sleeps(self, seconds: float) -> Story:
        """Wait for a while."""
        yield self._moment(seconds)

    def returns(self) -> Story:
        """Return."""
        raise Returned
        yield

    def raises(self) -> Story:
        """Fail."""
        raise Failed("handler")
        yield

    def _next_event(self) -> bytes:
        self._events += 1
        self.journal.append(f"yield {self._events}")
        return b"data: %d\n\n" % self._events

    def _at_a_yield(self, frame: bytes, deadline: float = math.inf) -> Story:
        self._at_yield = True
        yield from self._write(frame, self._driver_is_cut, deadline)
        self._at_yield = False

    # -- the driver: steps, start, handler, tasks, steps, end

    def _drive(self) -> Story:
        self._keep((yield from attempt(self._outer_step())))
        if not self._nobody_listens:
            self._finishing = True
            self._finish_deadline = self.now + self._finish_seconds
            self._keep((yield from attempt(self._finish())))
        self._driver_ended = True
        if self._reported_at == self.now:  # it has ended in the moment in which it is late: either may be said
            self.reports.remove("the handler")
            self.reports_perhaps.append("the handler")
        self._kill("heartbeat")

    def _driver_is_cut(self) -> bool:
        if self._finishing:
            return self._cut_finish or self.now >= self._finish_deadline
        return self._cut_work

    def _outer_step(self) -> Story:
        self.journal.append("enter outer")
        yield from self._leaving("outer", self._inner_step())

    def _inner_step(self) -> Story:
        failure = yield from attempt(self._entering())
        if failure is not None:
            yield from self._end_of_the_handler()
            raise failure
        self.journal.append("enter inner")
        yield from self._leaving("inner", self._answer(), fails=self.plan.commit_fails)

    def _entering(self) -> Story:
        if self.plan.entering:
            yield self._moment(self.plan.entering)

    def _leaving(self, name: str, inside: Story, *, fails: bool = False) -> Story:
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

    def _answer(self) -> Story:
        failure = yield from attempt(self._handler())
        yield from self._end_of_the_handler()
        if failure is not None:
            raise failure

    def _end_of_the_handler(self) -> Story:
        self._handler_ended = self._tasks_end = True
        limit = self.now + CLEANUP
        late = yield Wait(lambda: not self.task_runs, lambda: limit, shielded=True)
        if late:
            self.reports.append("a task in the request's nursery")

    def _handler(self) -> Story:
        self._started = True
        yield from self._exclusively("status 200", self._driver_is_cut)
        yield from self._write(BEAT, self._driver_is_cut)
        self._begin("heartbeat", self._beat())
        self.journal.append("enter handler")
        failure = yield from attempt(self._orders())
        self.journal.append("closing handler")
        closed = isinstance(failure, Closed)
        if self.plan.closing:
            failure = (yield from attempt(self._closing(closed))) or failure
        else:
            self.journal.append("closed handler")
        if isinstance(failure, Cut | Failed):
            raise failure
        if self._cut_work:  # it may swallow that, its steps may not
            raise Cut

    def _closing(self, closed: bool) -> Story:
        """The handler's `finally`."""
        seconds = self.plan.closing
        if closed and seconds > CLEANUP and not self.plan.shielded:
            yield self._moment(CLEANUP, shielded=True)
            self.reports.append("closing the handler")
            return
        yield self._moment(seconds, shielded=self.plan.shielded or closed)
        self.journal.append("closed handler")

    def _orders(self) -> Story:
        while True:
            failure = yield from attempt(self._next_order())
            if isinstance(failure, Cut):
                self.journal.append(f"cancelled: {self.reason}")
                if self.plan.stubborn:
                    self.journal.append("yield once more")
                    raise Closed if self._at_yield else failure
            if failure is not None:
                raise failure

    def _next_order(self) -> Story:
        self.idle = True
        try:
            yield Wait(lambda: self._order is not None)
        finally:
            self.idle = False
        story, self._order = self._order, None
        assert story is not None
        yield from story

    def _finish(self) -> Story:
        if self._started:
            farewell = FAREWELL if self.draining else b""
            expired = EXPIRED if self.reason == "expired" else b""
            yield from self._write_last((ERROR if self.errors else expired) + farewell, ends=not self.errors)
            return
        refused = self.errors or self.reason != "draining"
        yield from self._exclusively("status 500" if refused else "status 200", self._driver_is_cut)
        yield from self._write_last(PROBLEM if refused else FAREWELL, ends=True)

    # -- its siblings

    def _watch(self) -> Story:
        late = yield Wait(lambda: self.gone, lambda: self._end_at)
        if late:
            self._abort(self._end_reason)
        elif self.receiving_fails and self._finishing:  # this lets the last send go on, too: either may be the first
            self.errors_perhaps.append("receive")
        elif self.receiving_fails:
            self._keep(Failed("receive"))
            self._abort("error")
        else:
            self._abort("client_gone")
        yield from self._watch_the_driver()

    def _watch_the_driver(self) -> Story:
        limit = self.now + CLEANUP
        late = yield Wait(lambda: self._driver_ended, lambda: limit)
        if late:
            self.reports.append("the handler")
            self._reported_at = self.now

    def _beat(self) -> Story:
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

    def _task(self, clean_up: float) -> Story:
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
        self._cut_work = True
        if reason in ("cancelled", "too_slow"):
            self._cut_finish = True
        elif reason != "error":
            self._finish_seconds = CLEANUP
            self._finish_deadline = self.now + CLEANUP
        if reason in ("client_gone", "cancelled", "too_slow"):
            self._nobody_listens = True

    def _keep(self, failure: Exception | None) -> None:
        if isinstance(failure, Failed):
            self.errors.append(str(failure))

    # -- sending

    def _write(self, frame: bytes, cut: Callable[[], bool], deadline: float = math.inf) -> Story:
        yield from self._exclusively(frame, cut, deadline)
        self._last_write = self.now

    def _write_last(self, frame: bytes, *, ends: bool) -> Story:
        yield from self._exclusively(frame, self._driver_is_cut)
        if ends and not self.deaf and self.sending_fails is None:
            self.complete = self.gone = True  # a server says after each response that the client has gone

    def _exclusively(self, frame: bytes | str, cut: Callable[[], bool], deadline: float = math.inf) -> Story:
        if (yield Wait(lambda: not self.writing, lambda: deadline)):
            raise OutOfTime
        self.writing = True
        try:
            yield from self._send(frame, cut, deadline)
        finally:
            self.writing = False
            if self._hand_over:
                self._hand_over = False
                self._abort("draining")

    def _send(self, what: bytes | str, cut: Callable[[], bool], deadline: float = math.inf) -> Story:
        limit = self.now + SENDING
        late = yield Wait(
            lambda: not self.paused or self.gone or self.sending_fails is not None, lambda: min(limit, deadline)
        )
        if late and self.now >= deadline:
            raise OutOfTime
        if late:
            self._abort("too_slow")
            if cut():
                raise Cut
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
        moments = sorted({actor.wait.at() for actor in self._actors.values()} | self._finish_moment())
        if len(moments) > 1 and moments[1] - moments[0] < ABOUT:
            raise Undecided
        return moments[0] if moments else math.inf

    def _finish_moment(self) -> set[float]:
        return {self._finish_deadline} if self._finishing and self.now < self._finish_deadline else set()

    def _begin(self, name: str, story: Story, cut: Callable[[], bool] = never) -> None:
        self._kill(name)
        self._actors[name] = Actor(story, next(story), cut)
        self._actors = dict(sorted(self._actors.items(), key=lambda item: TURNS.index(item[0])))

    def _kill(self, name: str) -> None:
        actor = self._actors.pop(name, None)
        if actor is not None:
            actor.story.close()

    def _settle(self) -> None:
        """Go on with every story until all of them wait."""
        while any(self._goes_on(name, actor) for name, actor in tuple(self._actors.items())):
            pass

    def _goes_on(self, name: str, actor: Actor) -> bool:
        """Go on with a story, unless it has to wait. Who begins to wait is cancelled at once; who waits, if need be."""
        if self._actors.get(name) is not actor:
            return False
        cut = actor.cut() and not actor.wait.shielded
        try:
            if cut and actor.fresh:
                actor.wait = actor.story.throw(Cut())
            elif actor.wait.until():
                actor.wait = actor.story.send(False)
            elif self.now >= actor.wait.at():
                actor.wait = actor.story.send(True)
            elif cut:
                actor.wait = actor.story.throw(Cut())
            else:
                actor.fresh = False
                return False
        except StopIteration:
            if self._actors.get(name) is actor:
                del self._actors[name]
        actor.fresh = True
        return True


def attempt(story: Story) -> Generator[Wait, bool, Exception | None]:
    """Tell a story, and what it has ended with."""
    try:
        yield from story
    except (Cut, Closed, Returned, Failed) as error:
        return error
    return None
