"""Serving through hypercorn's Trio worker. The only part of the package that imports hypercorn."""

from .config import make_config
from .serve import run, serve

__all__ = ("make_config", "run", "serve")
