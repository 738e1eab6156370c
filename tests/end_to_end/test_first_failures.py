"""First mistakes with real servers: each is told once, in a line or a few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from .limits import within
from .programs import SCRIPTS, running

SHOP = """\
import trio
from trio_sse import SSE, App

class Database:
    def __init__(self):
        raise ConnectionRefusedError("nobody listens there")

async def ticks():
    yield {"data": 1}
    raise ValueError("no such ticker")

async def orders(database):
    yield {"data": 1}

app = App().add(SSE("/ticks").handle(ticks))
unable = App().provide(Database).add(SSE("/orders").inject(database=Database).handle(orders))
"""

REPORTS = {"TRIO_SSE_TRACEBACKS": ""}
"""Other tests of programs want whole tracebacks."""

SENTENCE = (
    "this app needs Trio, but the server runs asyncio: start it with `trio-sse run module:app`, or with "
    "`hypercorn -k trio module:app`; uvicorn has no Trio"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


async def output_of(folder: Path, command: str, *words: str) -> list[str]:
    """What a program writes that ends by itself."""
    # hypercorn starts a process in which Python reports a task of its own as a ResourceWarning.
    environment = REPORTS | {"PYTHONWARNINGS": "default"}
    async with running(str(SCRIPTS / command), *words, cwd=folder, environment=environment) as program:
        await program.wait()
        return [line.replace(f"{folder}/", "") for line in program.output]


@within(20)
async def test_hypercorn_without_trio_says_a_sentence(folder: Path) -> None:
    assert await output_of(folder, "hypercorn", "--bind", "127.0.0.1:0", "shop:app") == [SENTENCE]


@within(20)
async def test_uvicorn_says_a_sentence(folder: Path) -> None:
    output = await output_of(folder, "uvicorn", "--port", "0", "shop:app")
    assert [line for line in output if line.startswith("ERROR:")] == [
        f"ERROR:    {SENTENCE}",
        "ERROR:    Application startup failed. Exiting.",
    ]
    assert len(output) == 4


UNABLE = [
    "trio-sse: ConnectionRefusedError: nobody listens there",
    "  while the app starts, in Database()",
    '  File "shop.py", line 6, in __init__',
    '    raise ConnectionRefusedError("nobody listens there")',
]


@within(20)
async def test_a_service_that_cannot_be_made(folder: Path) -> None:
    assert await output_of(folder, "trio-sse", "run", "shop:unable", "--bind", "127.0.0.1:0") == UNABLE


@within(20)
async def test_so_it_is_with_workers(folder: Path) -> None:
    output = await output_of(folder, "trio-sse", "run", "shop:unable", "--workers", "2", "--bind", "127.0.0.1:0")
    assert output[:4] == UNABLE
    assert output[-1].endswith("has ended with status 1 before it was ready")


@pytest.mark.parametrize(("switch", "most"), [((), 6), (("--full-tracebacks",), 60)])
@within(20)
async def test_a_handler_that_raises(switch: tuple[str, ...], most: int, folder: Path) -> None:
    words = ("run", "shop:app", "--bind", "127.0.0.1:0", *switch)
    async with running(str(SCRIPTS / "trio-sse"), *words, cwd=folder, environment=REPORTS) as server:
        port = int((await server.line_with(r"Running on http://127\.0\.0\.1:(\d+)"))[1])
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(b"GET /ticks HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            answer = b"".join([chunk async for chunk in client])
        server.terminate()
        assert await server.wait() == 0
    assert b"event: stream-error" in answer
    told = "\n".join(server.output[1:]).replace(f"{folder}/", "")
    assert told.count("ValueError: no such ticker") == 1
    assert len(server.output) - 1 <= most
    short = re.fullmatch(
        r"\[[^]]+\] \[\d+\] \[ERROR\] ValueError: no such ticker\n"
        r"    while answering SSE /ticks with ticks\(\)\n"
        r'    File "shop\.py", line 10, in ticks\n'
        r'      raise ValueError\("no such ticker"\)',
        told,
    )
    assert bool(short) is not bool(switch)
