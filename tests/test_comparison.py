"""The programs of the page that compares the library with FastAPI: their lines, and that ours do what they should.

Both of each pair are compared through real servers in `end_to_end/test_comparison.py`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from support.comparison import PAGE, SCENARIOS, Event, count_lines, load, program_named
from trio_sse.testing import TestClient, TestResponse, TestStream

ROW = re.compile(r"^\| \[[^\]]+\]\(#[\w-]+\) \| (\d+ \(\d+\)) \| (\d+ \(\d+\)) \| (\d+ \(\d+\)|-) \|$", re.MULTILINE)
"""A row of the table of lines: ours, with sse-starlette, and with FastAPI alone; without imports in parentheses."""

SAMPLE = '''"""A docstring."""

import json
from os import (  # several lines
    path,
)


def f():
    """Another.

    With a second paragraph.
    """
    # a comment
    return """a text

    of several lines"""
'''

SIDES = ("ours", "fastapi", "native")


@attrs.frozen
class MemoryEvents:
    stream: TestStream

    @property
    def status(self) -> int:
        assert self.stream.status is not None
        return self.stream.status

    async def next(self) -> Event | None:
        event = await anext(self.stream, None)
        return None if event is None else Event.of(event.event, str(event.data))

    def pause(self) -> None:
        self.stream.pause()

    def resume(self) -> None:
        self.stream.resume()


@attrs.frozen
class MemoryTalk:
    client: TestClient

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[MemoryEvents]:
        options = {} if body is None else {"method": "POST", "json": body}
        async with self.client.stream(path, headers=headers or {}, **options) as stream:
            yield MemoryEvents(stream)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        return await self.client.get(path, headers=headers or {})

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> TestResponse:
        return await self.client.post(path, body, headers=headers or {})


@pytest.mark.parametrize("task", SCENARIOS)
async def test_our_program_does_what_the_page_says(task: str, autojump_clock: MockClock) -> None:
    async with TestClient(load(f"{task}_ours").app) as client:
        await SCENARIOS[task](MemoryTalk(client))


def shown_lines(name: str) -> str:
    """The lines of a program as the table shows them."""
    path = program_named(name)
    return "{} ({})".format(*count_lines(path)) if path.exists() else "-"


def test_the_table_has_the_lines_of_the_programs() -> None:
    counted = [tuple(shown_lines(f"{task}_{side}") for side in SIDES) for task in SCENARIOS]
    assert ROW.findall(PAGE.read_text("utf-8")) == counted


@pytest.mark.parametrize("task", SCENARIOS)
def test_our_program_is_shorter_than_the_one_with_sse_starlette(task: str) -> None:
    ours, theirs = (count_lines(program_named(f"{task}_{side}")) for side in ("ours", "fastapi"))
    assert ours[0] < theirs[0]
    assert ours[1] < theirs[1]


def test_what_counts_as_a_line(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SAMPLE)
    assert count_lines(program) == (7, 3)


def test_the_page_shows_each_program_once() -> None:
    shown = re.findall(r"^```\{literalinclude\} comparison/(\w+)\.py$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(path.stem for path in PAGE.with_suffix("").glob("*.py"))
