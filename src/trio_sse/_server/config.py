"""hypercorn's configuration, with defaults that suit streams.

Owns the defaults and the checking of option names. What an option means is hypercorn's to say.
"""

from __future__ import annotations

import difflib
from typing import Any, Final

from hypercorn.config import Config

__all__ = ("OPTIONS", "StreamConfig", "make_config")

MANAGED: Final = frozenset(
    {"application_path", "daemon", "debug", "pid_path", "use_reloader", "worker_class", "workers"}
)
"""Options of hypercorn's process manager, which has no part in `serve`."""

POINTLESS: Final = frozenset(
    {"cert_reqs", "log", "ssl_enabled", "websocket_max_message_size", "websocket_ping_interval", "wsgi_max_body_size"}
)
"""What is deprecated, computed, or about WebSockets and WSGI."""


class StreamConfig(Config):
    """hypercorn's configuration, with defaults for streams, and options of our own worker.

    Attributes:
        peer_timeout: Seconds that a client may take nothing of what is written to it, or not answer at all, before its
            connection is broken off.
        max_connections: The most connections; unless set, what the limit of open files leaves.
    """

    # 100 is soon full when all clients come back after a restart; each one dropped waits a second for its next try.
    backlog = 2048
    # How long streams may take to end when the server shuts down.
    graceful_timeout: float = 10.0
    # After that many requests hypercorn ends an HTTP/2 connection, and the streams still open on it fall silent.
    keep_alive_max_requests = 2**62
    peer_timeout: float = 30.0
    max_connections: int | None = None


OPTIONS: Final = (
    frozenset(
        name for name in dir(StreamConfig) if not name.startswith("_") and not callable(getattr(StreamConfig, name))
    )
    | {"logger_class"}
) - (MANAGED | POINTLESS)


def make_config(config: Config | None = None, **options: Any) -> StreamConfig:
    """A configuration for `serve`.

    Args:
        config: Where to start from; it is copied. What it leaves unset gets our defaults where we have any (a backlog
            of 2048, a `graceful_timeout` of 10 s, any number of requests on a connection) and hypercorn's elsewhere.
        **options: hypercorn's own options by name, such as `bind`, `certfile`, `keyfile` or `graceful_timeout`, and
            those of `StreamConfig`.

    Raises:
        TypeError: There is no such option, or it is one of hypercorn's process manager.
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
            raise ValueError(f"{name} has to be above 0, not {value!r}")
    return made


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
