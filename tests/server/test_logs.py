"""hypercorn's logs: each line once, and nothing of a client's that is not printable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypercorn.logging import AccessLogAtoms

from trio_sse._server import make_config


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """hypercorn's loggers are global: leave them as they were."""
    known = [logging.getLogger("hypercorn.error"), logging.getLogger("hypercorn.access")]
    before = [(logger, logger.handlers[:], logger.filters[:], logger.level, logger.propagate) for logger in known]
    yield
    for logger, handlers, filters, level, propagate in before:
        logger.handlers, logger.filters, logger.propagate = handlers, filters, propagate
        logger.setLevel(level)


@pytest.fixture
def root_handlers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the handlers of the root logger. pytest adds its own when a test begins, so a test has to call it."""
    return lambda *handlers: monkeypatch.setattr(logging.getLogger(), "handlers", list(handlers))


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


async def test_without_any_logging_a_line_goes_to_the_standard_error(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    await make_config().log.info("Running")
    assert capsys.readouterr().err.count("Running") == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_with_a_root_handler_a_line_goes_there_alone(
    when: str, root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """An app may configure logging as it is imported, or when its lifespan starts."""
    root_handlers()
    collector = Collector()
    config = make_config()
    if when == "after":
        await config.log.debug("the loggers are made")
    root_handlers(collector)
    await config.log.info("Running")
    assert collector.lines == ["Running"]
    assert capsys.readouterr().err == ""


async def test_an_app_that_configures_hypercorns_logger_itself_gets_a_line_once(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    config = make_config(
        logconfig_dict={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"mine": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["mine"]},
        }
    )
    await config.log.error("failed")
    assert capsys.readouterr().err.count("failed") == 1


async def test_a_file_gets_each_line_whatever_else_is_configured(tmp_path: Path) -> None:
    config = make_config(errorlog=str(tmp_path / "errors"))
    await config.log.info("Running")
    assert (tmp_path / "errors").read_text().count("Running") == 1
    for handler in logging.getLogger("hypercorn.error").handlers:
        handler.close()


async def test_without_an_error_log_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    await make_config(errorlog=None).log.info("Running")
    assert capsys.readouterr().err == ""


def atoms(path: str, *headers: tuple[bytes, bytes], query: bytes = b"") -> AccessLogAtoms:
    scope: Any = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": query,
        "headers": headers,
        "http_version": "1.1",
        "client": ("127.0.0.1", 5),
    }
    return AccessLogAtoms(scope, {"status": 200, "headers": []}, 0.5)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (atoms("/shop"), '"GET /shop 1.1" "-"'),
        (atoms("/größe"), '"GET /größe 1.1" "-"'),
        (atoms("/a\nb"), '"GET /a\\nb 1.1" "-"'),
        (atoms("/a\r\nb"), '"GET /a\\r\\nb 1.1" "-"'),
        (atoms("/\x1b[31m"), '"GET /\\x1b[31m 1.1" "-"'),
        (atoms("/\u202e\u2028"), '"GET /\\u202e\\u2028 1.1" "-"'),
        (atoms("/", (b"user-agent", b"\x1b]0;x\x07")), '"GET / 1.1" "\\x1b]0;x\\x07"'),
        (atoms("/", (b"user-agent", b"\x9b2J")), '"GET / 1.1" "\\x9b2J"'),
    ],
)
def test_the_access_log_escapes_what_a_client_has_sent(given: AccessLogAtoms, line: str) -> None:
    collector = Collector()
    mine = logging.getLogger("test.access")
    mine.handlers, mine.propagate, mine.filters = [collector], False, []
    mine.setLevel(logging.INFO)
    for _ in range(2):  # a second configuration with the same logger
        assert make_config(accesslog=mine).log.access_logger is mine
    mine.info('"%(r)s" "%(a)s"', given)
    mine.info("another line of %s", "\x1b")
    assert collector.lines == [line, "another line of \x1b"]
