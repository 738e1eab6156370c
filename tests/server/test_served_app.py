"""The app as the server calls it: what a request raises stays with the request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

from trio_sse._server.app import RequestExit, ServedApp
from trio_sse._server.errors import StartupError


def served(error: BaseException, *, receives_signals: bool = True) -> ServedApp:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return ServedApp(app, receives_signals=receives_signals)


async def call(app: ServedApp, kind: str = "http") -> None:
    async def receive() -> dict[str, Any]:
        return {}

    async def send(_: Any) -> None:
        """Nothing."""

    await app({"type": kind}, receive, send)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("receives_signals", [True, False])
@pytest.mark.parametrize(
    "error", [SystemExit(3), SystemExit("bye"), GeneratorExit(), asyncio.CancelledError(), BaseException()], ids=repr
)
async def test_an_exception_that_ends_programs_ends_the_request(
    error: BaseException, receives_signals: bool, kind: str
) -> None:
    with pytest.raises(RequestExit, match=r"^the app has raised \w+\(.*\) in a request$") as caught:
        await call(served(error, receives_signals=receives_signals), kind)
    assert caught.value.__cause__ is error


async def test_an_interrupt_of_the_apps_own_ends_the_request() -> None:
    """Ctrl-C is a signal that the server receives: it raises nothing."""
    error = KeyboardInterrupt()
    with pytest.raises(RequestExit, match=r"the app has raised KeyboardInterrupt\(\) in a request") as caught:
        await call(served(error))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        BaseExceptionGroup("", [KeyboardInterrupt()]),
        BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]),
    ],
    ids=repr,
)
async def test_where_ctrl_c_raises_it_ends_the_program(error: BaseException) -> None:
    """hypercorn contains groups, so it has to leave its group."""
    with pytest.raises(KeyboardInterrupt):
        await call(served(error, receives_signals=False))


@pytest.mark.parametrize("error", [LookupError(), BaseExceptionGroup("", [SystemExit()])], ids=repr)
async def test_what_hypercorn_contains_is_left_to_it(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        await call(served(error))
    assert caught.value is error


async def test_a_cancellation_passes() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(ServedApp(app, receives_signals=True))
    assert scope.cancelled_caught


# -- the lifespan


def living(error: BaseException, *messages: str) -> ServedApp:
    """An app whose lifespan sends messages, then fails."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send({"type": message})
        raise error

    return ServedApp(app, receives_signals=True)


ENDS = [
    LookupError(),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    BaseExceptionGroup("", [SystemExit(), LookupError()]),
]


@pytest.mark.parametrize("error", ENDS, ids=repr)
async def test_a_lifespan_that_fails_after_the_start_shuts_the_server_down(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    app = living(error, "lifespan.startup.complete")
    await call(app, "lifespan")
    assert app.error is not None
    assert error in (app.error, app.error.__cause__)
    await app.wait_for_shutdown(trio.sleep_forever)
    [message] = caplog.messages
    assert message.startswith("the app has failed, so the server shuts down: ")


@pytest.mark.parametrize("error", ENDS, ids=repr)
@pytest.mark.parametrize("messages", [(), ("lifespan.startup.failed",)])
async def test_a_lifespan_that_fails_before_it_is_the_servers_to_judge(
    messages: tuple[str, ...], error: BaseException
) -> None:
    app = living(error, *messages)
    with pytest.raises(type(error)) as caught:
        await call(app, "lifespan")
    assert caught.value is error
    assert (app.error is None) is (messages == ())


async def test_what_the_app_says_of_a_failed_start_is_kept() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    served = ServedApp(app, receives_signals=True)
    await call(served, "lifespan")
    assert isinstance(served.error, StartupError)
    assert str(served.error) == "no database"


async def test_an_interrupt_leaves_the_lifespan() -> None:
    app = living(KeyboardInterrupt(), "lifespan.startup.complete")
    with pytest.raises(KeyboardInterrupt):
        await call(app, "lifespan")
    assert app.error is None
