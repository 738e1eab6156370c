"""An nginx of the tests' own, in a folder that is gone afterwards.

Owns its start and its end, and what has to be another path, port or user in a configuration that people would install.
nginx needs no privileges for that, and whatever else of it runs on the machine is left alone.
"""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import trio

from .programs import Program, running
from .serving import Certificate

__all__ = ("SBIN", "Nginx", "free_port", "nginx", "replaced")

SBIN = Path("/usr/sbin")
"""Where Debian puts nginx, which need not be on PATH."""

STOP_SECONDS = 5.0

UPSTREAMS = ("127.0.0.1:8001", "127.0.0.1:8002")


@attrs.frozen
class Nginx:
    """A running nginx.

    Attributes:
        port: Where it listens for TLS, on 127.0.0.1.
        plain_port: Where it listens without.
    """

    port: int
    plain_port: int
    _folder: Path
    _program: Program

    @property
    def url(self) -> str:
        """The address of its TLS side."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def errors(self) -> str:
        """What its error log says."""
        return self._program.text

    @property
    def accesses(self) -> str:
        """What its access log says."""
        return access_log(self._folder).read_text()

    async def reload(self) -> None:
        """Have new workers take over, as `nginx -s reload` does; the old ones keep what is open."""
        self._program.process.send_signal(signal.SIGHUP)
        await self._program.line_with(r"start worker process \d+")


@asynccontextmanager
async def nginx(
    path: str, folder: Path, config: str, upstreams: Sequence[str], certificate: Certificate
) -> AsyncIterator[Nginx]:
    """Run nginx while the block lasts; it accepts connections from the start.

    Args:
        path: The program.
        folder: An empty folder, for all of its files.
        config: A whole configuration, with the paths and ports of a real one.
        upstreams: The addresses that stand for those in it: one, or two.
        certificate: What it shows to clients.
    """
    port, plain_port = free_port(), free_port()
    places = {
        "user www-data;": f"user {pwd.getpwuid(os.geteuid()).pw_name};",
        "/run/nginx.pid": str(folder / "nginx.pid"),
        "/var/log/nginx/error.log": "stderr",
        "/var/log/nginx/access.log": str(access_log(folder)),
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "/etc/ssl/certs/shop.example.org.pem": str(certificate.certfile),
        "/etc/ssl/private/shop.example.org.key": str(certificate.keyfile),
        **dict(zip(UPSTREAMS, (upstreams[0], upstreams[-1]), strict=True)),
        "http {": f"http {{ {temporary_paths(folder)}",
    }
    file = folder / "nginx.conf"
    file.write_text(replaced(config, places))
    command = (path, "-p", str(folder), "-c", str(file), "-e", "stderr", "-g", "daemon off;")
    async with running(*command) as program:
        await program.line_with(r"start worker process \d+")  # its sockets listen by then
        try:
            yield Nginx(port, plain_port, folder, program)
        finally:
            with trio.move_on_after(STOP_SECONDS, shield=True):
                program.terminate()
                await program.wait()


def replaced(config: str, changes: Mapping[str, str]) -> str:
    """A configuration in which each of some texts is another one; each has to be there."""
    for old, new in changes.items():
        assert old in config, f"the configuration has no {old!r}"
        config = config.replace(old, new)
    return config


def access_log(folder: Path) -> Path:
    return folder / "access.log"


def temporary_paths(folder: Path) -> str:
    """Where it may write bodies, in place of what the package has compiled in and only root may make."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)


def free_port() -> int:
    """A port that the kernel gives to no client, so that it is still free when a server comes to it a little later."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
