"""The command line: `trio-sse run module:app` and `trio-sse tail URL`.

Owns the commands. Only `python -m trio_sse` imports it.
"""

from .command import main

__all__ = ("main",)
