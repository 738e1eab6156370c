"""The steps of a request: a plan's operations, run in order before the response starts.

Owns what the result of each operation means, and how functions are called with values by name. It does not know how a
response is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from .._ground.calls import Call, Kind
from .._ground.naming import type_name
from .._ground.shielded_exit import Owner, shielded_exit
from .._http.paths import NOTHING_HERE, PathParams
from .._http.validation import VALIDATION_ERRORS
from .._plan.plan import (
    QUERY_MODEL,
    CollectParams,
    LoadModel,
    MakeReference,
    MakeService,
    Operation,
    RunGuard,
    RunReadBody,
    RunReadForm,
    RunReadQuery,
    RunUse,
    TakeService,
)
from .._plan.services import ResolvedProvider
from .._routes.models import Reference
from ..errors import Forbidden, NotFound, StepError
from .body import RequestBody
from .cached_repository import CachedRepository
from .connection import Connection
from .form import read_form

__all__ = ("call", "make", "run_steps")

Values = dict[Hashable, Any]


async def run_steps(
    operations: tuple[Operation, ...],
    values: Values,
    connection: Connection,
    stack: AsyncExitStack,
    app_services: Callable[[], Mapping[Hashable, Any]],
) -> None:
    """Run the operations. What they provide goes into `values`; what has to be exited later is pushed onto `stack`.

    Raises:
        HTTPException: A step refuses the request.
        StepError: A step broke its contract.
    """
    for operation in operations:
        match operation:
            case RunUse(middleware, name, fields):
                result = await _enter(middleware, values, connection, stack)
                values.update(_named(middleware, result, name, fields))
            case RunGuard(guards):
                await _ask(guards, values)
            case TakeService(key):
                values[key] = app_services()[key]
            case RunReadForm():
                values["form"] = await read_form(
                    operation, values["request"], _body(connection), stack, connection.cleanup_timeout
                )
            case MakeService(provider):
                values[provider.key] = await make(provider, values, connection, stack)
            case _:
                await _read(operation, values, connection)


async def _read(
    operation: RunReadQuery | RunReadBody | MakeReference | LoadModel | CollectParams,
    values: Values,
    connection: Connection,
) -> None:
    """Read a part of the request into a value."""
    match operation:
        case RunReadQuery(reader):
            values[QUERY_MODEL] = reader.read(values["request"].query)
        case RunReadBody(reader):
            values["body"] = await _read_body(reader, values, connection)
        case MakeReference():
            values[operation.parameter] = _reference(operation, values)
        case LoadModel(parameter):
            values[parameter] = await _load(values[parameter])
        case CollectParams(key, model, fields):
            found = {field: values[parameter] for field, parameter in fields}
            values[key] = PathParams(found) if model is None else _to_params(model, found)


async def make(provider: ResolvedProvider, values: Mapping[Hashable, Any], owner: Owner, stack: AsyncExitStack) -> Any:
    """Make a service.

    Raises:
        StepError: Entering it returned something else.
    """
    made = await _enter(provider.call, values, owner, stack)
    wanted = provider.call.function
    if inspect.isclass(wanted) and not isinstance(made, wanted):
        raise StepError(
            f"entering {wanted.__name__} gave {type(made).__name__}, which is not a {wanted.__name__}; a class that is "
            "an async context manager is entered to provide it: provide one that is not to be entered by a function"
        )
    return made


async def call(function: Call, values: Mapping[Hashable, Any]) -> Any:
    """Call a function that is sync or async, and return its result.

    Raises:
        StepError: A sync function returned a coroutine, which nothing would await.
    """
    result = function.function(**{name: values[key] for name, key in function.sources})
    if function.kind is Kind.ASYNC:
        return await result
    if inspect.iscoroutine(result):
        result.close()
        raise StepError(f"{function} is not an async function but returned a coroutine; write it with 'async def'")
    return result


async def _enter(function: Call, values: Mapping[Hashable, Any], owner: Owner, stack: AsyncExitStack) -> Any:
    """Call a function; an async context manager is entered, and exited with `stack`."""
    if function.kind is not Kind.CONTEXT:
        return await call(function, values)
    manager = function.function(**{name: values[key] for name, key in function.sources})
    return await stack.enter_async_context(shielded_exit(manager, owner, function.__str__))


def _named(middleware: Call, result: Any, name: str | None, fields: tuple[str, ...]) -> dict[str, Any]:
    """What a middleware returned, under the names that it provides."""
    if name is not None:
        return {name: result}
    if result is None and fields:
        raise StepError(f"{middleware} returned None, but is annotated to return a value with {', '.join(fields)}")
    if result is not None and not fields:
        raise StepError(
            f"{middleware} returned {type(result).__name__}, which has no name here: give it one, as in "
            ".use(value=…), or annotate what the function returns with an attrs class"
        )
    return {field: getattr(result, field) for field in fields}


async def _ask(guards: tuple[Call, ...], values: Values) -> None:
    for guard in guards:
        answer = await call(guard, values)
        if not isinstance(answer, bool):
            raise StepError(f"guard {guard} returned {type(answer).__name__}; a guard returns True or False")
        if answer:
            return
    raise Forbidden


async def _read_body(reader: Any, values: Values, connection: Connection) -> Any:
    if reader is not None:
        reader.check_media_type(values["request"].headers)
    body = await _body(connection).read()
    return body if reader is None else reader.read(body)


def _body(connection: Connection) -> RequestBody:
    assert connection.body is not None  # noqa: S101 - the plan of a route that reads it has a max_body above 0
    return connection.body


def _reference(operation: MakeReference, values: Values) -> Reference[Any]:
    """Make a reference. All references of a request to one model share what has been looked up."""
    key = CachedRepository, operation.repository
    if key not in values:
        values[key] = CachedRepository[Any](values[operation.repository])
    return Reference[Any](operation.model, values[operation.parameter], values[key])


async def _load(reference: Reference[Any]) -> Any:
    found = await reference
    if found is None:
        raise NotFound(f"There is no {type_name(reference.model)} with this id.")
    return found


def _to_params(model: type[Any], found: dict[str, Any]) -> Any:
    """The path parameters as a value of the user's class. If it refuses them, the path does not fit: 404."""
    try:
        return model(**found)
    except VALIDATION_ERRORS as problem:
        raise NotFound(NOTHING_HERE) from problem
