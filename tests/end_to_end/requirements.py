"""Programs that some of these tests need.

Owns what happens where one is missing: a skip that says what is not run and how to get it, or, where the environment
says CI=true, a failure, so that no continuous integration passes by running nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ("needs", "unmet")

TOOLS = {
    "curl": ("the tests with curl", "apt-get install curl"),
    "node": ("the tests with the npm package eventsource", "apt-get install nodejs npm, or https://nodejs.org (20+)"),
    "npm": ("the tests with the npm package eventsource", "apt-get install npm, or https://nodejs.org"),
    "chromium": ("the tests in a browser", "apt-get install chromium"),
    "nginx": ("the tests behind nginx", "apt-get install nginx-light"),
    "postgres": ("the tests with PostgreSQL", "apt-get install postgresql"),
}


def needs(tool: str, *folders: Path) -> str:
    """The path of a program; without it the test is skipped, or fails under CI=true.

    Args:
        tool: Its name, one of `TOOLS`.
        *folders: Where it may be, besides on PATH.
    """
    places = (None, *map(str, folders))  # None is PATH
    path = next((found for place in places if (found := shutil.which(tool, path=place))), None)
    if path is None:
        what, how = TOOLS[tool]
        unmet(f"{tool} is missing, so {what} are not run; to run them: {how}")
    return path


def unmet(message: str) -> NoReturn:
    """Skip the test, or fail it under CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message} (CI=true: this is a failure)", pytrace=False)
    pytest.skip(message)
