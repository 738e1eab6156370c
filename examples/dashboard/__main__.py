"""`python -m examples.dashboard`: serve the dashboard. The server prints its address as soon as it accepts."""

from __future__ import annotations

import argparse
import logging

from trio_sse import run

from . import app


def main() -> None:
    """Read the command line, and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.dashboard", description="A live dashboard of this machine."
    )
    parser.add_argument("--bind", metavar="ADDRESS:PORT", default="127.0.0.1:8000", help="default: %(default)s")
    bind = parser.parse_args().bind
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    # Without a logger of ours, hypercorn adds a handler of its own, and each of its lines would come twice.
    run(app, bind=bind, errorlog=logging.getLogger("hypercorn"))


if __name__ == "__main__":
    main()
