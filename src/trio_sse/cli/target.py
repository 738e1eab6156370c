"""The app that a command line names, such as `shop.main:app`.

Owns the import of its module, and the errors if there is none. It must not know what an app is.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

__all__ = ("LoadError", "load")


class LoadError(Exception):
    """The command line does not name an app that exists."""


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
        # The module itself or its package is missing, and not a module that it imports.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise LoadError(f"there is no module {error.name!r} in {Path.cwd()} or among the installed packages") from None
    try:
        return getattr(module, name)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {name!r}") from None
