"""Command-line options, for who holds something of their own against the tables.

pytest knows them where this folder, or a file in it, is named on the command line.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.parsers import parsers

GIVEN = {"test_servers.py": "--sse-url", "test_given_client.py": "--sse-client"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--sse-parser", metavar="MODULE:NAME", help="hold this parser against the table, and no other")
    group.addoption("--sse-client", metavar="MODULE:NAME", help="hold this client against the table, and no other")
    group.addoption("--sse-url", metavar="URL", help="hold the server at this URL against the table")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what holds another server or client against the tables, where there is none."""
    option = GIVEN.get(collection_path.name)
    return True if option is not None and config.getoption(option, None) is None else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parser" in metafunc.fixturenames:
        known = parsers(metafunc.config)
        metafunc.parametrize("parser", known.values(), ids=known)
