"""hypercorn's configuration, with defaults that suit streams.

Owns the defaults, the check of option names, and the errors of options that name files. hypercorn defines what an
option means.
"""

from __future__ import annotations

import difflib
import errno
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hypercorn.config import Config, Sockets
from hypercorn.logging import Logger
from hypercorn.trio.statsd import StatsdLogger

from . import logs
from .errors import CertificateError, SetupError
from .listeners import Listeners

__all__ = ("ANNOTATIONS", "OPTIONS", "StreamConfig", "make_config", "read_config")

MANAGED: Final = frozenset(
    {"application_path", "daemon", "debug", "pid_path", "use_reloader", "worker_class", "workers"}
)
"""Options of hypercorn's process manager, which `serve` does not use."""

UNUSED: Final = frozenset(
    {"cert_reqs", "log", "ssl_enabled", "websocket_max_message_size", "websocket_ping_interval", "wsgi_max_body_size"}
)
"""Options that are deprecated or computed, or are about WebSockets or WSGI."""


class StreamConfig(Config):
    """hypercorn's configuration, with defaults for streams, and options of our own worker.

    Attributes:
        peer_timeout: Seconds that a client may accept no bytes that are written to it, or acknowledge none, before its
            connection is closed.
        max_connections: The most connections; unless set, what the limit of open files leaves.
        http1: Which implementation speaks HTTP/1.1: that of this library, on httptools, or `"hypercorn"` for its own.
        h2c: Whether HTTP/2 is offered without TLS, to clients that upgrade and to those that begin with it.
    """

    # 100 is soon full when all clients reconnect after a restart; a client that is dropped waits a second to try again.
    backlog = 2048
    # Seconds that streams may take to end when the server shuts down.
    graceful_timeout: float = 10.0
    # After so many requests hypercorn ends an HTTP/2 connection, and the streams still open on it fall silent.
    keep_alive_max_requests = 2**62
    peer_timeout: float = 30.0
    max_connections: int | None = None
    http1: str = "httptools"
    h2c: bool = False

    @property
    def log(self) -> Logger:
        """hypercorn's loggers, adapted."""
        if self._log is None:
            self.set_statsd_logger_class(StatsdLogger)  # before the logger is made: hypercorn's worker may be too late
            logs.adapt(super().log, self)
        return super().log

    def create_sockets(self) -> Sockets:
        """The listening sockets, for hypercorn's own worker.

        Raises:
            ListenError: One of them cannot be listened on.
        """
        return Listeners.open(self).sockets

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """The context for TLS; None without a certificate.

        Raises:
            SetupError: There is a certificate without a key, or a key without a certificate.
            CertificateError: A file is missing, cannot be read, or is not what it should be.
        """
        if (self.certfile is None) != (self.keyfile is None):
            raise SetupError("TLS needs both a certfile and a keyfile; they may be the same file")
        if not self.ssl_enabled:
            return None
        for name in ("certfile", "keyfile", "ca_certs"):
            _check_readable(name, getattr(self, name))
        with _as_certificate_error():
            return super().create_ssl_context()


OPTIONS: Final = (
    frozenset(
        name for name in dir(StreamConfig) if not name.startswith("_") and not callable(getattr(StreamConfig, name))
    )
    | {"logger_class"}
) - (MANAGED | UNUSED)


ANNOTATIONS: Final[Mapping[str, str]] = Config.__annotations__ | StreamConfig.__annotations__
"""The types of some options, as their source has them."""


def make_config(config: Config | None = None, **options: Any) -> StreamConfig:
    """Make a configuration for `serve`.

    Args:
        config: The configuration to start from; it is copied. An option that it does not set has our default if there
            is one (a backlog of 2048, a `graceful_timeout` of 10 s, any number of requests on a connection), or else
            hypercorn's.
        **options: hypercorn's options by name, such as `bind`, `certfile`, `keyfile` or `graceful_timeout`, and the
            options of `StreamConfig`.

    Raises:
        TypeError: The option does not exist, or belongs to hypercorn's process manager.
        ValueError: A limit is not above 0.
    """
    made = StreamConfig()
    if config is not None:
        for cls in reversed(type(config).__mro__):
            if issubclass(cls, Config) and cls not in (Config, StreamConfig):
                vars(made).update({name: value for name, value in vars(cls).items() if name in OPTIONS})
        vars(made).update(vars(config))
    for name, value in options.items():
        _check(name)
        setattr(made, name, value)
    for name in ("peer_timeout", "max_connections"):
        value = getattr(made, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be above 0, not {value!r}")
    if made.http1 not in ("httptools", "hypercorn"):
        raise ValueError(f"http1 is 'httptools' or 'hypercorn', not {made.http1!r}")
    return made


def read_config(file: str) -> Config:
    """Read a TOML file of options.

    Raises:
        SetupError: It cannot be read, or is not TOML.
    """
    try:
        return StreamConfig.from_toml(file)  # pyright: ignore[reportUnknownMemberType] - an open PathLike
    except OSError as error:
        raise SetupError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are subclasses of it
        raise SetupError(f"{file} is not TOML: {error}") from None


def _check(name: str) -> None:
    if name in MANAGED:
        raise TypeError(
            f"{name!r} is an option of hypercorn's process manager, which serve() and run() do not use; for several "
            "processes start the app with trio-sse run --workers, for a reloader with trio-sse run --reload, "
            "or either with stock hypercorn: hypercorn -k trio module:app"
        )
    if name not in OPTIONS:
        close = difflib.get_close_matches(name, OPTIONS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"hypercorn has no option {name!r}{hint}")


def _check_readable(name: str, path: str | None) -> None:
    """Open a file before OpenSSL does, whose errors do not name the file."""
    if path is None:
        return
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise CertificateError(error.errno, f"cannot read the {name} {path}: {error.strerror}") from error


@contextmanager
def _as_certificate_error() -> Generator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise CertificateError(errno.EINVAL, f"cannot use TLS as configured: {reason}") from error
