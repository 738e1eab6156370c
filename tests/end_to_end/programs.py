"""Other programs, run by a test: a server under test, curl, node, a browser.

Owns their start, their output line by line, and their end: none outlives its test.
"""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

__all__ = ("ROOT", "TESTS", "Program", "process", "running")

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
SCRIPTS = Path(sys.executable).parent
CLEAN = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", "NO_PROXY": "*", "TRIO_SSE_TRACEBACKS": "full"}


class Program:
    """A program that the test has started, and what it writes to its output (errors included).

    Attributes:
        output: The lines that it has written so far.
        port: Where it listens, if it is a server.
    """

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.output: list[str] = []
        self.port = 0
        self._written, self._read = trio.open_memory_channel[str](math.inf)

    async def line(self) -> str:
        """The next line.

        Raises:
            EOFError: The program has closed its output.
        """
        try:
            return await self._read.receive()
        except trio.EndOfChannel:
            raise EOFError(f"the program has ended; it wrote:\n{self.text}") from None

    async def line_with(self, pattern: str) -> re.Match[str]:
        """Read on to the line in which a regular expression is found."""
        while True:
            found = re.search(pattern, await self.line())
            if found:
                return found

    async def frame(self) -> dict[str, str]:
        """The fields of the next event, where the output is an event stream; comments are left out."""
        fields: dict[str, str] = {}
        while True:
            line = await self.line()
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif fields.pop("", None) is None or fields:
                return fields

    async def wait(self) -> int:
        """Wait for its end and the end of its output; the exit status."""
        status = await self.process.wait()
        async for _ in self._read:
            pass
        return status

    @property
    def text(self) -> str:
        """All that it has written so far."""
        return "\n".join(self.output)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def _collect(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async with self._written, self.process.stdout as stdout:
            async for chunk in stdout:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    await self._put(line)
            if rest:
                await self._put(rest)

    async def _put(self, line: bytes) -> None:
        text = line.decode(errors="replace").removesuffix("\r")
        self.output.append(text)
        await self._written.send(text)

    async def _end(self) -> None:
        """Ask it to end, and make it, with the whole process group that it is the leader of."""
        if self.process.poll() is None:
            self.terminate()
            with trio.move_on_after(5):
                await self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def running(
    *command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run a program while the block lasts."""
    process = await trio.lowlevel.open_process(
        command,
        cwd=cwd,
        env={**os.environ, **CLEAN, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    program = Program(process)
    async with program._read, trio.open_nursery() as nursery:
        nursery.start_soon(program._collect)
        try:
            yield program
        finally:
            with trio.CancelScope(shield=True):
                await program._end()


@asynccontextmanager
async def process(command: str, target: str, *options: str, cwd: Path = TESTS) -> AsyncIterator[Program]:
    """Serve an app in a process of its own.

    Args:
        command: `trio-sse` for our command line, `hypercorn` for stock hypercorn with its Trio worker.
        target: The app, as in `end_to_end.apps:notifications`.
        *options: Further options.
        cwd: The folder from which the app is imported.
    """
    async with running(*server_command(command, target, *options), cwd=cwd) as program:
        found = await program.line_with(r"Running on https?://127\.0\.0\.1:(\d+)")
        program.port = int(found[1])
        yield program


def server_command(command: str, target: str, *options: str) -> Sequence[str]:
    """The words of a command line that serves an app on a free port."""
    start = {"trio-sse": ("run",), "hypercorn": ("--worker-class", "trio")}[command]
    return (str(SCRIPTS / command), *start, "--bind", "127.0.0.1:0", *options, target)
