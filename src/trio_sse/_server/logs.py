"""hypercorn's logs: each line once, and with no control characters of a client's.

Owns the changes to the loggers that hypercorn has made. It must not know who writes to them.
"""

from __future__ import annotations

import logging
from typing import cast

from hypercorn.logging import AccessLogAtoms, Logger

from .._ground.escape import escape

__all__ = ("adapt",)


def adapt(log: Logger, errorlog: object) -> None:
    """Adapt the loggers of a configuration.

    Args:
        log: hypercorn's loggers, as it has made them.
        errorlog: The option: "-" for the standard error, a path, or a logger.
    """
    if log.access_logger is not None:
        log.access_logger.addFilter(_escape_atoms)
    if errorlog == "-" and log.error_logger is not None:
        for handler in log.error_logger.handlers:
            handler.addFilter(_is_handled_here_only)


def _is_handled_here_only(record: logging.LogRecord) -> bool:
    """Whether no other handler writes the record.

    hypercorn's logger of errors has a handler for the standard error, and its records propagate. An app that configures
    logging would get each line twice. It may do so at any time, so this is decided for each record.
    """
    logger = logging.getLogger("hypercorn.error")
    return not (logger.propagate and logger.parent is not None and logger.parent.hasHandlers())


def _escape_atoms(record: logging.LogRecord) -> bool:
    """Escape what a client has sent: a path may contain a line break, or a sequence that controls a terminal."""
    if isinstance(record.args, AccessLogAtoms):
        atoms = cast("dict[str, object]", record.args)
        atoms.update({key: escape(value) for key, value in atoms.items() if isinstance(value, str)})
    return True
