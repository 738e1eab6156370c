"""The benchmark of requests works: every server answers every load in full, without and with TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from benchmarks.cost_per_request import CLIENT_CORE, LOADS, SERVER_CORE, SERVERS

SCRIPT = Path(__file__).parents[2] / "benchmarks/cost_per_request.py"


def can_measure() -> bool:
    """Whether the cores are there, and the kernel tells how long a thread has run."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    told = Path("/proc/self/task").exists() and any(Path("/proc/self/task").glob("*/schedstat"))
    return {SERVER_CORE, CLIENT_CORE} <= cores and told and shutil.which("taskset") is not None


@pytest.mark.skipif(not can_measure(), reason="the benchmark needs Linux and two cores")
def test_a_quick_run_measures_all_servers() -> None:
    command = [sys.executable, str(SCRIPT), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    _, *lines = done.stdout.splitlines()
    rows = product(LOADS, (False, True), SERVERS)
    for line, (load, tls, server) in zip(lines, rows, strict=True):
        assert line.startswith(f"{load.named(tls=tls):31} {server.name:26} ")
        assert float(line[58:].split()[0]) > 0
