"""How a function is called: fixed when it is declared, whatever is wrapped around it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import attrs
import pytest
import trio

from trio_sse import any_of
from trio_sse._ground.calls import Kind, kind_of
from trio_sse._http.form_reader import FormLimits
from trio_sse._routes.steps import AnyOf, Guard, ReadBody, ReadForm, ReadQuery, Use
from trio_sse.errors import BuildError


def sync() -> int:
    return 1


async def coroutine() -> int:
    return 1


async def generator() -> AsyncGenerator[int]:
    yield 1


def sync_generator() -> Iterator[int]:
    yield 1


@contextlib.asynccontextmanager
async def manager() -> AsyncIterator[int]:
    yield 1


@contextlib.contextmanager
def sync_manager() -> Iterator[int]:
    yield 1


@trio.as_safe_channel
async def channel() -> AsyncGenerator[int]:
    yield 1


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def retried(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        async for item in function(*args, **kwargs):
            yield item

    return wrapper


class Methods:
    def sync(self) -> None: ...

    async def coroutine(self) -> None: ...

    async def generator(self) -> AsyncGenerator[int]:
        yield 1

    @contextlib.asynccontextmanager
    async def manager(self) -> AsyncIterator[int]:
        yield 1

    @staticmethod
    async def static() -> None: ...


class SyncCall:
    def __call__(self) -> None: ...


class AsyncCall:
    def __init__(self, func: Any = None) -> None:
        self.func = func

    async def __call__(self) -> None: ...


class GeneratorCall:
    async def __call__(self) -> AsyncGenerator[int]:
        yield 1


class ManagerCall:
    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


class Decorator:
    """A decorator written as a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)

    def __call__(self) -> Any:
        return self.__wrapped__()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (sync, Kind.SYNC),
        (lambda: 1, Kind.SYNC),
        (print, Kind.SYNC),
        (Methods, Kind.SYNC),
        (Methods().sync, Kind.SYNC),
        (SyncCall(), Kind.SYNC),
        (functools.partial(sync), Kind.SYNC),
        (functools.lru_cache(sync), Kind.SYNC),
        (logged(sync), Kind.SYNC),
        (coroutine, Kind.ASYNC),
        (Methods().coroutine, Kind.ASYNC),
        (Methods.static, Kind.ASYNC),
        (AsyncCall(), Kind.ASYNC),
        (AsyncCall(sync), Kind.ASYNC),
        (AsyncCall(generator), Kind.ASYNC),
        (functools.partial(coroutine), Kind.ASYNC),
        (functools.partial(AsyncCall()), Kind.ASYNC),
        (logged(coroutine), Kind.ASYNC),
        (logged(AsyncCall()), Kind.ASYNC),
        (functools.partial(logged(coroutine)), Kind.ASYNC),
        (Decorator(coroutine), Kind.ASYNC),
        (retried(sync), Kind.ASYNC),
        (retried(generator), Kind.ASYNC),
        (retried(sync_generator), Kind.ASYNC),
        (generator, Kind.GENERATOR),
        (Methods().generator, Kind.GENERATOR),
        (GeneratorCall(), Kind.GENERATOR),
        (functools.partial(generator), Kind.GENERATOR),
        (functools.partial(GeneratorCall()), Kind.GENERATOR),
        (traced(generator), Kind.GENERATOR),
        (traced(sync), Kind.GENERATOR),
        (manager, Kind.CONTEXT),
        (Methods().manager, Kind.CONTEXT),
        (ManagerCall(), Kind.CONTEXT),
        (functools.partial(manager), Kind.CONTEXT),
        (logged(manager), Kind.CONTEXT),
        (Decorator(manager), Kind.CONTEXT),
        (contextlib.asynccontextmanager(functools.partial(generator)), Kind.CONTEXT),
        (contextlib.asynccontextmanager(GeneratorCall()), Kind.CONTEXT),
        (channel, Kind.CONTEXT),
    ],
)
def test_the_outermost_layer_that_tells_decides(function: Callable[..., Any], kind: Kind) -> None:
    assert kind_of(function) is kind


@pytest.mark.parametrize("function", [sync_generator, sync_manager, functools.partial(sync_generator)])
def test_a_synchronous_generator_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(BuildError, match=r"^sync_\w+\(\) is a synchronous generator or context manager; write it with"):
        kind_of(function)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(BuildError, match=r"^'admin' is not a function$"):
        kind_of("admin")  # type: ignore[arg-type]


# -- any_of


def test_any_of_takes_two_or_more() -> None:
    assert any_of(sync, coroutine) == AnyOf((sync, coroutine))
    for too_few in ((), (sync,)):
        with pytest.raises(BuildError, match="takes two guards or more"):
            any_of(*too_few)


def test_any_of_within_any_of_counts_as_its_guards() -> None:
    assert any_of(sync, any_of(coroutine, print)) == any_of(sync, coroutine, print)


# -- steps as values


@attrs.frozen
class Model:
    field: int


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Use(sync), ".use(sync)"),
        (Use(sync, "user"), ".use(user=sync)"),
        (Use(functools.partial(sync), "user"), ".use(user=sync)"),
        (Guard(coroutine), ".guard(coroutine)"),
        (Guard(lambda: True), ".guard(<lambda>)"),
        (any_of(sync, coroutine), ".guard(any_of(sync, coroutine))"),
        (ReadQuery(Model), ".query(Model)"),
        (ReadBody(Model), ".body(Model)"),
        (ReadBody(list[Model], 10), ".body(list[Model], max_size=10)"),
        (ReadForm(Model), ".form(Model)"),
        (ReadForm(Model, FormLimits(max_file_size=5, max_fields=2)), ".form(Model, max_file_size=5, max_fields=2)"),
    ],
)
def test_a_step_reads_as_it_was_declared(step: object, text: str) -> None:
    assert str(step).replace("tests.", "") == text


def test_steps_are_values() -> None:
    assert Use(sync) == Use(sync) != Use(sync, "user")
    steps: list[object] = [Guard(sync), Use(sync)]
    assert steps[0] != steps[1]
    assert len({ReadQuery(Model), ReadQuery(Model), ReadBody(Model)}) == 2
