"""Running a plan's steps, in order, before the response starts.

Owns what a step's answer means. It does not know how a response is sent.
"""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from typing import Any

from ._connection import Connection
from ._errors import Forbidden, StepError
from ._plan import Call, Check, ParseBody, ParseQuery, Plan, Provide
from ._producer import leaving
from ._steps import Kind

__all__ = ("call_plainly", "run_steps")


async def run_steps(plan: Plan, values: dict[str, Any], connection: Connection, stack: AsyncExitStack) -> None:
    """Run the steps; what they provide goes into `values`, what has to be left later onto `stack`.

    Raises:
        HTTPError: A step refuses the request.
        StepError: A step broke its contract.
    """
    for operation in plan.operations:
        match operation:
            case Provide(call, name, fields):
                _bind(operation, await _enter(call, values, connection, stack), name, fields, values)
            case Check(calls):
                await _check(calls, values)
            case ParseQuery(reader):
                values["query"] = reader.read(values["request"].query)
            case ParseBody(reader):
                if reader is not None:
                    reader.check_media_type(values["request"].headers)
                body = await connection.body.read()
                values["body"] = body if reader is None else reader.read(body)


async def call_plainly(call: Call, values: dict[str, Any]) -> Any:
    """Call a function that is sync or async, and give what it returns.

    Raises:
        StepError: A sync function returned a coroutine, which nobody would await.
    """
    result = call.function(**call.arguments(values))
    if call.kind is Kind.ASYNC:
        return await result
    if inspect.iscoroutine(result):
        result.close()
        raise StepError(f"{call} is not an async function but returned a coroutine; write it with 'async def'")
    return result


async def _enter(call: Call, values: dict[str, Any], connection: Connection, stack: AsyncExitStack) -> Any:
    if call.kind is not Kind.CONTEXT:
        return await call_plainly(call, values)
    manager = call.function(**call.arguments(values))
    return await stack.enter_async_context(leaving(manager, connection, str(call)))


def _bind(step: Provide, value: Any, name: str | None, fields: tuple[str, ...], values: dict[str, Any]) -> None:
    if name is not None:
        values[name] = value
    elif value is None and fields:
        raise StepError(f"{step.call} returned None, but is annotated to return a value with {', '.join(fields)}")
    elif value is not None and not fields:
        raise StepError(
            f"{step.call} returned {type(value).__name__}, which has no name here: give it one, as in .use(value=…), "
            "or annotate what the function returns with an attrs class"
        )
    else:
        values.update((field, getattr(value, field)) for field in fields)


async def _check(calls: tuple[Call, ...], values: dict[str, Any]) -> None:
    for call in calls:
        answer = await call_plainly(call, values)
        if not isinstance(answer, bool):
            raise StepError(f"guard {call} returned {type(answer).__name__}; a guard returns True or False")
        if answer:
            return
    raise Forbidden
