"""The command line: `trio-sse run module:app` and `trio-sse tail URL`.

Owns the parsing of arguments and the loading of the app. Every option of hypercorn's configuration that is text, a
number, a switch or a list of texts becomes an option of `run`; the names and meanings are hypercorn's.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypercorn.config import Config

from .._server import make_config, run
from .._server.config import OPTIONS, StreamConfig
from .._server.processes.master import SetupError, run_words, supervise
from .._server.processes.worker import work
from ..errors import BuildError

__all__ = ("main",)

SIMPLE: Mapping[str, type] = {
    "str | None": str,
    "int | None": int,
    "float | None": float,
    "logging.Logger | str | None": str,
}


ANNOTATIONS: Mapping[str, str] = Config.__annotations__ | StreamConfig.__annotations__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the process's exit status."""
    options = vars(_parser().parse_args(arguments))
    return _tail(options) if options.pop("command") == "tail" else _run(options)


def _tail(options: dict[str, Any]) -> int:
    try:
        from .. import client  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport] - its error names the extra
        from . import tail  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        print(f"trio-sse: {error}", file=sys.stderr)
        return 1
    return tail.run(tail.Options(**options))


def _run(options: dict[str, Any]) -> int:
    target, file = options.pop("app"), options.pop("config")
    workers, watched, control_fd = options.pop("workers"), options.pop("watched"), options.pop("control_fd")
    given = None if file is None else StreamConfig.from_toml(file)  # pyright: ignore[reportUnknownMemberType] - an open PathLike
    config = make_config(given, **options)
    workers = workers or config.workers
    if config.use_reloader and not watched:
        watched = [Path()]
    try:
        if control_fd is not None:
            work(_checked(target), config, control_fd)
        elif workers > 1 or watched:
            config.workers = 1  # or else hypercorn sets SO_REUSEPORT, and a port that is in use goes unnoticed
            return supervise(config, run_words(target, file, options), workers, watched)
        else:
            run(_checked(target), config=config)
    except (BuildError, LoadError, SetupError) as error:
        print(f"trio-sse: {error}", file=sys.stderr)
        return 1
    return 0


def _checked(target: str) -> Any:
    app = load(target)
    check = getattr(app, "check", None)
    if check is not None:
        check()
    return app


class LoadError(Exception):
    """The app is not where the command line says."""


def load(target: str) -> Any:
    """Import `module:name`, with the current directory on the path.

    Raises:
        LoadError: There is no such module, or no such name in it.
    """
    module_name, found, name = target.partition(":")
    if not found or not module_name or not name:
        raise LoadError(f"{target!r} does not name an app; write module:name, as in shop.main:app")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise LoadError(f"there is no module {error.name!r} in {Path.cwd()} or among the installed packages") from None
    try:
        return getattr(module, name)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {name!r}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trio-sse", description="Server-Sent Events for Trio.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="serve an app through hypercorn", argument_default=argparse.SUPPRESS)
    command.add_argument("app", metavar="module:name", help="where the app is")
    command.add_argument("--config", metavar="FILE", default=None, help="a TOML file of hypercorn's options")
    _add_processes(command.add_argument_group("processes"))
    group = command.add_argument_group("hypercorn's options", "see hypercorn's documentation for what they mean")
    for name in sorted(OPTIONS):
        _add_option(group, name)
    _add_tail(commands.add_parser("tail", help="print a stream of events"))
    return parser


def _add_processes(group: Any) -> None:
    group.add_argument("--workers", metavar="N", type=_count, default=None, help="so many processes")
    group.add_argument(
        "--reload",
        dest="watched",
        action="append_const",
        const=Path(),
        default=[],
        help="start anew when a Python file in the current directory changes",
    )
    group.add_argument(
        "--reload-dir", dest="watched", metavar="FOLDER", action="append", type=Path, help="the same for another folder"
    )
    group.add_argument("--control-fd", metavar="N", type=int, default=None, help=argparse.SUPPRESS)


def _add_tail(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", metavar="URL", help="where the stream is")
    command.add_argument("--json", action="store_true", help="one JSON object per event")
    command.add_argument("-H", "--header", metavar="NAME:VALUE", type=_header, action="append", default=[])
    command.add_argument("--last-event-id", metavar="ID", help="go on after this event")
    command.add_argument("-X", "--method", metavar="METHOD", help="GET, or POST if there is --data, unless given")
    command.add_argument("-d", "--data", metavar="TEXT", help="the request's body")
    command.add_argument("-n", "--count", metavar="N", type=_count, help="end after so many events")
    command.add_argument("--no-reconnect", dest="reconnect", action="store_false", help="end with the connection")
    command.add_argument("--read-timeout", metavar="SECONDS", type=float, help="connect again after so much silence")
    command.add_argument(
        "--max-event-size", metavar="BYTES", type=_count, default=1024 * 1024, help="the largest event"
    )


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition(":")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no header; write NAME:VALUE")
    return name.strip(), value.strip()


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _add_option(group: Any, name: str) -> None:
    default = getattr(StreamConfig(), name)
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction)
    elif isinstance(default, list):
        group.add_argument(flag, action="append", metavar="TEXT", help="may be given several times")
    elif isinstance(default, str | int | float):
        group.add_argument(flag, type=type(default), metavar=type(default).__name__.upper())
    elif (kind := SIMPLE.get(ANNOTATIONS.get(name, ""))) is not None:
        group.add_argument(flag, type=kind, metavar=kind.__name__.upper())
