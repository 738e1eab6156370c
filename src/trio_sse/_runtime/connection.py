"""The connection: one request's nursery, with the driver, the disconnect watcher and the heartbeat as siblings.

Owns who may call `receive`, when `aborted` is set, what is cancelled and in which order. It does not know routes,
steps or events: what to do is passed in as two functions, the work and the finish.

Theory of operation
-------------------
Three tasks run in the nursery:

* the *watcher* is the nursery's body. Only it calls `receive`: it feeds the request body, and when the client is gone
  it sets `aborted` and then cancels the driver.
* the *driver* does everything else in one task, in order: it enters the steps, starts the response, advances and closes
  the generator, exits the steps, ends the response. One task, because an async generator and the cancel scopes inside
  it have to be entered and exited by the same one.
* the *heartbeat* writes a comment when nothing else has been written for a while.

The driver's scopes are shielded from the outside. A cancellation from the outside (a server that shuts down) therefore
reaches the watcher first, which sets `aborted` and passes it on at once. The shield delays nothing; it fixes the order:
a handler that is cancelled can always read `aborted.reason`.

An error of the driver, or of a task in the request's `nursery`, is kept until the response has ended. Then it is raised
from `run`, without a group if it is the only one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from .._ground.background import BackgroundNursery, alone
from ..asgi import Receive, Send
from .abort import RULES, Aborted, AbortReason
from .body import RequestBody
from .request_error import INTERRUPTS, keep_error
from .server_extension import Drain, Draining, ServerExtension
from .writer import Writer

__all__ = ("Connection",)

Work = Callable[[], Awaitable[None]]
Finish = Callable[[Exception | None], Awaitable[None]]

NEVER_DRAINS = Draining()
"""Used when the server offers no notice of its shutdown."""

logger = logging.getLogger("trio_sse")


class Connection:
    """One request while it is answered.

    Args:
        receive: ASGI's receive; only the watcher calls it.
        send: ASGI's send.
        label: How messages name the route.
        cleanup_timeout: The time limit, in seconds, of each clean-up that the library shields.
        send_timeout: Seconds that the client may take for a write of up to 64 KiB.
        max_body: How many bytes of the request body to keep; 0 drops it.
        extension: What the server says of the request, if it says anything.

    Attributes:
        aborted: What handlers know as `aborted`.
        body: The request body; None where it is dropped.
        writer: Sends the response.
        background: The nursery that handlers know as `nursery`, once it is open.
        swallowed: The step or service that has swallowed an error of what it surrounds, and the error.
        on_drain: Called when the server begins to shut down, unless the handler has ended.
    """

    def __init__(  # noqa: PLR0913 - most are keywords
        self,
        receive: Receive,
        send: Send,
        *,
        label: str,
        cleanup_timeout: float,
        send_timeout: float = math.inf,
        max_body: int = 0,
        extension: ServerExtension | None = None,
    ) -> None:
        direct = None if extension is None else extension.direct_writer(send)
        self.aborted = Aborted()
        self.body = RequestBody(max_body) if max_body else None
        break_off = None if extension is None else extension.break_off
        self.writer = Writer(send, direct, timeout=send_timeout, abort=self.abort, break_off=break_off)
        self.label = label
        self.cleanup_timeout = cleanup_timeout
        self.background: trio.Nursery | None = None
        self.swallowed: tuple[str, BaseException] | None = None
        self.on_drain: Callable[[], None] | None = None
        self._drain: Drain | None = None if extension is None else extension.drain
        self._receive = receive
        self._nursery: trio.Nursery | None = None
        self._work_scope = trio.CancelScope(shield=True)  # the watcher passes a cancellation on
        self._finish_scope = trio.CancelScope(shield=True)  # likewise
        self._watch_scope = trio.CancelScope()
        self._deadline_reason = AbortReason.EXPIRED
        self._handler_ended = False
        self._can_finish = True
        self._errors: list[Exception] = []
        self._background: BackgroundNursery | None = None
        self._driver: trio.lowlevel.Task | None = None
        self._driver_ended = trio.Event()

    async def run(self, work: Work, finish: Finish) -> None:
        """Do the work, finish the response, and raise what went wrong.

        Args:
            work: Enters the steps, starts the response, runs the handler, exits the steps. An abort cancels it.
            finish: Ends the response. It is passed the error that the work ended with, if any.
        """
        failures: list[BaseException] = []
        if self._drain is not None:
            self._drain.join(self._begin_drain)
            self.end_at(self._drain.deadline, AbortReason.DRAINING)  # it may have begun already
        try:
            async with trio.open_nursery(strict_exception_groups=True) as self._nursery:
                self._nursery.start_soon(self._drive, work, finish, name=f"driver of {self.label}")
                await self._watch()
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised below, with the errors that have been kept
            failures.append(alone(error))
        if self._drain is not None:
            self._drain.leave(self._begin_drain)
        failures += self._errors
        if failures:
            raise alone(BaseExceptionGroup(f"errors in {self.label}", failures))

    # -- ending a request from outside its handler

    def abort(self, reason: AbortReason) -> None:
        """Set `aborted`, then cancel: `RULES` says what. After the handler has ended `aborted` stays unset."""
        rule = RULES[reason]
        if not self._handler_ended:
            self.aborted._set(reason)  # pyright: ignore[reportPrivateUsage] - only the connection may set it
        self._work_scope.cancel(reason=reason)
        if rule.cancels_finish:
            self._finish_scope.cancel(reason=reason)
        elif rule.finish != "always":
            self._limit_the_finish()
        self._can_finish = self._can_finish and rule.finish != "never"

    @property
    def ending(self) -> bool:
        """Whether something other than the handler is ending the request."""
        return self.aborted.is_set()

    @property
    def draining(self) -> Draining:
        """Set when the server shuts down."""
        return NEVER_DRAINS if self._drain is None else self._drain.draining

    def end_at(self, deadline: float, reason: AbortReason) -> None:
        """End the request at a time of Trio's clock, unless it ends earlier."""
        if deadline < self._watch_scope.deadline:
            self._watch_scope.deadline, self._deadline_reason = deadline, reason

    def handler_has_ended(self) -> None:
        """Note that the handler has ended, so that nothing that happens from now on counts as an abort."""
        self._handler_ended = True

    def _begin_drain(self) -> None:
        assert self._drain is not None  # noqa: S101 - it calls this
        self.end_at(self._drain.deadline, AbortReason.DRAINING)
        if self.on_drain is not None and not self._handler_ended:
            self.on_drain()

    def _limit_the_finish(self) -> None:
        """Limit the time for the end of the response: from when it begins, after all clean-up, or from now."""
        if self._finish_scope.is_relative is None:  # it has begun
            self._finish_scope.deadline = trio.current_time() + self.cleanup_timeout
        else:
            self._finish_scope.relative_deadline = self.cleanup_timeout

    # -- tasks beside the driver

    def start(self, task: Work, name: str) -> None:
        """Start a task that ends with the request; what it raises ends the request."""
        assert self._nursery is not None  # noqa: S101 - the driver, a child of it, runs
        self._nursery.start_soon(self._keeping_errors, task, name=f"{name} of {self.label}")

    async def open_background(self) -> None:
        """Open the nursery that steps and handlers know as `nursery`.

        It runs in a task of its own, shielded, since its tasks are to end at a chosen moment: after the generator has
        been closed, and before the steps exit, whose values those tasks may use.
        """
        assert self._nursery is not None  # noqa: S101 - only the driver, a child of it, calls this
        self._background = BackgroundNursery(shield=True)  # until close_background, which has a time limit
        self.background = await self._nursery.start(self._run_background, name=f"nursery of {self.label}")

    async def close_background(self) -> None:
        """Cancel the tasks in that nursery, and wait for them within the time limit."""
        if self._background is None:
            return
        left = await self._background.end(self.cleanup_timeout, "the request has ended")
        if left:
            self.log_overstay("a task in the request's nursery", f"still running: {', '.join(left)}")

    async def _run_background(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:  # noqa: ASYNC128 - it is passed on
        assert self._background is not None  # noqa: S101 - set by open_background
        await self._keeping_errors(partial(self._background.run_in_background, task_status))

    async def _keeping_errors(self, task: Work) -> None:
        try:
            await task()
        except BaseException as raised:  # noqa: ASYNC103, BLE001 - Cancelled is raised on, alone or in its group
            keep_error(raised, self._keep)

    def _keep(self, error: Exception) -> None:
        """Keep an error of a task beside the driver, and end the request for it."""
        self._errors.append(error)
        self.abort(AbortReason.ERROR)

    # -- the watcher

    async def _watch(self) -> None:
        try:
            with self._watch_scope:
                await self._receive_until_disconnect()
            if self._watch_scope.cancelled_caught:
                self.abort(self._deadline_reason)
            await self._wait_for_driver(shield=False)
        except BaseException:
            self.abort(AbortReason.CANCELLED)
            await self._wait_for_driver(shield=True)  # noqa: ASYNC102 - with a time limit inside
            raise

    async def _receive_until_disconnect(self) -> None:
        """Take all that the server has. After the disconnect hypercorn's `receive` blocks for ever."""
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                if self.body is not None:
                    self.body.feed(message.get("body", b""), message.get("more_body", False))
                    await self.body.wait_for_room()
        except Exception as error:  # noqa: BLE001 - kept, and raised when the response has ended
            self._keep(error)
        else:  # a server may hang up on a client that is late
            self.abort(AbortReason.TOO_SLOW if self.writer.late else AbortReason.CLIENT_GONE)

    async def _wait_for_driver(self, *, shield: bool) -> None:
        """After an abort, report a handler that does not end in time: one that swallows Cancelled cannot be stopped."""
        with trio.move_on_after(self.cleanup_timeout, shield=shield) as scope:
            await self._driver_ended.wait()
        if scope.cancelled_caught:
            await trio.lowlevel.cancel_shielded_checkpoint()  # it may have been the whole event loop that was stalled
        if not self._driver_ended.is_set():
            self.log_overstay("the handler", f"it stands at {self._position()}")
            await self._driver_ended.wait()

    # -- the driver

    async def _drive(self, work: Work, finish: Finish) -> None:
        self._driver = trio.lowlevel.current_task()
        try:
            await self._in_scope(self._work_scope, work)
            if self._can_finish:
                await self._in_scope(self._finish_scope, partial(finish, self._error()))
        finally:
            self._driver_ended.set()
            assert self._nursery is not None  # noqa: S101 - this task runs in it
            self._nursery.cancel_scope.cancel(reason="the response has ended")

    async def _in_scope(self, scope: trio.CancelScope, work: Work) -> None:
        try:
            with scope:
                await work()
        except BaseException as raised:  # noqa: ASYNC103, BLE001 - see below
            # The scope is shielded: a Cancelled that leaves it belongs to no scope that is open, so nothing catches it.
            keep_error(raised, self._errors.append, pass_on=INTERRUPTS)

    def _error(self) -> Exception | None:
        if len(self._errors) > 1:
            return ExceptionGroup(f"errors in {self.label}", self._errors)
        return self._errors[0] if self._errors else None

    # -- reports

    def log_overstay(self, who: str, detail: str) -> None:
        """Report clean-up that has not ended within its time limit."""
        logger.error("%s: %s has not ended within %g s; %s", self.label, who, self.cleanup_timeout, detail)

    def note_swallowed(self, who: str, error: BaseException) -> None:
        """Note that a step or service has swallowed an error of what it surrounds."""
        self.swallowed = who, error

    def _position(self) -> str:
        """Where the driver stands: the innermost line that is neither Trio's nor ours."""
        assert self._driver is not None  # noqa: S101 - it has been started
        position = "an unknown line"
        for frame, line in self._driver.iter_await_frames():
            if frame.f_globals.get("__name__", "").partition(".")[0] not in ("trio", "trio_sse"):
                position = f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_qualname}"
        return position
