"""An app on an event loop that is not Trio's, and calls of asyncio in an app: each is told in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from trio.testing import MockClock

from support.asgi import scope_of
from trio_sse import SSE, App, Get
from trio_sse._runtime.event_loop import WRONG_LOOP, WrongEventLoop, explain_asyncio
from trio_sse.testing import TestClient


async def hello() -> AsyncIterator[Any]:
    yield {"data": "hello"}


APP = App().add(SSE("/").handle(hello))


async def receive() -> Any:
    return {"type": "lifespan.startup"}


def test_the_server_is_told_that_the_app_cannot_start() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(APP({"type": "lifespan"}, receive, send))
    assert sent == [{"type": "lifespan.startup.failed", "message": WRONG_LOOP}]


def test_a_server_that_raises_at_that_ends_with_the_sentence() -> None:
    async def send(_message: Any) -> None:
        raise LookupError("the start has failed")

    with pytest.raises(SystemExit) as caught:
        asyncio.run(APP({"type": "lifespan"}, receive, send))
    assert caught.value.code == WRONG_LOOP
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("target", ["/", "/nowhere"])
def test_without_a_lifespan_each_request_says_it(target: str) -> None:
    async def serve() -> None:
        with pytest.raises(WrongEventLoop) as caught:
            await APP(scope_of("GET", target, {}), receive, receive)  # type: ignore[arg-type]
        assert str(caught.value) == WRONG_LOOP
        assert caught.value.__suppress_context__

    asyncio.run(serve())


def test_an_outer_app_that_enters_the_lifespan_is_told_too() -> None:
    async def start() -> None:
        async with APP.lifespan():
            pass

    with pytest.raises(WrongEventLoop):
        asyncio.run(start())


async def test_an_error_of_trio_s_own_is_raised_as_it_is(autojump_clock: MockClock) -> None:
    async def wrong() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as caught:
        await TestClient(App().add(Get("/").handle(wrong))).get("/")
    assert not isinstance(caught.value, WrongEventLoop)


# -- asyncio in a handler


async def sleeping() -> None:
    await asyncio.sleep(1)


async def looking_for_the_loop() -> None:
    asyncio.get_running_loop()


class Future:
    """What awaiting one of asyncio's futures passes to the event loop."""

    def __await__(self) -> Any:
        yield self


async def waiting_for_a_future() -> None:
    await Future()


@pytest.mark.parametrize("handler", [sleeping, looking_for_the_loop, waiting_for_a_future])
async def test_an_asyncio_call_in_a_handler_gets_a_note(handler: Any, autojump_clock: MockClock) -> None:
    async with TestClient(App().add(Get("/").handle(handler))).stream("/", wait=False) as request:
        await request.ended()
        first, second = request.claim_error().__notes__
    assert first.startswith("Handlers run on Trio, where asyncio does not work: use trio.sleep")
    assert second == f"while answering GET / with {handler.__name__}()"


async def test_other_errors_get_none() -> None:
    error = ExceptionGroup("", [RuntimeError("mine"), ValueError("no running event loop")])
    explain_asyncio(error)
    assert not any(hasattr(each, "__notes__") for each in error.exceptions)


async def test_the_note_is_on_the_error_itself_and_not_on_its_group() -> None:
    error = RuntimeError("no running event loop")
    explain_asyncio(ExceptionGroup("", [ExceptionGroup("", [error])]))
    assert len(error.__notes__) == 1


async def test_a_service_that_calls_asyncio_gets_the_note_too(autojump_clock: MockClock) -> None:
    async def make() -> int:
        await asyncio.sleep(1)
        return 5

    app = App().provide(int, make).add(Get("/").inject(number=int).handle(lambda number: number))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    assert "Handlers run on Trio" in sent[0]["message"]
