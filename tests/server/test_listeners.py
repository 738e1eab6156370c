"""Listening sockets: what a bind means, the error if it cannot be used, and the files of Unix sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from trio_sse._server import make_config
from trio_sse._server.errors import ListenError
from trio_sse._server.listeners import Listeners
from trio_sse._server.unix_socket import SocketFile


def listen(*binds: str, **options: Any) -> Listeners:
    return Listeners.open(make_config(bind=list(binds), **options))


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path for a socket, short enough for the kernel."""
    monkeypatch.chdir(tmp_path)
    return Path("shop.sock")


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


# -- what a bind means


@pytest.mark.parametrize(
    ("bind", "family", "host"),
    [
        ("127.0.0.1:0", socket.AF_INET, "127.0.0.1"),
        ("localhost:0", socket.AF_INET, "127.0.0.1"),
        (":0", socket.AF_INET, "0.0.0.0"),
        ("[::1]:0", socket.AF_INET6, "::1"),
        ("::1:0", socket.AF_INET6, "::1"),
    ],
)
def test_a_host_and_a_port(bind: str, family: int, host: str) -> None:
    with listen(bind) as listeners:
        [listener] = listeners.insecure
        assert (listener.family, listener.getsockname()[0]) == (family, host)
        assert not listener.getblocking()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_a_descriptor_is_taken_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        address = given.getsockname()
        with listen(f"fd://{given.detach()}") as listeners:
            assert listeners.insecure[0].getsockname() == address


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("127.0.0.1:http", "'http' is not a port"),
        ("127.0.0.1:80x", "'80x' is not a port"),
        ("127.0.0.1:-1", "'-1' is not a port"),
        ("127.0.0.1:65536", "'65536' is not a port"),
        ("127.0.0.1:\N{ARABIC-INDIC DIGIT EIGHT}", "is not a port"),
        ("127.0.0.1:", "'' is not a port"),
        ("192.0.2.1:0", os.strerror(errno.EADDRNOTAVAIL)),
        ("[2001:db8::1]:0", "."),
        ("shop.invalid:0", "."),
        ("a" * 70 + ".example:0", "."),
        ("fd://three", "'three' is not the number of a descriptor"),
        ("fd://-1", "'-1' is not the number of a descriptor"),
        ("fd://999", os.strerror(errno.EBADF)),
        ("unix:", "the path is empty"),
        ("unix:/nowhere/shop.sock", os.strerror(errno.ENOENT)),
        ("unix:" + "x" * 200, "path too long"),
        ("unix:a\0b", "null"),
    ],
)
def test_a_bind_that_cannot_be_used(bind: str, reason: str, path: Path) -> None:
    with pytest.raises(ListenError, match=reason) as caught:
        listen("127.0.0.1:0", bind)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno
    assert str(caught.value).startswith(f"cannot listen on {bind}: ")


def test_a_port_in_use(used_port: int) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{used_port}: Address already in use") as caught:
        listen("127.0.0.1:0", f"127.0.0.1:{used_port}")
    assert caught.value.errno == errno.EADDRINUSE


def test_a_port_in_use_is_noticed_whatever_a_configuration_says_of_workers(used_port: int) -> None:
    """hypercorn sets SO_REUSEPORT for several, and the kernel would then spread clients over two servers."""
    config = make_config(bind="127.0.0.1:0")
    config.workers = 4
    with Listeners.open(config) as listeners:
        port = listeners.insecure[0].getsockname()[1]
        config.bind = [f"127.0.0.1:{port}"]
        with pytest.raises(ListenError, match="Address already in use"):
            Listeners.open(config)


def test_a_port_that_needs_a_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Listeners, "_bind", forbidden)
    with pytest.raises(ListenError, match=r"cannot listen on 127.0.0.1:80: Permission denied"):
        listen("127.0.0.1:80")


def test_a_descriptor_of_another_type_is_left_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        with pytest.raises(ListenError, match="the descriptor is a socket of another type"):
            listen(f"fd://{given.fileno()}")
        given.getsockname()


def test_a_file_is_not_a_socket(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ListenError, match="fd://"):
        listen(f"fd://{file.fileno()}")


def test_without_unix_sockets_they_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ListenError, match="this system has no Unix sockets"):
        listen("unix:shop.sock")


def test_what_was_opened_before_an_error_is_closed(path: Path, used_port: int) -> None:
    with pytest.raises(ListenError):
        listen(f"unix:{path}", f"127.0.0.1:{used_port}")
    assert not path.exists()
    with listen(f"unix:{path}"):
        assert connects(path)


# -- Unix sockets


def test_a_socket_that_a_server_listens_on_is_left_to_it(path: Path) -> None:
    with listen(f"unix:{path}"):
        with pytest.raises(ListenError, match=f"cannot listen on unix:{path}: another server listens there") as caught:
            listen(f"unix:{path}")
        assert caught.value.errno == errno.EADDRINUSE
        assert connects(path)


def test_so_is_one_whose_queue_is_full(path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(listen(f"unix:{path}", backlog=0))
        for _ in range(3):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(path))
        with pytest.raises(ListenError, match="another server listens there"):
            listen(f"unix:{path}")


def test_the_socket_of_a_dead_server_is_replaced(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    assert not connects(path)
    with listen(f"unix:{path}"):
        assert connects(path)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_is_not_a_socket_is_left_alone(kind: str, path: Path, tmp_path: Path) -> None:
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere")
    before = path.lstat()
    with pytest.raises(ListenError, match=f"cannot listen on unix:{path}: the file is not a socket"):
        listen(f"unix:{path}")
    assert path.lstat() == before


def test_the_file_is_removed_at_the_end(path: Path) -> None:
    listeners = listen(f"unix:{path}")
    assert stat.S_ISSOCK(path.stat().st_mode)
    listeners.close()
    assert not path.exists()
    listeners.close()


def test_it_is_found_when_the_app_has_changed_the_directory(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listen(f"unix:{path}"):
        monkeypatch.chdir("/")
    assert not (tmp_path / path).exists()


def test_the_file_of_another_server_is_not_removed(path: Path) -> None:
    """The first one's has been deleted by hand meanwhile, and a second server has started."""
    first = listen(f"unix:{path}")
    path.unlink()
    with listen(f"unix:{path}"):
        first.close()
        assert connects(path)


def test_the_socket_of_a_service_manager_is_not_removed(path: Path) -> None:
    given = socket.socket(socket.AF_UNIX)
    given.bind(str(path))
    listen(f"fd://{given.detach()}").close()
    assert path.exists()


def test_a_file_that_may_not_be_removed_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = listen(f"unix:{path}")

    def forbidden(_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "unlink", forbidden)
    listeners.close()
    monkeypatch.undo()


def test_a_folder_that_cannot_be_locked_is_no_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", forbidden)
    with listen(f"unix:{path}"):
        assert connects(path)
    assert not path.exists()


def test_a_socket_whose_server_cannot_be_asked_counts_as_in_use(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    monkeypatch.setattr("trio_sse._server.unix_socket.stdlib_socket.socket.connect_ex", lambda *_: errno.EACCES)
    with pytest.raises(ListenError, match="another server listens there"):
        listen(f"unix:{path}")
    assert path.exists()


@pytest.mark.parametrize("fails", [False, True])
def test_the_umask_is_for_the_socket_alone(fails: bool, path: Path) -> None:
    before = os.umask(0o022)
    try:
        if fails:
            path.mkdir()
            with pytest.raises(ListenError):
                listen(f"unix:{path}", umask=0o077)
        else:
            with listen(f"unix:{path}", umask=0o077):
                assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_file_is_known_by_its_identity(path: Path) -> None:
    path.touch()
    other = path.with_name("other")
    other.touch()
    assert SocketFile.at(str(path)) == SocketFile.at(str(path))
    assert SocketFile.at(str(path)) != SocketFile.at(str(other))
