"""What is imported when: a client does not pay for the server, and the server runs without Unix's modules."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(source: str) -> str:
    """Run a program; what it printed."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["trio_sse", "trio_sse.wire", "trio_sse.client", "trio_sse.testing"])
def test_hypercorn_is_imported_with_the_server_alone(module: str) -> None:
    assert python(f"import sys, {module}\nprint('hypercorn' in sys.modules)") == "False\n"


@pytest.mark.parametrize("name", ["run", "serve"])
def test_it_is_imported_when_the_server_is_first_used(name: str) -> None:
    assert python(f"import sys\nfrom trio_sse import {name}\nprint('hypercorn' in sys.modules)") == "True\n"


WINDOWS = """
import sys
sys.modules["resource"] = None
import trio
from trio_sse import App, Get, serve
from trio_sse._server.connection_limit import ConnectionLimit

async def main():
    stop = trio.Event()
    app = App().add(Get("/").handle(lambda: "hello"))
    async with trio.open_nursery() as nursery:
        async def start(task_status):
            await serve(
                app, bind="127.0.0.1:0", errorlog=None, shutdown_trigger=stop.wait, task_status=task_status
            )
        [url] = await nursery.start(start)
        stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
        await stream.send_all(b"GET / HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\n\\r\\n")
        print((await stream.receive_some()).split(b"\\r\\n")[0].decode())
        stop.set()

trio.run(main)
print(ConnectionLimit().limit)
"""


def test_without_the_module_resource_there_is_no_limit_of_open_files() -> None:
    """As on Windows."""
    assert python(WINDOWS).splitlines()[0].startswith("HTTP/1.1 200")
    assert python(WINDOWS).splitlines()[1] == str((1 << 20) - 24)
