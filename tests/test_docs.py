"""The documentation's code runs, page by page: each block after those before it, as a reader would type them."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts))
LANGUAGES = frozenset({"console", "html", "js", "nginx", "python", "text", "toml"})
FENCE = re.compile(r"^ *(?:`{3,}|~{3,})(.*)$", re.MULTILINE)
BLOCK = re.compile(
    r"^```(?P<language>\w+)\n(?P<shown>.*?)^```$|^<!-- test:\n(?P<hidden>.*?)^-->$", re.MULTILINE | re.DOTALL
)
TRY_IT = "python3 -m venv .venv && .venv/bin/pip install -q . psutil && .venv/bin/python -m examples.dashboard"
RUN_THE_TESTS = "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox"


@attrs.frozen
class Block:
    """A piece of Python on a page; a hidden one, in a comment, checks what the others did and may await."""

    page: Path
    line: int
    source: str
    hidden: bool

    def compiled(self) -> types.CodeType:
        """The code, which tracebacks find on its page."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if self.hidden else 0
        padded = "\n" * (self.line - 1) + self.source
        code = compile(padded, str(self.page), "exec", flags=flags, dont_inherit=True)
        assert isinstance(code, types.CodeType)
        return code


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match["hidden"] is not None or match["language"] == "python":
            group = "shown" if match["hidden"] is None else "hidden"
            yield Block(page, text.count("\n", 0, match.start(group)) + 1, match[group], group == "hidden")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def every_block() -> Iterator[object]:
    for page in PAGES:
        for index, _ in enumerate(blocks_of(page)):
            yield pytest.param(page, index, id=f"{name_of(page)}-{index + 1}")


@pytest.mark.parametrize(("page", "index"), list(every_block()))
async def test_a_block_runs_after_those_before_it(
    page: Path, index: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("page")
    module.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "page", module)  # where annotations are looked up
    with trio.fail_after(24 * 3600):
        for block in list(blocks_of(page))[: index + 1]:
            result = eval(block.compiled(), vars(module))
            if inspect.iscoroutine(result):
                await result


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_fence_says_what_it_holds(page: Path) -> None:
    """A block in an unknown language, or one that is never closed, would not be run."""
    infos = FENCE.findall(page.read_text(encoding="utf-8"))
    assert len(infos) % 2 == 0
    for opening, closing in zip(infos[::2], infos[1::2], strict=True):
        assert opening in LANGUAGES or re.fullmatch(r"\{\w+\}( [\w/.]+)?", opening)
        assert closing == ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_block_is_found(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(list(blocks_of(page))) == text.count("```python") + text.count("<!-- test:")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    """A guarantee that points at a test which is gone is held by nothing."""
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8")):
        assert (ROOT / file).is_file(), file
        assert not name or f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_the_readmes_commands_are_those_that_are_tried() -> None:
    shown = re.findall(
        r"^```console\n(.*?)\n```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert shown[:2] == [TRY_IT, RUN_THE_TESTS]


def test_ci_runs_the_readmes_command() -> None:
    assert RUN_THE_TESTS in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
