"""A page, with npm packages as modules of the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trio_sse import App, Get, NotFound, Response

__all__ = ("modules_app",)


def modules_app(page: str, modules: Path) -> App:
    """An app that shows the page at `/` and serves the npm packages below `/modules/`."""

    def module(request: Any) -> Response:
        path = modules / request.path.removeprefix("/modules/")
        file = path if path.suffix == ".js" else path.with_suffix(".js")  # some packages leave the suffix out
        if not file.is_file():
            raise NotFound
        return Response(file.read_text("utf-8"), media_type="text/javascript")

    patterns = ("/modules/:a/:b/:c", "/modules/:a/:b/:c/:d", "/modules/:a/:b/:c/:d/:e")
    show = Get("/").handle(lambda: Response(page, media_type="text/html; charset=utf-8"))
    return App().add(show, *(Get(pattern).handle(module) for pattern in patterns))
