"""The command line that starts a worker.

Owns how the options of the master are passed on. It must not know how a process is started.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ("bind_arguments", "worker_command")


def worker_command(target: str, file: str | None, options: Mapping[str, Any]) -> list[str]:
    """The command that serves an app in a new interpreter with the same options, except for its binds."""
    command = [sys.executable, "-m", "trio_sse", "run", target]
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        # `python -m` puts the current directory first on the path, where a file could hide a module that we import.
        command[1:1] = ["-P"]
    if file is not None:
        command.append(f"--config={file}")
    for name, value in options.items():
        if name not in ("bind", "insecure_bind"):
            command += _option_arguments(name.replace("_", "-"), value)
    return command


def _option_arguments(name: str, value: bool | str | float | list[str]) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={one}" for one in (value if isinstance(value, list) else [value])]


def bind_arguments(secure: Sequence[int], insecure: Sequence[int]) -> list[str]:
    """The options by which a worker uses listening sockets that are open already, by their descriptors.

    Without TLS hypercorn has only one kind of bind.
    """
    kinds = [("bind", secure), ("insecure-bind", insecure)] if secure else [("bind", insecure)]
    return [f"--{name}=fd://{number}" for name, numbers in kinds for number in numbers]
