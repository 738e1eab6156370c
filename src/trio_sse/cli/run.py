"""`trio-sse run`: serves an app, in one process or in several.

Owns the exit status: an error that the user can fix is one line or a few, with status 1. It must not know how arguments
are parsed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from .._ground.failure_report import SWITCH, FailureReport, wants_full_tracebacks
from .._ground.text import escape
from .._server.config import StreamConfig, make_config, read_config
from .._server.errors import SetupError
from .._server.processes.command import worker_command
from .._server.processes.master import supervise
from .._server.processes.worker import run_worker
from .._server.serve import run as run_server
from ..errors import BuildError
from .target import LoadError, load

__all__ = ("run",)


def run(options: dict[str, Any]) -> int:
    """Serve an app.

    Args:
        options: The parsed arguments: hypercorn's options by name, and those of this command.

    Returns:
        The exit status.
    """
    try:
        return _serve(options)
    except (BuildError, LoadError, SetupError) as error:
        _tell(str(error))
    except Exception as error:  # what the app has raised, and so has ended the server
        if wants_full_tracebacks():
            raise
        _tell(str(FailureReport.of(error)))
    return 1


def _tell(text: str) -> None:
    print("trio-sse:", "\n".join(map(escape, text.split("\n"))), file=sys.stderr)


def _serve(options: dict[str, Any]) -> int:
    target, file = options.pop("app"), options.pop("config")
    workers, watched, control_fd = options.pop("workers"), options.pop("watched"), options.pop("control_fd")
    if options.pop("full_tracebacks"):
        os.environ[SWITCH] = "full"  # for the workers too, which inherit it
    config = _configured(file, options)
    workers = workers or config.workers
    if config.use_reloader and not watched:
        watched = [Path()]
    if control_fd is not None:
        run_worker(_load_checked(target), config, control_fd)
    elif workers > 1 or watched:
        return supervise(config, worker_command(target, file, options), workers, watched)
    else:
        run_server(_load_checked(target), config=config)
    return 0


def _configured(file: str | None, options: dict[str, Any]) -> StreamConfig:
    try:
        return make_config(None if file is None else read_config(file), **options)
    except ValueError as error:
        raise SetupError(str(error)) from None


def _load_checked(target: str) -> Any:
    app = load(target)
    check = getattr(app, "check", None)
    if check is not None:
        check()
    return app
