"""The command line: `trio-sse run module:app` and `trio-sse tail URL`.

Owns the commands. Nothing in the package imports it, apart from `python -m trio_sse`.
"""

from .command import main

__all__ = ("main",)
