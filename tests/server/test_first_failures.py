"""Golden outputs: what the server writes about a first mistake, character for character."""

# ruff: noqa: E501 - a line of an output stays one line

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import trio

from trio_sse import App, Get, run, serve
from trio_sse._server import contract
from trio_sse.cli import main
from trio_sse.cli.target import load

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's folder. hypercorn's loggers are global, and write to the standard error where nothing else does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    errors = logging.getLogger("hypercorn.error")
    handlers, level = errors.handlers[:], errors.level
    yield tmp_path
    errors.handlers = handlers
    errors.setLevel(level)
    sys.modules.pop("shop", None)


def normalized(text: str, folder: Path) -> str:
    """The output without times, process ids and the folder."""
    text = re.sub(r"^\[[^]]+\] \[\d+\] ", "", text, flags=re.MULTILINE).replace(f"{folder}/", "")
    return "".join(line for line in text.splitlines(keepends=True) if "Running on" not in line)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    asked = trio.Event()
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(partial(serve, app, bind="127.0.0.1:0", shutdown_trigger=asked.wait))
        yield int(address.rpartition(":")[2])
        asked.set()


async def get(port: int) -> None:
    """Send a request, and read to the end of the connection."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        async for _ in stream:
            pass


IMPORTS = """\
import asyncio
import sys
import trio.testing
from trio_sse import SSE, App, Get, NotFound
"""

IN_A_REQUEST = {
    "a handler raises": (
        """
        async def events():
            yield {"data": 1}
            raise ValueError("no such ticker")

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] ValueError: no such ticker
            while answering SSE / with events()
            File "shop.py", line 8, in events
              raise ValueError("no such ticker")
        """,
    ),
    "a handler yields a number": (
        """
        async def events():
            yield 5

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] trio_sse.errors.EventError: SSE /: event: must be a ServerSentEvent or a mapping like {"data": …}, not int
            while answering SSE / with events()
            File "shop.py", line 7, in events
              yield 5
        """,
    ),
    "a handler misspells a key": (
        """
        async def events():
            yield {"dta": 1}

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] trio_sse.errors.EventError: SSE /: event field 'dta': there is no such field; the fields are comment, data, event, id, retry; did you mean 'data'?
            while answering SSE / with events()
            File "shop.py", line 7, in events
              yield {"dta": 1}
        """,
    ),
    "await is missing": (
        """
        async def load():
            return 1

        async def events():
            yield {"data": load()}

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] trio_sse.errors.EventError: SSE /: event field 'data': is the coroutine load(), which has not been awaited: write 'await'
            while answering SSE / with events()
            File "shop.py", line 10, in events
              yield {"data": load()}
        """,
    ),
    "await is missing in a plain handler": (
        """
        async def load():
            return 1

        async def answer():
            return {"count": load()}

        app = App().add(Get("/").handle(answer))
        """,
        """
        [ERROR] trio_sse.errors.StepError: GET /: the value that the handler returned: is the coroutine load(), which has not been awaited: write 'await'
            while answering GET / with answer()
        """,
    ),
    "asyncio in a handler": (
        """
        async def answer():
            asyncio.get_running_loop()

        app = App().add(Get("/").handle(answer))
        """,
        """
        [ERROR] RuntimeError: no running event loop
            Handlers run on Trio, where asyncio does not work: use trio.sleep, trio.open_nursery, trio.Event and so on, and libraries that support Trio.
            while answering GET / with answer()
            File "shop.py", line 7, in answer
              asyncio.get_running_loop()
        """,
    ),
    "a step returns the wrong thing": (
        """
        def user():
            return 5

        async def events():
            yield {"data": 1}

        app = App().add(SSE("/").use(user).handle(events))
        """,
        """
        [ERROR] trio_sse.errors.StepError: user() returned int, which has no name here: give it one, as in .use(value=…), or annotate what the function returns with an attrs class
            while answering SSE / with events()
        """,
    ),
    "a guard returns the wrong thing": (
        """
        def allowed():
            return "yes"

        async def events():
            yield {"data": 1}

        app = App().add(SSE("/").guard(allowed).handle(events))
        """,
        """
        [ERROR] trio_sse.errors.StepError: guard allowed() returned str; a guard returns True or False
            while answering SSE / with events()
        """,
    ),
    "a guard fails": (
        """
        def allowed(headers):
            return headers["x-key"] == "secret"

        async def events():
            yield {"data": 1}

        app = App().add(SSE("/").guard(allowed).handle(events))
        """,
        """
        [ERROR] KeyError: 'x-key'
            while answering SSE / with events()
            File "shop.py", line 7, in allowed
              return headers["x-key"] == "secret"
        """,
    ),
    "a task in a nursery of the handler's fails": (
        """
        async def fetch():
            raise ValueError("no such ticker")

        async def events():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fetch)
                yield {"data": 1}
                await trio.sleep_forever()

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] ValueError: no such ticker
            while answering SSE / with events()
            File "shop.py", line 10, in events
              async with trio.open_nursery() as nursery:
            File "shop.py", line 7, in fetch
              raise ValueError("no such ticker")
        """,
    ),
    "a task in the request's nursery fails": (
        """
        async def fetch():
            raise ValueError("no such ticker")

        async def events(nursery):
            nursery.start_soon(fetch)
            yield {"data": 1}
            await trio.sleep_forever()

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] ValueError: no such ticker
            while answering SSE / with events()
            File "shop.py", line 7, in fetch
              raise ValueError("no such ticker")
        """,
    ),
    "a 404 comes too late": (
        """
        async def events():
            raise NotFound("no such order")
            yield

        app = App().add(SSE("/").handle(events))
        """,
        """
        [ERROR] trio_sse.errors.NotFound: 404 Not Found: no such order
            It was raised after the response had started, too late for a status: raise it in a step, or let the handler be a coroutine function that returns its stream.
            while answering SSE / with events()
            File "shop.py", line 7, in events
              raise NotFound("no such order")
        """,
    ),
    "a handler exits": (
        """
        async def answer():
            sys.exit(3)

        app = App().add(Get("/").handle(answer))
        """,
        """
        [ERROR] RuntimeError: SystemExit(3) was raised while a request was answered; it ends that request only
            while answering GET / with answer()
            caused by SystemExit: 3
              File "shop.py", line 7, in answer
                sys.exit(3)
        """,
    ),
}


@pytest.mark.parametrize(("source", "golden"), IN_A_REQUEST.values(), ids=IN_A_REQUEST)
async def test_a_mistake_that_a_request_finds(
    source: str, golden: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.py").write_text(IMPORTS + dedent(source))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    async with served(load("shop:app")) as port:
        await get(port)
    assert normalized(capsys.readouterr().err, folder) == dedent(golden).lstrip("\n")


AT_THE_START = {
    "an unknown parameter": (
        """
        async def events(last_id):
            yield {"data": 1}

        app = App().add(SSE("/").handle(events))
        """,
        """
        trio-sse: SSE /: handler events() asks for 'last_id', which nothing provides. Available here: aborted, app_nursery, cookies, count_as, draining, expire_at, headers, last_event_id, nursery, params, query, request, response, statistics, url
        """,
    ),
    "a generator that is not async": (
        """
        def events():
            yield {"data": 1}

        app = App().add(SSE("/").handle(events))
        """,
        """
        trio-sse: events() is a synchronous generator or context manager; write it with 'async def' (and @asynccontextmanager)
        """,
    ),
    "no handler": (
        """
        app = App().add(SSE("/"))
        """,
        """
        trio-sse: SSE /: this route has no handler; finish it with .handle(function)
        """,
    ),
    "a service that cannot be made": (
        """
        class Database:
            def __init__(self):
                raise ConnectionRefusedError("nobody listens there")

        async def events(database):
            yield {"data": 1}

        app = App().provide(Database).add(SSE("/").inject(database=Database).handle(events))
        """,
        """
        trio-sse: ConnectionRefusedError: nobody listens there
          while the app starts, in Database()
          File "shop.py", line 8, in __init__
            raise ConnectionRefusedError("nobody listens there")
        """,
    ),
    "a module that does not exist": (
        """
        import no_such_module

        app = App()
        """,
        """
        trio-sse: cannot import shop: ModuleNotFoundError: No module named 'no_such_module'
          File "shop.py", line 6, in <module>
            import no_such_module
        """,
    ),
    "a syntax error": (
        """
        async def events(:
            yield

        app = App()
        """,
        """
        trio-sse: cannot import shop: SyntaxError: invalid syntax
          File "shop.py", line 6
            async def events(:
                             ^
        """,
    ),
    "no app": (
        """
        app = 5
        """,
        """
        trio-sse: shop:app is int, and not an app
        """,
    ),
    "a function that makes the app": (
        """
        def app():
            return App()
        """,
        """
        trio-sse: shop:app is not an app: an app is called with scope, receive and send; if it is a function that makes the app, call it in its module, and name the result
        """,
    ),
    "a task of the app that fails": (
        """
        async def crash():
            raise ValueError("no such ticker")

        class Ticker:
            def __init__(self, app_nursery: trio.Nursery):
                app_nursery.start_soon(self.run)

            async def run(self):
                await trio.testing.wait_all_tasks_blocked(0.01)
                await crash()

        async def events(ticker):
            yield {"data": 1}

        app = App().provide(Ticker).add(SSE("/").inject(ticker=Ticker).handle(events))
        """,
        """
        trio-sse: ValueError: no such ticker
          File "shop.py", line 15, in run
            await crash()
          File "shop.py", line 7, in crash
            raise ValueError("no such ticker")
        """,
    ),
}


@pytest.mark.parametrize(("source", "golden"), AT_THE_START.values(), ids=AT_THE_START)
def test_a_mistake_that_the_start_finds(
    source: str, golden: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.py").write_text(IMPORTS + dedent(source))
    assert main(["run", "shop:app", "--bind", "127.0.0.1:0"]) == 1
    assert normalized(capsys.readouterr().err, folder) == dedent(golden).lstrip("\n")


@pytest.mark.parametrize(
    ("target", "golden"),
    [
        ("shop", "'shop' does not name an app; write module:name, as in shop.main:app"),
        ("shop:ap", "module 'shop' has no 'ap'. Did you mean 'app'?"),
        ("shp:app", "there is no module 'shp' in FOLDER or among the installed packages"),
        ("shop.py:app", "'shop.py' is the name of a file; name the module, as in shop:app"),
        ("./src/shop.py:app", "'./src/shop.py' is the name of a file; name the module, as in src.shop:app"),
    ],
)
def test_a_target_that_names_nothing(
    target: str, golden: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.py").write_text("app = 5\n")
    assert main(["run", target, "--bind", "127.0.0.1:0"]) == 1
    assert capsys.readouterr().err == f"trio-sse: {golden.replace('FOLDER', str(folder))}\n"


def test_with_a_switch_the_traceback_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_SSE_TRACEBACKS", "")  # what the switch sets is undone
    (folder / "shop.py").write_text("import no_such_module\n")
    with pytest.raises(ModuleNotFoundError):
        main(["run", "shop:app", "--full-tracebacks"])


@pytest.mark.parametrize("worker", ["ours", "hypercorn's"])
def test_in_a_program_a_failed_start_is_raised_alone(worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> int:
        raise ConnectionRefusedError("nobody listens there")

    if worker != "ours":
        monkeypatch.setattr(contract, "SIGNATURES", {"trio.nowhere:Nothing": "self"})
    app = App().provide(int, connect).add(Get("/").inject(number=int).handle(lambda number: number))
    with pytest.raises(RuntimeError) as caught:
        run(app, bind="127.0.0.1:0")
    headline, note, *frames = str(caught.value).split("\n")
    assert headline == "ConnectionRefusedError: nobody listens there"
    assert note == "  while the app starts, in test_in_a_program_a_failed_start_is_raised_alone.connect()"
    assert frames[-1] == '    raise ConnectionRefusedError("nobody listens there")'
    assert [entry.name for entry in caught.traceback][1:] == ["run"]


def test_a_failed_start_with_whole_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> int:
        raise ConnectionRefusedError("nobody listens there")

    monkeypatch.setenv("TRIO_SSE_TRACEBACKS", "full")
    app = App().provide(int, connect).add(Get("/").inject(number=int).handle(lambda number: number))
    with pytest.raises(RuntimeError, match=r"Traceback \(most recent call last\):"):
        run(app, bind="127.0.0.1:0")
