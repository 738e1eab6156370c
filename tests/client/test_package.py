"""The package as an extra: what it asks for, and what happens without that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trio_sse.cli import main

HIDE = "import sys; sys.modules['httpx2'] = None\n"


def python(source: str) -> str:
    """Run a program; what it printed."""
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout


def test_without_httpx2_the_error_says_what_to_install() -> None:
    assert "pip install trio-sse[client]" in python(
        f"{HIDE}try:\n    import trio_sse.client\nexcept ModuleNotFoundError as error:\n    print(error)"
    )


def test_the_server_needs_no_httpx2() -> None:
    assert python(f"{HIDE}import trio_sse, trio_sse.__main__\nprint('fine')") == "fine\n"


def test_the_command_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("trio_sse.client", "trio_sse.cli.tail"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("trio_sse.client")
    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert main(["tail", "http://server/"]) == 1
    assert capsys.readouterr().err == (
        "trio-sse: trio_sse.client needs httpx2, which is not installed: pip install trio-sse[client]\n"
    )
