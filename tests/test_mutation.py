"""The configuration of mutation testing, and the page about it: they name what exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "cosmic-ray.toml").read_text())["cosmic-ray"]
PAGE = (ROOT / "docs/explanation/mutation.md").read_text()
PACKAGE = "src/trio_sse/"


def missing(paths: list[str]) -> list[str]:
    return [path for path in paths if not (ROOT / path).exists()]


def test_each_module_that_is_mutated_exists() -> None:
    modules = SETTINGS["module-path"]
    assert missing(modules) == []
    assert len(set(modules)) == len(modules)


def test_each_test_that_is_run_exists() -> None:
    paths = [word for word in SETTINGS["test-command"].split() if word.startswith("tests/")]
    assert paths
    assert missing(paths) == []


def test_the_page_names_modules_that_are_mutated() -> None:
    modules = {path.removeprefix(PACKAGE) for path in SETTINGS["module-path"]}
    rows = re.findall(r"^\| `([\w/]+\.py)` \|", PAGE, re.MULTILINE)
    assert rows
    assert set(rows) <= modules
    assert missing([PACKAGE + name for name in re.findall(r"`([\w/]+/\w+\.py)`", PAGE)]) == []
