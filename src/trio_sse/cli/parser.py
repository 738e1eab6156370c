"""The arguments of `trio-sse`.

Owns their names, types and help texts. Each option of hypercorn's configuration that is text, a number, a switch or a
list of texts becomes an option of `run`, with hypercorn's name and meaning. It must not know what a command does.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._server.config import ANNOTATIONS, OPTIONS, StreamConfig

__all__ = ("add_option", "make_parser")

SIMPLE_TYPES: Mapping[str, type] = {
    "str | None": str,
    "int | None": int,
    "float | None": float,
    "logging.Logger | str | None": str,
}
"""The annotations, in hypercorn's source, of options without a default, each with the type of its value."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="trio-sse", description="Server-Sent Events for Trio.")
    parser.add_argument("--version", action="version", version=f"trio-sse {version('trio-sse')}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve an app", argument_default=argparse.SUPPRESS)
    run.add_argument("app", metavar="module:name", help="the app, as in shop.main:app")
    run.add_argument("--config", metavar="FILE", default=None, help="a TOML file of hypercorn's options")
    run.add_argument(
        "--full-tracebacks", action="store_true", default=False, help="show errors of the app with all their frames"
    )
    _add_processes(run.add_argument_group("processes"))
    group = run.add_argument_group("hypercorn's options", "see hypercorn's documentation for what they mean")
    for name in sorted(OPTIONS):
        add_option(group, name)
    _add_tail(commands.add_parser("tail", help="print a stream of events"))
    return parser


def _add_processes(group: Any) -> None:
    group.add_argument("--workers", metavar="N", type=_count, default=None, help="the number of worker processes")
    group.add_argument(
        "--reload",
        dest="watched",
        action="append_const",
        const=Path(),
        default=[],
        help="restart the workers when a Python file in the current directory changes",
    )
    group.add_argument(
        "--reload-dir", dest="watched", metavar="FOLDER", action="append", type=Path, help="the same for another folder"
    )
    group.add_argument("--control-fd", metavar="N", type=int, default=None, help=argparse.SUPPRESS)


def _add_tail(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", metavar="URL", help="the URL of the stream")
    command.add_argument("--json", action="store_true", help="print one JSON object per event")
    command.add_argument(
        "-H", "--header", metavar="NAME:VALUE", type=_header, action="append", default=[], help="another request header"
    )
    command.add_argument("--last-event-id", metavar="ID", help="start after this event")
    command.add_argument(
        "-X", "--method", metavar="METHOD", help="the HTTP method; by default GET, or POST with --data"
    )
    command.add_argument("-d", "--data", metavar="TEXT", help="the request's body")
    command.add_argument("-n", "--count", metavar="N", type=_count, help="exit after this number of events")
    command.add_argument("--no-reconnect", dest="reconnect", action="store_false", help="exit when the connection ends")
    command.add_argument("--read-timeout", metavar="SECONDS", type=float, help="reconnect after this time without data")
    command.add_argument(
        "--max-event-size", metavar="BYTES", type=_count, default=1024 * 1024, help="the largest event that is accepted"
    )


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition(":")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a header; write NAME:VALUE")
    return name.strip(), value.strip()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def add_option(group: Any, name: str) -> None:
    """Add one of hypercorn's options, if its value can be written on a command line."""
    default = getattr(StreamConfig(), name)
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction)
    elif isinstance(default, list):
        group.add_argument(flag, action="append", metavar="TEXT", help="may be given several times")
    elif isinstance(default, str | int | float):
        group.add_argument(flag, type=type(default), metavar=type(default).__name__.upper())
    elif (kind := SIMPLE_TYPES.get(ANNOTATIONS.get(name, ""))) is not None:
        group.add_argument(flag, type=kind, metavar=kind.__name__.upper())
