"""Running a plan's steps, in order, before the response starts.

Owns what a step's answer means. It does not know how a response is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AsyncExitStack
from typing import Any

from .._ground.calls import Call
from .._ground.naming import type_name
from .._http.paths import PathParams
from .._http.validation import VALIDATION_ERRORS
from .._plan.plan import QUERY_MODEL, Check, Fetch, Gather, Load, Make, ParseBody, ParseQuery, Plan, Provide, Refer
from .._routes.models import Reference
from ..errors import Forbidden, NotFound, StepError
from .cached_repository import CachedRepository
from .connection import Connection
from .services import Life, call_plainly, enter, make

__all__ = ("run_steps",)

Values = dict[Hashable, Any]


async def run_steps(
    plan: Plan, values: Values, connection: Connection, stack: AsyncExitStack, life: Callable[[], Life]
) -> None:
    """Run the steps; what they provide goes into `values`, what has to be left later onto `stack`.

    Raises:
        HTTPException: A step refuses the request.
        StepError: A step broke its contract.
    """
    for operation in plan.operations:
        match operation:
            case Provide(call, name, fields):
                _bind(operation, await enter(call, values, connection, stack), name, fields, values)
            case Check(calls):
                await _check(calls, values)
            case ParseQuery(reader):
                values[QUERY_MODEL] = reader.read(values["request"].query)
            case ParseBody(reader):
                if reader is not None:
                    reader.check_media_type(values["request"].headers)
                body = await connection.body.read()
                values["body"] = body if reader is None else reader.read(body)
            case _:
                await _supply(operation, values, connection, stack, life)


async def _supply(
    operation: Fetch | Make | Refer | Load | Gather,
    values: Values,
    connection: Connection,
    stack: AsyncExitStack,
    life: Callable[[], Life],
) -> None:
    """Make what the next call needs."""
    match operation:
        case Fetch(key):
            values[key] = life().values[key]
        case Make(recipe):
            values[recipe.key] = await make(recipe, values, connection, stack)
        case Refer():
            _refer(operation, values)
        case Load(parameter):
            values[parameter] = await _load(values[parameter])
        case Gather(key, model, fields):
            found = {field: values[parameter] for field, parameter in fields}
            values[key] = PathParams(found) if model is None else _to_params(model, found)


def _to_params(model: type[Any], found: dict[str, Any]) -> Any:
    """The path parameters as a value of the user's class. If it refuses them, the path does not fit: 404."""
    try:
        return model(**found)
    except VALIDATION_ERRORS as problem:
        raise NotFound("There is nothing at this path.") from problem


def _refer(step: Refer, values: Values) -> None:
    """Make a reference; all of a request that refer to one model share what has been looked up."""
    lookup = values.get((CachedRepository, step.repository))
    if lookup is None:
        lookup = values[CachedRepository, step.repository] = CachedRepository[Any](values[step.repository])
    values[step.parameter] = Reference[Any](step.model, values[step.parameter], lookup)


async def _load(reference: Reference[Any]) -> Any:
    found = await reference
    if found is None:
        raise NotFound(f"There is no {type_name(reference.model)} with this id.")
    return found


def _bind(step: Provide, value: Any, name: str | None, fields: tuple[str, ...], values: Values) -> None:
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


async def _check(calls: tuple[Call, ...], values: Values) -> None:
    for call in calls:
        answer = await call_plainly(call, values)
        if not isinstance(answer, bool):
            raise StepError(f"guard {call} returned {type(answer).__name__}; a guard returns True or False")
        if answer:
            return
    raise Forbidden
