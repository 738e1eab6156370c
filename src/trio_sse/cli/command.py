"""The command `trio-sse`: parses its arguments, and runs one of its subcommands.

Owns the choice of the subcommand. It must not know how a subcommand works.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .parser import make_parser
from .run import run

__all__ = ("main",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The arguments; by default those of the process.

    Returns:
        The exit status.
    """
    options = vars(make_parser().parse_args(arguments))
    return _tail(options) if options.pop("command") == "tail" else run(options)


def _tail(options: dict[str, Any]) -> int:
    try:
        from .. import client  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport] - its error names the extra
        from . import tail  # noqa: PLC0415 - it needs the same extra
    except ModuleNotFoundError as error:
        print(f"trio-sse: {error}", file=sys.stderr)
        return 1
    return tail.run(tail.Options(**options))
