"""The listening sockets of a server.

Owns what a bind such as `127.0.0.1:8000`, `unix:/run/shop.sock` or `fd://3` means, the options of the sockets, and the
error if one cannot be opened. It must not know what accepts on them.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
from collections.abc import Generator
from contextlib import contextmanager

from hypercorn.config import Config, Sockets

from .errors import ListenError
from .unix_socket import SocketFile, bind_to_file

__all__ = ("Listeners", "set_keep_alive")

Socket = stdlib_socket.socket

DEFAULT_PORT = 8000


class Listeners:
    """The sockets that a server listens on, and the files of the Unix sockets among them. A context manager.

    hypercorn's `create_sockets` removes a Unix socket on which another server listens. If it fails, it leaves the umask
    changed and sockets open. It treats a port that it cannot read as a part of the host's name.

    Attributes:
        secure: The sockets for TLS.
        insecure: The sockets without it.
        quic: The sockets for QUIC.
    """

    def __init__(self) -> None:
        self.secure: list[Socket] = []
        self.insecure: list[Socket] = []
        self.quic: list[Socket] = []
        self._files: list[SocketFile] = []

    @classmethod
    def open(cls, config: Config) -> Listeners:
        """Listen on all addresses of a configuration.

        Raises:
            ListenError: One of them cannot be listened on. All others have been closed.
        """
        listeners = cls()
        try:
            if config.ssl_enabled:
                listeners._open(listeners.secure, config.bind, config)
                listeners._open(listeners.insecure, config.insecure_bind, config)
                listeners._open(listeners.quic, config.quic_bind, config, stdlib_socket.SOCK_DGRAM)
                config._set_quic_addresses(listeners.quic)  # pyright: ignore[reportPrivateUsage] - of the contract
            else:
                listeners._open(listeners.insecure, config.bind, config)
        except BaseException:
            listeners.close()
            raise
        return listeners

    def _open(
        self, group: list[Socket], binds: list[str], config: Config, kind: int = stdlib_socket.SOCK_STREAM
    ) -> None:
        for bind in binds:
            with _as_listen_error(bind):
                listener = _socket_for(bind, kind)
                group.append(listener)
                self._bind(listener, bind, config)
                listener.setblocking(False)

    def _bind(self, listener: Socket, bind: str, config: Config) -> None:
        if bind.startswith("unix:"):
            self._bind_to_file(listener, bind.removeprefix("unix:"), config)
            return
        if not bind.startswith("fd://"):
            if os.name == "posix":  # on Windows the option lets a second server listen on the same port
                listener.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR, 1)
            listener.bind(_address(bind))
        if listener.type == stdlib_socket.SOCK_STREAM:
            listener.listen(config.backlog)

    def _bind_to_file(self, listener: Socket, path: str, config: Config) -> None:
        with _umask(config.umask):
            self._files.append(bind_to_file(listener, path, config.backlog))
        if config.user is not None and config.group is not None:
            os.chown(path, config.user, config.group)

    @property
    def streams(self) -> list[Socket]:
        """The sockets that accept connections."""
        return [*self.secure, *self.insecure]

    @property
    def sockets(self) -> Sockets:
        """The sockets in hypercorn's form."""
        return Sockets(self.secure, self.insecure, self.quic)

    def close(self) -> None:
        """Stop listening, and remove the files of Unix sockets that are still ours. It may be called several times."""
        for file in self._files:
            file.remove()
        self._files.clear()
        for listener in (*self.streams, *self.quic):
            listener.close()

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _as_listen_error(bind: str) -> Generator[None]:
    try:
        yield
    except (OSError, ValueError, OverflowError) as error:
        # Some of Python's own checks raise a ValueError, or an OSError without a number.
        number = getattr(error, "errno", None) or errno.EINVAL
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(number, f"cannot listen on {bind}: {reason}") from error


@contextmanager
def _umask(mask: int | None) -> Generator[None]:
    if mask is None:
        yield
        return
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)


def _socket_for(bind: str, kind: int) -> Socket:
    if bind.startswith("unix:"):
        if not hasattr(stdlib_socket, "AF_UNIX"):
            raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets")
        return Socket(stdlib_socket.AF_UNIX, kind)
    if bind.startswith("fd://"):
        return _inherited(bind.removeprefix("fd://"), kind)
    host, _ = _address(bind)
    listener = Socket(stdlib_socket.AF_INET6 if ":" in host else stdlib_socket.AF_INET, kind)
    if kind == stdlib_socket.SOCK_STREAM:
        listener.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
    return listener


def _inherited(number: str, kind: int) -> Socket:
    if not number.isascii() or not number.isdigit():
        raise ValueError(f"{number!r} is not the number of a descriptor")
    listener = Socket(fileno=int(number))
    if listener.type != kind:
        listener.detach()  # it is not ours to close
        raise ValueError("the descriptor is a socket of another type")
    return listener


def _address(bind: str) -> tuple[str, int]:
    """The host and the port of a bind. As in hypercorn, an IPv6 address needs no brackets."""
    text = bind.replace("[", "").replace("]", "")
    host, colon, port = text.rpartition(":")
    if not colon or ("[" in bind and bind.endswith("]")):
        return text, DEFAULT_PORT
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{port!r} is not a port")
    return host, int(port)


def set_keep_alive(listener: Socket, peer_seconds: float) -> None:
    """Set options by which the kernel closes the connection of a client that has vanished, after `peer_seconds`.

    Such a client sends neither FIN nor RST. TCP_USER_TIMEOUT detects it if data has not been acknowledged, keep-alive
    probes if no data is in flight. Connections inherit the options.
    """
    if listener.family not in (stdlib_socket.AF_INET, stdlib_socket.AF_INET6):
        return
    probe = max(1, round(peer_seconds / 3))
    listener.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", probe),
        ("TCP_KEEPALIVE", probe),  # its name on macOS
        ("TCP_KEEPINTVL", probe),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", round(peer_seconds * 1000)),
    ):
        if hasattr(stdlib_socket, name):
            listener.setsockopt(stdlib_socket.IPPROTO_TCP, getattr(stdlib_socket, name), value)
