"""`python -m trio_sse` is `trio-sse`."""

import sys

from .cli import main

__all__ = ("main",)

if __name__ == "__main__":
    sys.exit(main())
