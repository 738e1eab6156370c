"""A missing tool is told of, and is no way to pass."""

from __future__ import annotations

import pytest

from .requirements import TOOLS, needs


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine on which nothing is installed."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    return monkeypatch


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_tool_skips_and_says_how_to_get_it(tool: str, bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{tool} is missing.*are not run.*apt-get install"):
        needs(tool)


def test_a_missing_tool_fails_under_continuous_integration(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="curl is missing"):
        needs("curl")


def test_a_tool_that_is_there_is_found(curl: str) -> None:
    assert curl == needs("curl")
