"""Command-line options to check another parser, client or server against the tables.

pytest accepts them if the command line names this folder or a file in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.parsers import parsers

GIVEN = {"test_servers.py": "--sse-url", "test_given_client.py": "--sse-client"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--sse-parser", metavar="MODULE:NAME", help="check only this parser")
    group.addoption("--sse-client", metavar="MODULE:NAME", help="check only this client")
    group.addoption("--sse-url", metavar="URL", help="check the server at this URL")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the tests of another server or client unless an option names one."""
    option = GIVEN.get(collection_path.name)
    return True if option is not None and config.getoption(option, None) is None else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parser" in metafunc.fixturenames:
        known = parsers(metafunc.config)
        metafunc.parametrize("parser", known.values(), ids=known)
