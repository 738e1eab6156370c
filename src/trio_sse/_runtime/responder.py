"""The responder: one request answered by its plan. The order of things is the connection's.

Owns the order of steps, handler and answer, and what a handler's result becomes: a value, a response in pieces, a
stream, or the answer to an error. What is sent of a stream is in `stream`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import trio

from .._http.problem import http_exception_in
from .._http.response import Response
from .._http.response_headers import RawHeaders
from .._plan.value_encoder import value_encoder
from .._routes.event_stream import EventStream
from .._routes.sse import SSE
from ..errors import HTTPException, StepError
from .abort import RULES
from .built_in_names import BUILT_IN
from .error_response import error_response, internal_error
from .generator import drive
from .request_context import RequestContext
from .steps import call, run_steps
from .stream import Stream

__all__ = ("Responder",)


class Responder:
    """Answers one request.

    Attributes:
        stream: The stream, where the answer is one: of an SSE route from the beginning, of any other route once its
            handler has returned one.
        response: What a plain handler has returned, to be sent when the steps have exited.
        refusal: The answer in place of a response, where a step or the handler has raised one before the start.
    """

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.plan = context.match.plan
        self.connection = context.connection
        route = self.plan.route
        self.stream = Stream(context, route.options) if isinstance(route, SSE) else None
        self.response: Response | None = None
        self.refusal: HTTPException | None = None
        self._answered = False
        self._is_typed = False  # whether the handler itself says what the content is

    async def run(self) -> None:
        """Answer the request, and count how a stream has ended.

        Raises:
            Exception: What went wrong, once the response has ended.
        """
        aborted, ended = self.connection.aborted, "failed"
        try:
            await self.connection.run(self.work, self.finish)
            ended = str(aborted.reason or "finished")
        except trio.Cancelled:
            ended = str(aborted.reason or "cancelled")
            raise
        finally:
            if self.stream is not None:
                self.stream.leave(ended)

    async def work(self) -> None:
        """Enter the steps, answer, exit the steps."""
        connection = self.connection
        try:
            async with AsyncExitStack() as stack:
                try:
                    if "nursery" in self.plan.needs:
                        await connection.open_background()
                    values = self._values()
                    await run_steps(self.plan.operations, values, connection, stack, self._app_services)
                    await self.answer(values)
                    self._answered = True
                finally:
                    connection.handler_has_ended()
                    await connection.close_background()  # noqa: ASYNC102 - shields itself, with a time limit
            self._check_answered()
        except Exception as error:
            if not self.is_answer(error):
                raise

    def is_answer(self, error: Exception) -> bool:
        """Whether an error is the answer to the client: an HTTPException is, before the response has started.

        After the start of a stream a 204 is one: it ends the stream as Done() does.
        """
        found = http_exception_in(error)
        if not self.connection.writer.started:
            self.refusal = found
            return found is not None
        if self.stream is None or found is None or found.status != 204:
            return False
        self.stream.is_done = True
        return True

    async def finish(self, error: Exception | None) -> None:
        """End the response; `error` is what the work failed with."""
        connection, reason = self.connection, self.connection.aborted.reason
        if connection.writer.started:
            await self._end(error)
            return
        answer = None if reason is None else RULES[reason].answer
        if error is None and self.refusal is None and answer is not None:
            self.refusal = answer(self.context.challenge)
        if error is None and self.refusal is None:
            await self._send_value()
        else:
            await self._send_error(self.refusal or internal_error(error))

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler. The response of a plain route is made while the steps are still entered."""
        if self.stream is not None:
            await self.stream.run_handler(values)
        elif self.context.request.method != "HEAD":
            result = await call(self.plan.handler, values)
            if isinstance(result, EventStream):
                self.stream = Stream(self.context)
                await self.stream.send(result)
            else:
                self.response = self._response(result)
                if self.response.pieces is not None:
                    await self._send_pieces(self.response)

    def _response(self, value: Any) -> Response:
        """The response for what a plain handler has returned."""
        json = value_encoder(self.plan.label, self.context.app.settings.json)
        if isinstance(value, Response):
            self._is_typed = value.media_type is not None
            return value.encoded(json)
        status = None if self.context.head is None else self.context.head.status
        if value is None:
            return Response(status=status or 204)
        return Response(json(value), status=status or 200, media_type="application/json")

    # -- the ends of a response

    async def _send_value(self) -> None:
        """Send the response after the steps have been exited: a commit that fails is still a 500.

        HEAD has none, since its handler does not run: nothing is known of a body.
        """
        writer, response, context = self.connection.writer, self.response, self.context
        if response is None:
            await writer.start(200, context.start_headers(()), body_follows=True)
            await writer.end()
        else:
            await writer.start(response.status, self._headers(response), body_follows=True)
            await writer.end(response.body())

    async def _send_pieces(self, response: Response) -> None:
        """Send a response whose content comes piece by piece. Its end follows when the steps have been exited."""

        async def start() -> None:
            await self.connection.writer.start(response.status, self._headers(response))

        await drive(self.plan.handler, response.pieces, self.connection, start, self._emit_piece)

    async def _emit_piece(self, piece: object) -> bool:
        data = piece.encode() if isinstance(piece, str) else piece
        if not isinstance(data, bytes):
            kind = type(piece).__name__
            raise StepError(f"{self.plan.label}: the content of a response yields bytes or text, not {kind}")
        if data:
            await self.connection.writer.write(data)
        else:
            await trio.lowlevel.checkpoint()
        return False

    async def _end(self, error: Exception | None) -> None:
        """End a response that has started. One in pieces that is cut off has no proper end, so that it shows."""
        if self.stream is not None:
            await self.stream.end(error)
        else:
            whole = error is None and not self.connection.aborted.is_set()
            await self.connection.writer.end(complete=whole or not self.context.can_break_off)

    async def _send_error(self, error: HTTPException) -> None:
        context, writer = self.context, self.connection.writer
        response = error_response(context.app, context.request, error)
        own = response.header_pairs()
        await writer.start(response.status, context.start_headers((), own, of_error=True), body_follows=True)
        await writer.end(response.body())

    def _headers(self, response: Response) -> RawHeaders:
        """The headers of a plain response: what it says itself goes before what the route and its steps have set."""
        pairs = response.header_pairs()
        if not self.context.adds_headers:
            return pairs
        said = {name.encode("latin-1") for name, _ in response.headers}
        if self._is_typed:
            said.add(b"content-type")
        returned = tuple(pair for pair in pairs if pair[0] in said)
        return self.context.start_headers(tuple(pair for pair in pairs if pair[0] not in said), returned)

    # -- for the steps

    def _values(self) -> dict[Hashable, Any]:
        """The path parameters, and the built-in values that the plan needs."""
        context = self.context
        values: dict[Hashable, Any] = {"request": context.request}
        values.update(context.match.params)
        for name in self.plan.needs:
            get = BUILT_IN[name].get
            if get is not None:
                values[name] = get(context)
        return values

    def _app_services(self) -> Mapping[Hashable, Any]:
        return self.context.app_state().services

    def _check_answered(self) -> None:
        """Find a step or service that has swallowed what was raised inside it: the request has no answer then.

        A stream that has started may end that way: what it has sent is an answer.

        Raises:
            StepError: There was one; its message names it.
        """
        swallowed = self.connection.swallowed
        if self._answered or swallowed is None or self.connection.ending or self.connection.writer.started:
            return
        who, error = swallowed
        raise StepError(
            f"{self.plan.label}: {who} swallowed {error!r}, so the request has no answer; a step or service that is a "
            "context manager raises on what it does not handle, or raises an HTTPError in its place"
        ) from error
