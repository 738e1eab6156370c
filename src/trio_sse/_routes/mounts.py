"""Mounts: other ASGI apps, under a path of this one.

Owns the declaration, and what the library asks of its own apps beyond ASGI. How a request is passed on, and how the
lifespan of such an app is run, stands in `_runtime.mounts` and `_runtime.mounted_lifespans`.
"""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

from .._ground.naming import describe
from .._http.paths import Path, to_path
from ..asgi import ASGIApp, Message, Receive, Send
from ..errors import BuildError
from .builder import Builder

__all__ = ("Mount", "NativeApp")


class NativeApp:
    """What an app of this library can do beyond ASGI: the base of `App`.

    A mounted one is told of the server's shutdown, and answers for itself while it lasts.
    """

    def check(self) -> None:
        """Check all services and routes.

        Raises:
            BuildError: There is a mistake.
        """
        raise NotImplementedError

    def lifespan(self) -> AbstractAsyncContextManager[dict[str, Any]]:
        """The lifespan, whose value is the state for requests."""
        raise NotImplementedError

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        raise NotImplementedError


def _check_literal(_mount: object, _field: object, path: Path) -> None:
    if path.names:
        raise BuildError(f"a mount has a literal path, as in Mount('/static', app), not {str(path)!r}")


def _check_app(mount: Mount, _field: object, app: Any) -> None:
    if isinstance(app, Builder):
        raise BuildError(f"{mount} takes an ASGI app, not {app!r}; add that with app.add()")
    if not callable(app) or inspect.isclass(app):
        raise BuildError(f"{mount} takes an ASGI app, as in Mount('/static', StaticFiles(directory=…)), not {app!r}")


@attrs.frozen(repr=False)
class Mount:
    """An ASGI app that answers all requests under a path, of every method: `app.add(Mount("/static", static))`.

    The app's `root_path` is extended by the path; its `path` and `raw_path` stay what they are, as ASGI defines it. Its
    lifespan runs within that of the app that it is mounted in.

    It is found as a route `/static/*rest` would be: a route whose path is more specific goes before it.

    Args:
        path: Where it is mounted, without parameters. `/` passes on all requests that no route answers.
        app: The ASGI app.
    """

    path: Path = attrs.field(converter=to_path, validator=_check_literal)
    app: ASGIApp = attrs.field(validator=_check_app)

    @property
    def answers_during_shutdown(self) -> bool:
        """Whether the app itself refuses requests while the server shuts down."""
        return isinstance(self.app, NativeApp)

    @property
    def label(self) -> str:
        """How messages name it, `Mount /static`."""
        return f"Mount {self.path}"

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"Mount({str(self.path)!r}, {describe(self.app)})"
