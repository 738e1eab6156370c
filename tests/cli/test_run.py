"""`trio-sse run`: what cannot be served is one line on the standard error, and status 1."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import trustme

from trio_sse import App, Get, run
from trio_sse._server import contract
from trio_sse._server.errors import CertificateError, ListenError, SetupError
from trio_sse.cli import main

APP = "from trio_sse import App\n\napp = App()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An app, and files of all kinds, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served_shop.py").write_text(APP)
    issued = trustme.CA().issue_cert("127.0.0.1")
    other = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    other.private_key_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "text").write_text("not a certificate")
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    errors = logging.getLogger("hypercorn.error")
    handlers = errors.handlers[:]
    yield tmp_path
    errors.handlers = handlers


@pytest.fixture
def used() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@pytest.fixture
def live(folder: Path) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("live.sock")
        other.listen()
        yield "unix:live.sock"


TLS = {"certfile": "cert.pem", "keyfile": "key.pem"}

FAILURES = [
    pytest.param({"bind": "USED"}, ListenError, "cannot listen on USED: Address already in use", id="port in use"),
    pytest.param(
        {"bind": "LIVE"}, ListenError, "cannot listen on LIVE: another server listens there", id="socket in use"
    ),
    pytest.param({"bind": "192.0.2.1:0"}, ListenError, "cannot listen on 192.0.2.1:0: Cannot assign", id="not ours"),
    pytest.param({"bind": "127.0.0.1:http"}, ListenError, "127.0.0.1:http: 'http' is not a port", id="not a port"),
    pytest.param({"bind": "127.0.0.1:99999"}, ListenError, "'99999' is not a port", id="no such port"),
    pytest.param({"bind": "shop.invalid:1"}, ListenError, "cannot listen on shop.invalid:1: ", id="no such host"),
    pytest.param({"bind": "fd://999"}, ListenError, "fd://999: Bad file descriptor", id="no such descriptor"),
    pytest.param({"bind": "unix:text"}, ListenError, "unix:text: the file is not a socket", id="not a socket"),
    pytest.param(
        {"bind": "unix:/nowhere/x"}, ListenError, "unix:/nowhere/x: No such file or directory", id="no folder"
    ),
    pytest.param(
        TLS | {"insecure_bind": "USED"},
        ListenError,
        "cannot listen on USED: Address already in use",
        id="insecure bind",
    ),
    pytest.param(
        TLS | {"certfile": "none.pem"},
        CertificateError,
        "cannot read the certfile none.pem: No such file or directory",
        id="no certificate",
    ),
    pytest.param(
        TLS | {"keyfile": "none.pem"},
        CertificateError,
        "cannot read the keyfile none.pem: No such file or directory",
        id="no key",
    ),
    pytest.param(
        TLS | {"ca_certs": "."}, CertificateError, "cannot read the ca_certs .: Is a directory", id="a folder"
    ),
    pytest.param(
        TLS | {"certfile": "text"}, CertificateError, "cannot use TLS as configured: ", id="not a certificate"
    ),
    pytest.param(TLS | {"ca_certs": "text"}, CertificateError, "cannot use TLS as configured: ", id="not authorities"),
    pytest.param(
        TLS | {"keyfile": "other.pem"},
        CertificateError,
        "cannot use TLS as configured: KEY_VALUES_MISMATCH",
        id="another certificate's key",
    ),
    pytest.param(TLS | {"ciphers": "none"}, CertificateError, "cannot use TLS as configured: ", id="no ciphers"),
    pytest.param({"certfile": "cert.pem"}, SetupError, "TLS needs both a certfile and a keyfile", id="key not named"),
    pytest.param(
        {"keyfile": "key.pem"}, SetupError, "TLS needs both a certfile and a keyfile", id="certificate not named"
    ),
]


@pytest.fixture
def filled(used: str, live: str) -> Callable[[Any], Any]:
    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {"bind": "127.0.0.1:0"} | {name: fill(each) for name, each in value.items()}
        return value.replace("USED", used).replace("LIVE", live)

    return fill


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("options", "_kind", "message"), FAILURES)
def test_the_command_says_it_in_a_line(
    options: dict[str, str],
    _kind: type[Exception],
    message: str,
    workers: str,
    filled: Callable[[Any], Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in filled(options).items()]
    assert main(["run", "served_shop:app", "--workers", workers, *words]) == 1
    out, error = capfd.readouterr()
    assert out == ""
    [line] = error.splitlines()
    assert line.startswith("trio-sse: ")
    assert filled(message) in line


@pytest.mark.parametrize(("options", "kind", "message"), FAILURES)
def test_in_a_program_it_is_an_exception_and_not_a_group(
    options: dict[str, str], kind: type[Exception], message: str, filled: Callable[[Any], Any]
) -> None:
    with pytest.raises(kind) as caught:
        run(App(), **filled(options))
    assert filled(message) in str(caught.value)


@pytest.mark.parametrize(("options", "kind", "message"), FAILURES)
def test_so_it_is_under_hypercorns_own_worker(
    options: dict[str, str],
    kind: type[Exception],
    message: str,
    filled: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contract, "SIGNATURES", {"trio.nowhere:Nothing": "self"})
    with pytest.raises(kind) as caught:
        run(App(), **filled(options))
    assert filled(message) in str(caught.value)


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(CertificateError, match=r"cannot read the certfile cert.pem: Permission denied") as caught:
        run(App(), bind="127.0.0.1:0", certfile="cert.pem", keyfile="key.pem")
    assert caught.value.errno == errno.EACCES


def test_the_services_of_an_app_are_left_in_order_if_it_cannot_listen(used: str) -> None:
    journal: list[str] = []

    @asynccontextmanager
    async def make() -> AsyncIterator[int]:
        journal.append("made")
        yield 5
        journal.append("left")

    with pytest.raises(ListenError):
        run(App().provide(int, make).add(Get("/").inject(number=int).handle(show)), bind=used)
    assert journal == ["made", "left"]


def show(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read options.toml: No such file"),
        ("bind =", "options.toml is not TOML"),
        ("peer_timeout = 0", "peer_timeout must be above 0, not 0"),
    ],
)
def test_a_file_of_options_that_cannot_be_used(
    content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("options.toml").write_text(content)
    assert main(["run", "served_shop:app", "--config", "options.toml"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"trio-sse {version('trio-sse')}\n"


def test_a_socket_of_a_dead_server_remains_a_socket_until_it_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind("dead.sock")
    assert main(["run", "served_shop:app", "--bind", "unix:dead.sock", "--certfile", "none", "--keyfile", "none"]) == 1
    assert stat.S_ISSOCK(Path("dead.sock").stat().st_mode)
