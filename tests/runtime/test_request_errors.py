"""What is raised in one request ends that request, with an answer and a traceback; the other requests go on."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse import SSE, Aborted, App, Get
from trio_sse._runtime.request_error import INTERRUPTS, keep_error
from trio_sse.errors import HTTPException, NoContent, NotFound
from trio_sse.testing import TestClient

Fail = Callable[[], NoReturn]

PROBLEM = b'{"title":"Internal Server Error","status":500}'
LAST_FRAME = b"event: stream-error\ndata: " + PROBLEM + b"\n\n"


class Stop(BaseException):
    """A BaseException of the user's own, as libraries have them for their control flow."""


class Made:
    """A service that cannot be made."""


class Closed:
    """A service that cannot be closed."""


def nested(*errors: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("outer", [BaseExceptionGroup("inner", list(errors))])


ERRORS: dict[str, Callable[[], BaseException]] = {
    "an exit": lambda: SystemExit(3),
    "an exit with a message": lambda: SystemExit("bye"),
    "a stray GeneratorExit": GeneratorExit,
    "asyncio's CancelledError": asyncio.CancelledError,
    "a BaseException of the user's": Stop,
    "a group of a GeneratorExit": lambda: BaseExceptionGroup("", [GeneratorExit()]),
    "a group of groups": lambda: nested(GeneratorExit(), SystemExit()),
    "a group with an ordinary error": lambda: nested(ValueError("mine"), GeneratorExit()),
    "a group with an answer": lambda: nested(NotFound(), GeneratorExit()),
}


# -- where it is raised


@attrs.frozen
class Place:
    """A place in a request where something fails.

    Attributes:
        app: The app that fails there. Its stream is /stream, its plain route /plain.
        started: Whether the response of the stream has started by then.
    """

    app: App
    started: bool


async def stream() -> AsyncIterator[Any]:
    yield {"data": 1}


async def plain() -> int:
    return 1


def by_steps(*, started: bool = False, app: App | None = None, **steps: Any) -> Place:
    """Routes whose steps or services fail. `guard` and `inject` are not names of steps."""
    routes: list[Any] = []
    for route, handler in ((SSE("/stream"), stream), (Get("/plain"), plain)):
        made: Any = route
        if "guard" in steps:
            made = made.guard(steps["guard"])
        elif "inject" in steps:
            made = made.inject(service=steps["inject"]).use(needs_service)
        else:
            made = made.use(**steps)
        routes.append(made.handle(handler))
    return Place((app or App()).add(*routes), started)


def needs_service(service: object) -> None:
    """A step that makes the service be made."""


def by_handlers(streaming: Any, answering: Any, *, started: bool = True) -> Place:
    return Place(App().add(SSE("/stream").handle(streaming), Get("/plain").handle(answering)), started)


def in_a_step(fail: Fail) -> Place:
    async def step() -> int:
        fail()

    return by_steps(value=step)


def in_a_synchronous_step(fail: Fail) -> Place:
    def step() -> int:
        fail()

    return by_steps(value=step)


def in_a_guard(fail: Fail) -> Place:
    def guard() -> bool:
        fail()

    return by_steps(guard=guard)


def on_entering_a_step(fail: Fail) -> Place:
    @asynccontextmanager
    async def step() -> AsyncIterator[int]:
        fail()
        yield 1

    return by_steps(value=step)


def on_leaving_a_step(fail: Fail) -> Place:
    @asynccontextmanager
    async def step() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            fail()

    return by_steps(value=step, started=True)


def in_a_services_factory(fail: Fail) -> Place:
    def make() -> Made:
        fail()

    return by_steps(inject=Made, app=App().provide(Made, make, scope="request"))


def on_closing_a_service(fail: Fail) -> Place:
    @asynccontextmanager
    async def make() -> AsyncIterator[Closed]:
        yield Closed()
        fail()

    return by_steps(inject=Closed, app=App().provide(Closed, make, scope="request"), started=True)


def in_the_handler(fail: Fail) -> Place:
    async def streaming() -> AsyncIterator[Any]:
        yield {"data": 1}
        fail()

    async def answering() -> None:
        fail()

    return by_handlers(streaming, answering)


def before_the_first_event(fail: Fail) -> Place:
    async def streaming() -> AsyncIterator[Any]:
        fail()
        yield {"data": 1}

    def answering() -> None:
        fail()

    return by_handlers(streaming, answering)


def before_the_stream_is_returned(fail: Fail) -> Place:
    async def returning() -> AsyncIterator[Any]:
        fail()

    return by_handlers(returning, returning, started=False)


def in_the_handlers_clean_up(fail: Fail) -> Place:
    async def streaming() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
        finally:
            fail()

    async def answering() -> None:
        try:
            await trio.lowlevel.checkpoint()
        finally:
            fail()

    return by_handlers(streaming, answering)


def in_a_task_of_the_request(fail: Fail) -> Place:
    async def task() -> None:
        fail()

    async def streaming(nursery: trio.Nursery) -> AsyncIterator[Any]:
        yield {"data": 1}
        nursery.start_soon(task)
        await trio.sleep_forever()

    async def answering(nursery: trio.Nursery) -> None:
        nursery.start_soon(task)
        await trio.sleep_forever()

    return by_handlers(streaming, answering)


def in_a_task_of_the_handler(fail: Fail) -> Place:
    async def task() -> None:
        fail()

    async def streaming() -> AsyncIterator[Any]:
        async with trio.open_nursery() as own:
            yield {"data": 1}
            own.start_soon(task)
            yield {"data": 2}
            await trio.sleep_forever()

    async def answering() -> None:
        async with trio.open_nursery() as own:
            own.start_soon(task)

    return by_handlers(streaming, answering)


PLACES = (
    in_a_step,
    in_a_synchronous_step,
    in_a_guard,
    on_entering_a_step,
    on_leaving_a_step,
    in_a_services_factory,
    on_closing_a_service,
    in_the_handler,
    before_the_first_event,
    before_the_stream_is_returned,
    in_the_handlers_clean_up,
    in_a_task_of_the_request,
    in_a_task_of_the_handler,
)


def failing_with(error: BaseException) -> Fail:
    def fail_here() -> NoReturn:
        raise error

    return fail_here


async def ticks() -> AsyncIterator[Any]:
    while True:
        await trio.sleep(1)
        yield {"data": "tick"}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("path", ["/stream", "/plain"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_it_ends_its_own_request(
    place: Callable[[Fail], Place], path: str, error: Callable[[], BaseException], autojump_clock: MockClock
) -> None:
    raised = error()
    failing = place(failing_with(raised))
    app = failing.app.add(SSE("/ticks").heartbeat(None).handle(ticks))
    async with TestClient(app) as client, client.stream("/ticks") as other:
        async with client.stream(path, wait=False) as request:
            await request.ended()
            kept = request.claim_error()
        if failing.started and path == "/stream":
            assert (request.status, request.complete) == (200, False)
            assert request.raw.endswith(LAST_FRAME)
        else:
            assert (request.status, request.complete, request.raw) == (500, True, PROBLEM)
        assert "fail_here" in "".join(traceback.format_exception(kept))
        assert_is_about(kept, raised)
        assert (await other.event()).data == "tick"


def assert_is_about(kept: Exception, raised: BaseException) -> None:
    """The error says what was raised. Its cause is that, or the group of a nursery of the handler's."""
    assert isinstance(kept, RuntimeError)
    assert str(kept) == f"{kept.__cause__!r} was raised while a request was answered; it ends that request only"
    assert repr(raised) in repr(kept.__cause__)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_a_client_that_is_gone_changes_nothing(
    error: Callable[[], BaseException], autojump_clock: MockClock
) -> None:
    raised, reasons = error(), list[Any]()

    async def handler(aborted: Aborted) -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        finally:
            reasons.append(aborted.reason)
            raise raised

    async with TestClient(App().add(SSE("/").handle(handler))).stream("/") as stream:
        await stream.event()
        stream.disconnect()
        await stream.ended()
        assert_is_about(stream.claim_error(), raised)
    assert reasons == ["client_gone"]


# -- a nursery around a `yield`, which wraps the GeneratorExit of a close in a group


async def numbers() -> AsyncGenerator[Any]:
    async with trio.open_nursery():
        for number in range(10):
            yield {"data": number}


async def breaking() -> AsyncIterator[Any]:
    async with aclosing(numbers()) as items:
        async for item in items:
            yield item
            break


async def raising() -> AsyncIterator[Any]:
    async with aclosing(numbers()) as items:
        async for item in items:
            yield item
            raise ValueError("mine")


@pytest.mark.parametrize("handler", [breaking, raising])
async def test_a_generator_with_a_nursery_that_is_closed_early_ends_its_stream(handler: Any) -> None:
    """Trio's rule: such a generator may not be closed at its `yield`. The log says what has happened."""
    async with TestClient(App().add(SSE("/").handle(handler))).stream("/") as stream:
        await stream.ended()
        kept = stream.claim_error()
    assert stream.raw == b":\ndata: 0\n\n" + LAST_FRAME
    assert isinstance(kept.__cause__, BaseExceptionGroup)
    assert "GeneratorExit" in str(kept)


async def test_a_plain_handler_that_closes_such_a_generator_is_a_500() -> None:
    async def answering() -> None:
        async with aclosing(numbers()) as items:
            async for _ in items:
                break

    async with TestClient(App().add(Get("/").handle(answering))).stream("/") as request:
        await request.ended()
        assert isinstance(request.claim_error().__cause__, BaseExceptionGroup)
    assert (request.status, request.raw) == (500, PROBLEM)


# -- what comes from outside


@pytest.mark.parametrize("path", ["/stream", "/plain"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, lambda: nested(KeyboardInterrupt(), ValueError("mine"))], ids=["alone", "in a group"]
)
async def test_an_interrupt_leaves_the_app(
    place: Callable[[Fail], Place], path: str, error: Callable[[], BaseException], autojump_clock: MockClock
) -> None:
    failing = place(failing_with(error()))
    with pytest.raises(BaseExceptionGroup) as caught:  # those are the groups of the client's nurseries
        await TestClient(failing.app).get(path)
    assert caught.value.subgroup(KeyboardInterrupt) is not None


@pytest.mark.parametrize("path", ["/stream", "/plain"])
async def test_a_cancellation_from_outside_with_an_error_is_both(path: str, autojump_clock: MockClock) -> None:
    async def crash() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("mine")

    async def streaming() -> AsyncIterator[Any]:
        async with trio.open_nursery() as own:
            own.start_soon(crash)
            yield {"data": 1}
            await trio.sleep_forever()

    async def answering() -> None:
        async with trio.open_nursery() as own:
            own.start_soon(crash)

    app = by_handlers(streaming, answering).app
    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1) as scope:
        await TestClient(app).get(path)
    assert scope.cancelled_caught
    assert caught.value.subgroup(ValueError) is not None


async def cancelled_too_late() -> None:
    """Raise a Cancelled whose scope has exited."""
    late: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            late.append(error)
    raise late[0]


async def test_a_cancelled_that_no_scope_catches_is_an_error_of_the_request() -> None:
    async def streaming() -> AsyncIterator[Any]:
        yield {"data": 1}
        await cancelled_too_late()

    client = TestClient(by_handlers(streaming, cancelled_too_late).app)
    for path, end in (("/stream", LAST_FRAME), ("/plain", PROBLEM)):
        async with client.stream(path, wait=False) as request:
            await request.ended()
            assert isinstance(request.claim_error().__cause__, trio.Cancelled)
        assert request.raw.endswith(end)


# -- an error is raised as it was: with its cause, or what was being handled when it was raised


def caused() -> NoReturn:
    try:
        raise LookupError("first")
    except LookupError as first:
        raise ValueError("second") from first


def in_context() -> NoReturn:
    try:
        raise LookupError("first")
    except LookupError:
        raise ValueError("second")  # noqa: B904 - that is what is tested


@pytest.mark.parametrize("fail", [caused, in_context])
@pytest.mark.parametrize("path", ["/stream", "/plain"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_the_traceback_shows_what_came_before(
    place: Callable[[Fail], Place], path: str, fail: Fail, autojump_clock: MockClock
) -> None:
    async with TestClient(place(fail).app) as client, client.stream(path, wait=False) as request:
        await request.ended()
        text = "".join(traceback.format_exception(request.claim_error()))
    assert "LookupError: first" in text
    assert "ValueError: second" in text


# -- the rule itself


def kept_and_raised(raised: BaseException, **options: Any) -> tuple[list[Exception], BaseException | None]:
    kept: list[Exception] = []
    try:
        keep_error(raised, kept.append, **options)
    except BaseException as error:
        return kept, error
    return kept, None


@pytest.mark.parametrize("error", [ValueError(), NotFound(), ExceptionGroup("", [ValueError()])], ids=repr)
def test_an_ordinary_error_is_kept_as_it_is(error: Exception) -> None:
    kept, raised = kept_and_raised(error)
    assert kept == [error]
    assert kept[0] is error
    assert raised is None


@pytest.mark.parametrize(
    ("group", "kept", "raised"),
    [
        (nested(KeyboardInterrupt()), [], nested(KeyboardInterrupt())),
        (nested(KeyboardInterrupt(), ValueError()), [nested(ValueError())], nested(KeyboardInterrupt())),
        (nested(ValueError(), OSError()), [nested(ValueError(), OSError())], None),
    ],
    ids=repr,
)
def test_a_group_is_taken_apart(group: Any, kept: list[Any], raised: Any) -> None:
    found = kept_and_raised(group)
    assert repr(found) == repr((kept, raised))


@pytest.mark.parametrize("cause", [None, OSError()], ids=repr)
def test_what_is_raised_on_keeps_its_cause(cause: Exception | None) -> None:
    interrupt = KeyboardInterrupt()
    interrupt.__cause__ = cause
    assert kept_and_raised(interrupt) == ([], interrupt)
    assert interrupt.__cause__ is cause


async def test_a_cancelled_is_raised_on_or_kept() -> None:
    caught: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            caught.append(error)
            raise
    [cancelled] = caught
    assert kept_and_raised(cancelled) == ([], cancelled)
    [kept], raised = kept_and_raised(cancelled, pass_on=INTERRUPTS)
    assert kept.__cause__ is cancelled
    assert raised is None


# -- NoContent after the start: the end of a stream for good, as with Done()

DONE = b"event: stream-done\nid: trio-sse.done\ndata: null\n\n"


async def at_once(error: Exception) -> AsyncIterator[Any]:
    raise error
    yield


async def after_an_event(error: Exception) -> AsyncIterator[Any]:
    yield {"data": 1}
    raise error


async def as_it_is_closed(error: Exception) -> AsyncIterator[Any]:
    try:
        yield {"data": 1}
    finally:
        raise error


async def within_a_nursery(error: Exception) -> AsyncIterator[Any]:
    async with trio.open_nursery():
        yield {"data": 1}
        raise error


class Stream:
    """An async iterable that a handler returns."""

    def __init__(self, error: Exception) -> None:
        self._items = after_an_event(error)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items


async def returned(error: Exception) -> AsyncIterator[Any]:
    return Stream(error)  # type: ignore[return-value]


NO_CONTENT = pytest.mark.parametrize("error", [NoContent(), NoContent("over"), HTTPException(status=204)], ids=repr)


@NO_CONTENT
@pytest.mark.parametrize("handler", [at_once, after_an_event, as_it_is_closed, within_a_nursery, returned])
async def test_no_content_after_the_start_ends_the_stream_for_good(
    handler: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[BaseException] = []

    @asynccontextmanager
    async def step() -> AsyncIterator[Exception]:
        try:
            yield error
        except BaseException as raised:
            seen.append(raised)
            raise

    app = App().add(SSE("/").use(error=step).handle(handler))
    reply = await TestClient(app).get("/")
    events = b"" if handler is at_once else b"data: 1\n\n"
    assert (reply.status, reply.body) == (200, b":\n" + events + DONE)
    assert len(seen) == 1, "the steps are told, so that they commit nothing"
    assert caplog.messages == []
    assert app.statistics().routes["SSE /"].ended == {"finished": 1}
    assert (await TestClient(app).get("/", headers={"last-event-id": "trio-sse.done"})).status == 204


@NO_CONTENT
async def test_no_content_of_a_step_that_is_left_ends_the_stream_for_good(error: Exception) -> None:
    @asynccontextmanager
    async def step() -> AsyncIterator[None]:
        yield
        raise error

    assert (await TestClient(App().add(SSE("/").use(step).handle(stream))).get("/")).body == b":\ndata: 1\n\n" + DONE


@NO_CONTENT
async def test_no_content_of_a_task_beside_the_handler_is_an_error(error: Exception, autojump_clock: MockClock) -> None:
    failing = in_a_task_of_the_request(failing_with(error))
    async with TestClient(failing.app).stream("/stream") as request:
        await request.ended()
        assert request.claim_error() is error
    assert request.raw.endswith(LAST_FRAME)


@NO_CONTENT
async def test_no_content_with_another_error_is_an_error(error: Exception) -> None:
    failing = in_the_handler(failing_with(ExceptionGroup("", [error, ValueError("mine")])))
    async with TestClient(failing.app).stream("/stream") as request:
        await request.ended()
        assert isinstance(request.claim_error(), ExceptionGroup)
    assert request.raw.endswith(LAST_FRAME)


async def test_a_client_that_is_to_reconnect_is_not_told_to_after_no_content(autojump_clock: MockClock) -> None:
    """The server shuts down, and the handler ends its stream for good at that."""

    async def handler() -> AsyncIterator[Any]:
        try:
            yield {"data": 1}
            await trio.sleep_forever()
        except trio.Cancelled:
            raise NoContent from None

    client = TestClient(App().add(SSE("/").handle(handler)))
    async with client.stream("/") as stream:
        await stream.event()
        client.drain(10)
        await stream.ended()
    assert DONE in stream.raw


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotFound("gone"), b'{"title":"Not Found","status":404,"detail":"gone"}'),
        (HTTPException("odd", status=304), PROBLEM),
    ],
    ids=repr,
)
async def test_any_other_status_after_the_start_is_an_error(error: Exception, told: bytes) -> None:
    failing = in_the_handler(failing_with(error))
    async with TestClient(failing.app).stream("/stream") as request:
        await request.ended()
        assert "too late for a status" in request.claim_error().__notes__[0]
    assert request.raw.endswith(b"event: stream-error\ndata: " + told + b"\n\n")
    assert not request.complete


# -- what a client has sent, in what the log may show


@pytest.mark.parametrize("target", ["/%1b[31m", "/%0d%0a", "/nowhere/%E2%80%AE"])
async def test_the_label_of_a_refused_request_can_be_printed(target: str) -> None:
    """It names the tasks of the request, which errors and tracebacks name."""
    async with TestClient(App()).stream(target, wait=False) as request:
        request.pause()
        await wait_all_tasks_blocked()
        [driver] = [name for name in request.living_tasks if name.startswith("driver of GET /")]
        assert driver.isprintable()
        request.resume()
        await request.ended()
    assert request.status in (400, 404)
