"""Fixtures: a certificate, and the foreign clients where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
import trustme

from . import npm
from .chromium import Browser, chromium
from .postgres import postgres_server
from .requirements import needs
from .serving import Certificate

__all__ = ("postgres_server",)  # a fixture: one server for all modules that ask for it


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    authority.cert_pem.write_to_path(paths.authority)
    issued.private_key_pem.write_to_path(paths.keyfile)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(paths.certfile, append=True)
    return paths


@pytest.fixture(scope="session")
def curl() -> str:
    return needs("curl")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    return npm.install()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return needs("chromium")


@pytest.fixture
def browse(chromium_path: str, tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Browser]]:
    """Starts a browser with a new profile."""
    return partial(chromium, chromium_path, tmp_path / "profile")


@pytest.fixture(params=["http/1.1", "h2"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def trusted(protocol: str, certificate: Certificate) -> Certificate | None:
    """The server's certificate: HTTP/2 is agreed on over TLS."""
    return certificate if protocol == "h2" else None


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
