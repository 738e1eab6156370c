"""A Unix socket's file: whether a server listens on it, and which server may remove it.

Owns the file of a Unix socket that this process has bound. It must not know what is served on it.
"""

from __future__ import annotations

import errno
import os
import socket as stdlib_socket
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

if sys.platform != "win32":
    import fcntl

__all__ = ("SocketFile", "bind_to_file")


@attrs.frozen
class SocketFile:
    """The file of a socket that this process has bound, with its inode, since another server may replace the file."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, path: str) -> SocketFile:
        """The file that is at a path now."""
        found = os.lstat(path)
        return cls(os.path.abspath(path), found.st_dev, found.st_ino)  # noqa: PTH100 - the app may change directory

    def remove(self) -> None:
        """Remove the file, if it still is the same one.

        Call it before the socket is closed: until then the kernel does not use the inode's number for another file.
        """
        with _lock_folder_of(self.path), suppress(OSError):  # it does not exist, or may not be removed; both are fine
            if SocketFile.at(self.path) == self:
                os.unlink(self.path)  # noqa: PTH108 - beside os.lstat


def bind_to_file(sock: stdlib_socket.socket, path: str, backlog: int) -> SocketFile:
    """Bind a socket to a path, and listen. A file that a dead server has left there is removed first.

    Raises:
        OSError: The path cannot be bound: a server listens there, or the file is not a socket.
    """
    if not path:
        raise OSError(errno.EINVAL, "the path is empty")
    with _lock_folder_of(path):
        _remove_dead(path, sock.type)
        sock.bind(path)
        if sock.type == stdlib_socket.SOCK_STREAM:
            # Within the lock: a socket that is bound and does not listen looks dead to another server.
            sock.listen(backlog)
        return SocketFile.at(path)


def _remove_dead(path: str, kind: int) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "the file is not a socket")
    if not _is_dead(path, kind):
        raise OSError(errno.EADDRINUSE, "another server listens there")
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - beside os.lstat


def _is_dead(path: str, kind: int) -> bool:
    """Whether no process has the socket open. If this is unknown, for example without permission, it counts as open."""
    with stdlib_socket.socket(stdlib_socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) in (errno.ECONNREFUSED, errno.ENOENT)


@contextmanager
def _lock_folder_of(path: str) -> Generator[None]:
    """Exclude other servers, of which two may find the same dead file: the second would remove the socket of the first.

    The lock is on the folder, so that no lock file is left behind. If the folder cannot be locked (it may not be read,
    or is on a network file system), two servers must not start at the same moment.
    """
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(Path(path).parent, os.O_RDONLY)
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
