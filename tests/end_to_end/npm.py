"""The npm package `eventsource`, run by node: an EventSource that shares nothing with us."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .programs import Program, running
from .requirements import needs, unmet
from .serving import Certificate

__all__ = ("NpmEventSource", "install", "npm_eventsource")

HERE = Path(__file__).parent
CLOSED = 2


class NpmEventSource:
    """An EventSource in another process."""

    def __init__(self, program: Program) -> None:
        self.program = program

    async def happening(self) -> dict[str, Any]:
        """What happens next: `open`, `event` or `error`."""
        found: dict[str, Any] = json.loads(await self.program.line())
        return found

    async def event(self) -> tuple[str, str, str]:
        """The next event's name, id and data."""
        while (found := await self.happening())["kind"] != "event":
            pass
        return found["name"], found["id"], found["data"]

    async def closed(self) -> dict[str, Any]:
        """Read on until it gives up; node then ends, having nothing left to do."""
        while (found := await self.happening()).get("readyState") != CLOSED:
            assert found["kind"] != "event", found
        assert await self.program.wait() == 0
        return found


def install() -> Path:
    """Install what package-lock.json pins, unless it is there already."""
    needs("node")
    npm = needs("npm")
    modules = HERE / "node_modules"
    stamp, wanted = modules / ".installed", hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return modules
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        unmet(f"npm ci failed, so the tests with npm packages are not run: {done.stderr}")
    stamp.write_text(wanted)
    return modules


@asynccontextmanager
async def npm_eventsource(
    url: str, *names: str, certificate: Certificate | None = None, http2: bool = False
) -> AsyncIterator[NpmEventSource]:
    """Connect to a URL, and listen to some names of events."""
    environment = {} if certificate is None else {"NODE_EXTRA_CA_CERTS": str(certificate.authority)}
    if http2:
        environment["HTTP2"] = "1"
    script = str(HERE / "eventsource.mjs")
    async with running(needs("node"), script, url, *names, environment=environment) as program:
        yield NpmEventSource(program)
