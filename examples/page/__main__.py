"""`python -m examples.page`: serve all examples of the page."""

from __future__ import annotations

from trio_sse import run

from .app import app

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
