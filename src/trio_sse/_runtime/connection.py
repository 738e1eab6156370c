"""The connection: one request's nursery, with the producer, the disconnect watcher and the heartbeat as siblings.

Owns who may call `receive`, when `aborted` is set, what is cancelled and in which order. It does not know routes,
steps or events: what to do is handed in as two functions, the work and the finish.

Theory of operation
-------------------
Three tasks live in the nursery:

* the *watcher* is the nursery's body. It alone calls `receive`: it feeds the request body, and when the client goes it
  sets `aborted` and then cancels the driver.
* the *driver* does everything else in one task, in order: it enters the steps, starts the response, advances and closes
  the generator, leaves the steps, ends the response.
* the *heartbeat* writes a comment when nothing else has been written for a while.

The driver's scope is shielded from the outside, so that a cancellation from the outside (a server that shuts down)
reaches the watcher first, which sets `aborted` and passes it on at once. The shield therefore delays nothing: it puts
the two in order. An error of the driver, or of a task in the request's `nursery`, is kept until the response has been
ended and then raised out of `run`, alone if it is alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import cast

import trio

from .._ground.background import BackgroundNursery, alone
from .._ground.writes import time_for
from ..asgi import Message, Receive
from .abort import Aborted, AbortReason
from .body import RequestBody
from .server_extension import Drain, Draining, ServerExtension
from .writer import Send, Writer

__all__ = ("Connection", "Receive")

Work = Callable[[], Awaitable[None]]
Finish = Callable[[Exception | None], Awaitable[None]]

NOBODY_LISTENS = frozenset({AbortReason.CLIENT_GONE, AbortReason.CANCELLED, AbortReason.TOO_SLOW})
"""Reasons after which there is no use in ending the response."""

NEVER = Draining()
"""Of a server that says nothing of its shutdown."""

logger = logging.getLogger("trio_sse")


class Connection:
    """One request on its way through the app.

    Args:
        receive: ASGI's receive; called by the watcher only.
        send: ASGI's send.
        label: How messages name the route.
        max_body: Bytes of the request body to keep.
        cleanup_timeout: The time limit of all clean-up that the library shields.
        send_seconds: How long the client may take for a write of up to 64 KiB.
        link: What the server says of the request, if it says anything.

    Attributes:
        when_draining: Called when the server begins to shut down, unless the handler has ended.
    """

    def __init__(  # noqa: PLR0913 - most are keywords
        self,
        receive: Receive,
        send: Send,
        *,
        label: str,
        max_body: int,
        cleanup_timeout: float,
        send_seconds: float = math.inf,
        link: ServerExtension | None = None,
    ) -> None:
        self.aborted = Aborted()
        self.body = RequestBody(max_body)
        self.out = Writer(self._send, None if link is None else link.direct_writer(send))
        self.label = label
        self.cleanup_timeout = cleanup_timeout
        self.send_seconds = send_seconds
        self.when_draining: Callable[[], None] | None = None
        self._drain: Drain | None = None if link is None else link.drain
        self.background: trio.Nursery | None = None
        self._receive = receive
        self._raw_send = send
        self._nursery: trio.Nursery | None = None
        self._work_scope = trio.CancelScope(shield=True)  # not without end: the watcher passes a cancellation on
        self._finish_scope = trio.CancelScope(shield=True)  # likewise
        self._end = trio.CancelScope()
        self._end_reason = AbortReason.EXPIRED
        self._send_limit: trio.CancelScope | None = None
        self._handler_ended = False
        self._nobody_listens = False
        self._errors: list[Exception] = []
        self._hosted = BackgroundNursery(shield=True)  # the driver ends it, after the generator has been closed
        self._driver: trio.lowlevel.Task | None = None
        self._driver_ended = trio.Event()

    async def run(self, work: Work, finish: Finish) -> None:
        """Do the work, finish the response, and raise what went wrong.

        Args:
            work: Enters the steps, starts the response, runs the handler, leaves the steps. Cancelled by an abort.
            finish: Ends the response. It is given the error that the work ended with, if any.
        """
        try:
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                self._nursery = nursery
                nursery.start_soon(self._drive, work, finish, name=f"driver of {self.label}")
                with self._in_the_drain():
                    await self._watch()
        except BaseException as error:  # noqa: ASYNC103, BLE001 - raised below, with the errors that have been kept
            ended: BaseException | None = alone(error)
        else:
            ended = None
        failures = [each for each in (ended, self._error()) if each is not None]
        if failures:
            raise alone(BaseExceptionGroup(f"errors in {self.label}", failures)) from None

    def abort(self, reason: AbortReason) -> None:
        """End the request from outside its handler: set `aborted`, then cancel.

        After the handler has ended `aborted` stays unset. The end of the response is cancelled at once by the server
        alone. When the client goes, its sends should return by themselves, and have a time limit for it: hypercorn says
        `http.disconnect` after each response too, and then prepares the connection's next request inside our last send;
        but over HTTP/2 it may wait there for ever for a client that is gone.
        """
        if not self._handler_ended:
            self.aborted._set(reason)  # pyright: ignore[reportPrivateUsage] - nobody else may set it
        self._work_scope.cancel(reason=reason)
        if reason in (AbortReason.CANCELLED, AbortReason.TOO_SLOW):
            self._finish_scope.cancel(reason=reason)
        elif reason is not AbortReason.ERROR:
            self._limit_the_finish()
        self._nobody_listens = self._nobody_listens or reason in NOBODY_LISTENS

    @property
    def ending(self) -> bool:
        """Whether something other than the handler is ending the request."""
        return self.aborted.is_set()

    @property
    def draining(self) -> Draining:
        """Set when the server shuts down."""
        return NEVER if self._drain is None else self._drain.draining

    def end_at(self, deadline: float, reason: AbortReason) -> None:
        """End the request at a time of Trio's clock, unless it has an earlier end."""
        if deadline < self._end.deadline:
            self._end.deadline, self._end_reason = deadline, reason

    def handler_has_ended(self) -> None:
        """Say that the handler is done, so that nothing that happens from now on counts as an abort."""
        self._handler_ended = True

    def start_heartbeat(self, seconds: float, data: bytes) -> None:
        """Start the heartbeat: write `data` after `seconds` without a write."""
        self.start(partial(self._beat, seconds, data), "heartbeat")

    def start(self, task: Work, name: str) -> None:
        """Start a task that ends with the request; what it raises ends the request."""
        assert self._nursery is not None  # noqa: S101 - the driver, a child of it, runs
        self._nursery.start_soon(self._keeping_errors, task, name=f"{name} of {self.label}")

    async def _keeping_errors(self, task: Work) -> None:
        try:
            await task()
        except Exception as error:  # noqa: BLE001 - kept, and raised when the response has ended
            self._keep(error)

    # -- the request's own nursery, for steps and handlers that ask for it

    async def open_background(self) -> None:
        """Open the nursery that steps and handlers know as `nursery`."""
        assert self._nursery is not None  # noqa: S101 - only the driver, a child of it, calls this
        self.background = await self._nursery.start(self._run_background, name=f"nursery of {self.label}")

    async def close_background(self) -> None:
        """Cancel the tasks in that nursery, and wait for them within the time limit."""
        left = await self._hosted.end(self.cleanup_timeout, "the request has ended")
        if left:
            self.log_overstay("a task in the request's nursery", f"still running: {', '.join(left)}")

    async def _run_background(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:  # noqa: ASYNC128 - run_in_background does
        try:
            await self._hosted.run_in_background(task_status)
        except Exception as error:  # noqa: BLE001 - kept, and raised when the response has ended
            self._keep(error)

    # -- the three siblings

    async def _watch(self) -> None:
        try:
            with self._end:
                await self._wait_for_the_client_to_go()
            if self._end.cancelled_caught:
                self.abort(self._end_reason)
            await self._wait_for_the_driver(shield=False)
        except BaseException:
            self.abort(AbortReason.CANCELLED)
            await self._wait_for_the_driver(shield=True)  # noqa: ASYNC102 - with a time limit inside
            raise

    async def _wait_for_the_client_to_go(self) -> None:
        try:
            await self._receive_until_disconnect()
        except Exception as error:  # noqa: BLE001 - kept, and raised when the response has ended
            self._keep(error)
        else:
            late = self._send_limit is not None and self._send_limit.cancel_called
            self.abort(
                AbortReason.TOO_SLOW if late else AbortReason.CLIENT_GONE
            )  # a server may hang up on one that is late

    async def _receive_until_disconnect(self) -> None:
        """Take all that the server has. After the disconnect hypercorn's `receive` blocks for ever."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            self.body.feed(message.get("body", b""), message.get("more_body", False))

    async def _wait_for_the_driver(self, *, shield: bool) -> None:
        """After an abort, report a handler that does not end in time: nobody can stop one that swallows Cancelled."""
        with trio.move_on_after(self.cleanup_timeout, shield=shield) as scope:
            await self._driver_ended.wait()
        if scope.cancelled_caught:
            await trio.lowlevel.cancel_shielded_checkpoint()  # where the whole loop was stalled it is not the handler
        if not self._driver_ended.is_set():
            self.log_overstay("the handler", f"it stands at {self._position()}")
            await self._driver_ended.wait()

    @contextmanager
    def _in_the_drain(self) -> Generator[None]:
        """Take part in the server's shutdown."""
        if self._drain is None:
            yield
            return
        self._drain.join(self._begin_drain)
        self.end_at(self._drain.deadline, AbortReason.DRAINING)  # for one that is let in while others are turned away
        try:
            yield
        finally:
            self._drain.leave(self._begin_drain)

    def _begin_drain(self) -> None:
        assert self._drain is not None  # noqa: S101 - it calls this
        self.end_at(self._drain.deadline, AbortReason.DRAINING)
        if self.when_draining is not None and not self._handler_ended:
            self.when_draining()

    async def _drive(self, work: Work, finish: Finish) -> None:
        self._driver = trio.lowlevel.current_task()
        try:
            await self._in_scope(self._work_scope, work)
            if not self._nobody_listens:
                await self._in_scope(self._finish_scope, partial(finish, self._error()))
        finally:
            self._driver_ended.set()
            assert self._nursery is not None  # noqa: S101 - we run in it
            self._nursery.cancel_scope.cancel(reason="the response has ended")

    def _limit_the_finish(self) -> None:
        """Give the end of the response its time: from when it begins, after all clean-up, or from now."""
        if self._finish_scope.is_relative is None:  # it has begun
            self._finish_scope.deadline = trio.current_time() + self.cleanup_timeout
        else:
            self._finish_scope.relative_deadline = self.cleanup_timeout

    async def _in_scope(self, scope: trio.CancelScope, work: Work) -> None:
        try:
            with scope:
                await work()
        except Exception as error:  # noqa: BLE001 - kept, and raised when the response has ended
            self._errors.append(error)

    def _keep(self, error: Exception) -> None:
        """Keep an error of a task beside the handler, and end the request for it."""
        self._errors.append(cast("Exception", alone(error)))
        self.abort(AbortReason.ERROR)

    def _error(self) -> Exception | None:
        if len(self._errors) > 1:
            return ExceptionGroup(f"errors in {self.label}", self._errors)
        return self._errors[0] if self._errors else None

    async def _beat(self, seconds: float, data: bytes) -> None:
        out = self.out
        while True:
            now, due = trio.current_time(), out.last_write + seconds
            if out.writing:  # the client is slow, not silent; look again later rather than spin
                due = now + seconds
            elif now >= due:
                await out.write(data)
                due = out.last_write + seconds
            await trio.sleep_until(due)

    # -- sending, and what is said of it

    async def _send(self, message: Message) -> None:
        seconds = time_for(self.send_seconds, len(message.get("body", b"")))
        limit = self._send_limit = trio.move_on_after(seconds)  # noqa: ASYNC122 - since Trio 0.27 it counts from its entry
        try:
            with limit:
                await self._raw_send(message)
        except OSError:  # how a server says that the client has gone (ASGI 2.4); hypercorn drops the message instead
            self.abort(AbortReason.CLIENT_GONE)
        if limit.cancelled_caught:
            self.abort(AbortReason.TOO_SLOW)
            await trio.lowlevel.checkpoint_if_cancelled()

    def log_overstay(self, who: str, detail: str) -> None:
        """Report clean-up that has not ended within its time limit."""
        logger.error("%s: %s has not ended within %g s; %s", self.label, who, self.cleanup_timeout, detail)

    def _position(self) -> str:
        """Where the driver stands: the innermost line that is neither Trio's nor ours."""
        assert self._driver is not None  # noqa: S101 - it has been started
        position = "an unknown line"
        for frame, line in self._driver.iter_await_frames():
            if frame.f_globals.get("__name__", "").partition(".")[0] not in ("trio", "trio_sse"):
                position = f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_qualname}"
        return position
