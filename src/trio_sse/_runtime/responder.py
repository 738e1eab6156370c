"""The responder: one request answered by its plan. The order of things is the connection's.

Owns the answers before a response has started: the value of a plain handler, errors, rejections. What a stream sends is
in `stream`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from .._http.problem import http_exception_in, problem_response
from .._http.request import Request
from .._http.response import Response
from ..errors import HTTPError, HTTPException, StepError
from ..wire import JSONEncoder
from .abort import RULES
from .app_context import AppContext
from .built_in_names import BUILT_IN
from .rejection import label_of, rejection_response
from .request_context import RequestContext
from .steps import call, run_steps
from .writer import Writer

__all__ = ("Responder", "ValueResponder", "error_response", "send_response")

VARY: Final = ((b"vary", b"Accept"),)


class Responder:
    """What plain routes and streams have in common: values by name, steps, and the answer to an error.

    Attributes:
        vary: The Vary header, where the Accept header chose this route over another.
        refusal: The answer in place of a response, where a step or the handler has raised one before the start.
    """

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.plan = context.match.plan
        self.connection = context.connection
        self.vary = VARY if context.match.varies else ()
        self.refusal: HTTPException | None = None
        self._answered = False

    async def run(self) -> None:
        """Answer the request.

        Raises:
            Exception: What went wrong, once the response has ended.
        """
        await self.connection.run(self.work, self.finish)

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
        """Whether an error is the answer to the client: an HTTPException is, before the response has started."""
        self.refusal = None if self.connection.writer.started else http_exception_in(error)
        return self.refusal is not None

    async def finish(self, error: Exception | None) -> None:
        """End the response; `error` is what the work failed with."""
        connection, reason = self.connection, self.connection.aborted.reason
        if connection.writer.started:
            await self.end(error)
            return
        answer = None if reason is None else RULES[reason].answer
        if error is None and self.refusal is None and answer is not None:
            self.refusal = answer(self.context.challenge)
        if error is None and self.refusal is None:
            await self.end(None)
        else:
            context = self.context
            response = error_response(context.app, context.request, self.refusal or HTTPError())
            await send_response(connection.writer, response, self.vary)

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler."""
        raise NotImplementedError

    async def end(self, error: Exception | None) -> None:
        """End a response that has succeeded, or that has started."""
        raise NotImplementedError

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


class ValueResponder(Responder):
    """Answers with one value: JSON, a `Response`, or nothing."""

    response: Response | None = None

    async def answer(self, values: dict[Hashable, Any]) -> None:
        """Run the handler, and make the response while the steps are still entered."""
        if self.context.request.method != "HEAD":
            result = await call(self.plan.handler, values)
            self.response = _value_response(result, self.context.app.settings.json)

    async def end(self, error: Exception | None) -> None:
        """Send the response after the steps have been exited: a commit that fails is still a 500.

        HEAD has none, since its handler does not run: nothing is known of a body.
        """
        writer = self.connection.writer
        if self.response is not None:
            await send_response(writer, self.response, self.vary)
        else:
            await writer.start(200, self.vary)
            await writer.end()


def error_response(app: AppContext, request: Request, error: HTTPException) -> Response:
    """The response for an error; one after which the client is to retry is counted as a rejection."""
    if not error.retry:
        return problem_response(error, app.settings.json)
    app.counters.refused(label_of(error))
    return rejection_response(request, error, app.reconnect_seconds(), app.settings.json)


def _value_response(value: Any, json: JSONEncoder) -> Response:
    """The response for what a plain handler returned."""
    if isinstance(value, Response):
        return value.encoded(json)
    if value is None:
        return Response(status=204)
    return Response(json(value), media_type="application/json")


async def send_response(writer: Writer, response: Response, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole response."""
    await writer.start(response.status, (*response.header_pairs(), *extra))
    await writer.end(response.body())
