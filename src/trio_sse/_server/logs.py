"""hypercorn's logs: each line once, errors of the app in a few lines, no control characters that a client has sent.

Owns the changes to the loggers that hypercorn has made. It must not know who writes to them.
"""

from __future__ import annotations

import logging

from hypercorn.config import Config
from hypercorn.logging import Logger

from .._ground.failure_report import INDENT, FailureReport, wants_full_tracebacks
from .._ground.text import escape

__all__ = ("adapt",)

FAILED_REQUEST = "Error in ASGI Framework"
"""What hypercorn logs when the app has raised an error in a request."""


def adapt(log: Logger, config: Config) -> None:
    """Adapt the loggers of a configuration.

    A handler of the user's formats its records itself: it may write JSON, which an escape would break.

    Args:
        log: hypercorn's loggers, as it has made them.
        config: The configuration that it has made them from.
    """
    if log.access_logger is not None:
        log.access_logger.addFilter(_escape_atoms)
    if log.error_logger is not None:
        log.error_logger.addFilter(_report_error)
    if isinstance(config.errorlog, logging.Logger) or log.error_logger is None:
        return
    is_configured = config.logconfig is not None or config.logconfig_dict is not None  # pyright: ignore[reportUnknownMemberType]
    for handler in log.error_logger.handlers:
        if config.errorlog == "-":
            handler.addFilter(_is_handled_here_only)
        if not is_configured and handler.formatter is not None:
            handler.setFormatter(_Escaped(handler.formatter))


def _is_handled_here_only(record: logging.LogRecord) -> bool:
    """Whether no other handler writes the record.

    hypercorn's logger of errors has a handler for the standard error, and its records propagate. An app that configures
    logging would get each line twice. It may do so at any time, so this is decided for each record.
    """
    logger = logging.getLogger("hypercorn.error")
    return not (logger.propagate and logger.parent is not None and logger.parent.hasHandlers())


def _report_error(record: logging.LogRecord) -> bool:
    """Replace hypercorn's message about an error of the app by what the error says, and the traceback by its report.

    The record keeps the error itself, for handlers that write it otherwise.
    """
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and record.msg == FAILED_REQUEST and not wants_full_tracebacks():
        report = FailureReport.of(error)
        # A percent sign in it is not a place for an argument, since there are none.
        record.msg, record.args = escape(report.headline), ()
        record.exc_text = "\n".join(INDENT + escape(line) for line in report.details)
    return True


def _escape_atoms(record: logging.LogRecord) -> bool:
    """Escape what a client has sent: a path may contain a line break, or a sequence that controls a terminal."""
    if isinstance(record.args, dict):  # the atoms, which the format names
        record.args.update({key: escape(value) for key, value in record.args.items() if isinstance(value, str)})
    return True


class _Escaped(logging.Formatter):
    """Escapes a record: the message of an exception, in its traceback, may be what a client has sent.

    Lines after the first are indented, so that a line break in such a message cannot begin a forged record.

    Args:
        formatter: Formats the record.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return "\n  ".join(map(escape, self._formatter.format(record).split("\n")))
