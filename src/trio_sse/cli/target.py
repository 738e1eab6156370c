"""The app that a command line names, such as `shop.main:app`.

Owns the import of its module, and the errors if there is no app. It knows of an app only how a server calls it.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from .._ground.failure_report import FailureReport, wants_full_tracebacks
from .._ground.naming import nearest
from ..errors import BuildError

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
    _check_no_file(module_name, name)
    sys.path.insert(0, str(Path.cwd()))
    module = _import(module_name)
    try:
        app = getattr(module, name)
    except AttributeError:
        raise LoadError(f"module {module_name!r} has no {name!r}.{nearest(name, dir(module))}") from None
    _check_app(app, target)
    return app


def _check_no_file(module_name: str, name: str) -> None:
    path = module_name.removeprefix("./")
    if path.endswith(".py") or "/" in path:
        module = path.removesuffix(".py").strip("/").replace("/", ".")
        raise LoadError(f"{module_name!r} is the name of a file; name the module, as in {module}:{name}")


def _import(module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except BuildError:
        raise
    except Exception as error:
        # The module itself or its package is missing, and not a module that it imports.
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name is not None
            and f"{module_name}.".startswith(f"{error.name}.")
        ):
            place = f"in {Path.cwd()} or among the installed packages"
            raise LoadError(f"there is no module {error.name!r} {place}") from None
        if wants_full_tracebacks():
            raise
        raise LoadError(f"cannot import {module_name}: {FailureReport.of(error)}") from None


def _check_app(app: object, target: str) -> None:
    """Check that a server can call it as an ASGI app."""
    if not callable(app):
        raise LoadError(f"{target} is {type(app).__name__}, and not an app")
    try:
        inspect.signature(app).bind("scope", "receive", "send")
    except ValueError:  # it has no signature
        return
    except TypeError:
        raise LoadError(
            f"{target} is not an app: an app is called with scope, receive and send; if it is a function that makes "
            "the app, call it in its module, and name the result"
        ) from None
