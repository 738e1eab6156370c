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


HOSTILE = {
    "NUL": ("\x00", "\\x00"),
    "a tab": ("\t", "\\t"),
    "LF": ("\n", "\\n"),
    "CR": ("\r", "\\r"),
    "ESC": ("\x1b[31m", "\\x1b[31m"),
    "BEL": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "DEL": ("\x7f", "\\x7f"),
    "NEL": ("\x85", "\\x85"),
    "CSI": ("\x9b2J", "\\x9b2J"),
    "a line separator": ("\u2028", "\\u2028"),
    "a paragraph separator": ("\u2029", "\\u2029"),
    "a bidi mark": ("\u200f\u061c", "\\u200f\\u061c"),
    "bidi embeddings": ("\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"),
    "bidi isolates": ("\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"),
    "zero-width characters": ("\u200b\ufeff", "\\u200b\\ufeff"),
    "a lone surrogate": ("\udcff", "\\udcff"),
    "a tag": ("\U000e0041", "\\U000e0041"),
}
"""What controls a terminal, or is not what it looks like, and how the log shows it."""

HOSTILE_TEXT = pytest.mark.parametrize(("sent", "shown"), HOSTILE.values(), ids=HOSTILE)


# -- the access log


def atoms(path: str = "/", method: str = "GET", kind: str = "http", **headers: str) -> AccessLogAtoms:
    """What hypercorn logs of a request; its headers are decoded as Latin-1, and its query is ASCII or not sent."""
    scope: Any = {
        "type": kind,
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": path.encode("ascii", "ignore"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "http_version": "1.1",
        "client": (f"127.0.0.1{path}", 5),  # hypercorn's ProxyFix takes it from a header
    }
    return AccessLogAtoms(scope, {"status": 200, "headers": []}, 0.5)


@pytest.fixture
def access() -> tuple[logging.Logger, list[str]]:
    """A logger of a user's, as `accesslog`, and the lines that it writes."""
    collector, logger = Collector(), logging.getLogger("test.access")
    logger.handlers, logger.propagate, logger.filters = [collector], False, []
    logger.setLevel(logging.INFO)
    for _ in range(2):  # a second configuration with the same logger
        assert make_config(accesslog=logger).log.access_logger is logger
    return logger, collector.lines


@HOSTILE_TEXT
@pytest.mark.parametrize(
    ("kind", "field"),
    [*(("http", field) for field in ("h", "r", "R", "m", "U", "Uq")), *(("websocket", field) for field in ("r", "U"))],
)
def test_the_access_log_escapes_what_a_client_has_sent(
    kind: str, field: str, sent: str, shown: str, access: tuple[logging.Logger, list[str]]
) -> None:
    logger, lines = access
    layout = f"<%({field})s>"
    logger.info(layout, atoms(f"/a{sent}z", f"GETa{sent}z", kind))
    [line] = lines
    assert line.isprintable()
    assert f"a{shown}z" in line


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        *(each for each in HOSTILE.values() if each[0] <= "\xff"),
        ("\u202e".encode().decode("latin-1"), "â\\x80®"),  # hypercorn reads headers as Latin-1
    ],
)
@pytest.mark.parametrize("header", ["user-agent", "referer", "host", "origin", "x-forwarded-for", "x-odd"])
def test_the_access_log_escapes_headers(
    header: str, sent: str, shown: str, access: tuple[logging.Logger, list[str]]
) -> None:
    logger, lines = access
    layout = f"<%({{{header}}}i)s> %(a)s %(f)s"
    logger.info(layout, atoms(**{header: f"a{sent}z"}))
    [line] = lines
    assert line.isprintable()
    assert line.startswith(f"<a{shown}z> ")


def test_what_can_be_printed_stays_as_it_is(access: tuple[logging.Logger, list[str]]) -> None:
    logger, lines = access
    logger.info('"%(r)s" "%(a)s"', atoms("/größe", **{"user-agent": "Fire fox/1 (x; y)"}))
    assert lines == ['"GET /größe 1.1" "Fire fox/1 (x; y)"']


def test_atoms_of_a_logger_class_of_the_users_are_escaped_too(access: tuple[logging.Logger, list[str]]) -> None:
    logger, lines = access
    logger.info("%(path)s %(seconds)d", {"path": "/\x1b", "seconds": 3})
    assert lines == ["/\\x1b 3"]


def test_other_lines_of_that_logger_are_its_owners(access: tuple[logging.Logger, list[str]]) -> None:
    logger, lines = access
    logger.info("another line of %s", "\x1b")
    assert lines == ["another line of \x1b"]


# -- the error log


def fail(message: str) -> None:
    raise LookupError(message)


async def log_an_error(config: Any, message: str) -> None:
    """Log an error as hypercorn logs one of the app's."""
    try:
        fail(message)
    except LookupError:
        await config.log.exception("Error in ASGI Framework")


@HOSTILE_TEXT
async def test_a_traceback_shows_the_message_of_an_error_escaped(
    sent: str, shown: str, root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    await log_an_error(make_config(), f"a{sent}z")
    first, *rest = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in (first, *rest))
    assert first.endswith("[ERROR] LookupError: a" if sent == "\n" else f"[ERROR] LookupError: a{shown}z")
    assert rest[0] == "    z" or sent != "\n"


async def test_a_message_cannot_forge_a_record(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    await log_an_error(make_config(), "\n[2026-01-01 00:00:00 +0000] [1] [INFO] all is well")
    first, *rest = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert first.endswith("[ERROR] LookupError: ")
    assert rest[0] == "    [2026-01-01 00:00:00 +0000] [1] [INFO] all is well"
    assert all(line.startswith("    ") for line in rest)


async def test_a_percent_sign_in_a_message_is_nothing_special(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    await log_an_error(make_config(), "100%s")
    assert "[ERROR] LookupError: 100%s\n" in capsys.readouterr().err


async def test_the_user_may_ask_for_whole_tracebacks(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root_handlers()
    monkeypatch.setenv("TRIO_SSE_TRACEBACKS", "full")
    await log_an_error(make_config(), "mine")
    first, second, *_, last = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert first.endswith("[ERROR] Error in ASGI Framework")
    assert second == "  Traceback (most recent call last):"
    assert last == "  LookupError: mine"


async def test_other_errors_of_hypercorns_keep_their_message_and_traceback(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    root_handlers()
    try:
        fail("mine")
    except LookupError:
        await make_config().log.exception("something else")
    written = capsys.readouterr().err
    assert "[ERROR] something else\n  Traceback" in written


async def test_a_file_is_escaped_as_well(tmp_path: Path) -> None:
    config = make_config(errorlog=str(tmp_path / "errors"))
    await log_an_error(config, "\x1b")
    assert "LookupError: \\x1b\n" in (tmp_path / "errors").read_text()
    for handler in logging.getLogger("hypercorn.error").handlers:
        handler.close()


async def test_a_handler_of_the_users_gets_the_report_escaped_and_formats_it_itself(
    root_handlers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It may write JSON, which an escape of its lines would break."""
    root_handlers()
    handlers = {"mine": {"class": "logging.StreamHandler", "formatter": "mine"}}
    formatters = {"mine": {"format": "{%(message)s}", "style": "%"}}
    loggers = {"hypercorn.error": {"handlers": ["mine"], "propagate": False}}
    settings = {"version": 1, "disable_existing_loggers": False}
    config = make_config(
        logconfig_dict={**settings, "handlers": handlers, "formatters": formatters, "loggers": loggers}
    )
    await log_an_error(config, "\x1b")
    written = capsys.readouterr().err
    assert written.startswith('{LookupError: \\x1b}\n  File "')


async def test_a_handler_that_writes_errors_otherwise_gets_the_error_itself(
    root_handlers: Callable[..., None],
) -> None:
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    root_handlers(Keeper())
    await log_an_error(make_config(), "mine")
    [record] = records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert record.getMessage() == "LookupError: mine"
