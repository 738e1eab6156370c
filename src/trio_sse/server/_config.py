"""hypercorn's configuration, with defaults that suit streams.

Owns the defaults and the checking of option names. What an option means is hypercorn's to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from copy import copy
from typing import Any, Final

from hypercorn.config import Config

__all__ = ("OPTIONS", "make_config")

MANAGED: Final = frozenset(
    {"application_path", "daemon", "debug", "pid_path", "use_reloader", "worker_class", "workers"}
)
"""Options of hypercorn's process manager, which has no part in `serve`."""

POINTLESS: Final = frozenset(
    {"cert_reqs", "log", "ssl_enabled", "websocket_max_message_size", "websocket_ping_interval", "wsgi_max_body_size"}
)
"""What is deprecated, computed, or about WebSockets and WSGI."""

OPTIONS: Final = (
    frozenset(name for name in dir(Config) if not name.startswith("_") and not callable(getattr(Config, name)))
    | {"logger_class"}
) - (MANAGED | POINTLESS)

STREAM_DEFAULTS: Final[Mapping[str, Any]] = {
    # 100 is soon full when all clients come back after a restart; each one dropped waits a second for its next try.
    "backlog": 2048,
    # After that many requests hypercorn ends an HTTP/2 connection, and the streams still open on it fall silent.
    "keep_alive_max_requests": 2**62,
}


def make_config(config: Config | None = None, **options: Any) -> Config:
    """A hypercorn configuration.

    Args:
        config: Where to start from; it is copied. What it leaves unset gets our defaults where we have any (a backlog
            of 2048, and no limit to the requests of one connection) and hypercorn's elsewhere.
        **options: hypercorn's own options by name, such as `bind`, `certfile`, `keyfile` or `graceful_timeout`.

    Raises:
        TypeError: hypercorn has no such option, or it is one of its process manager's.
    """
    made = Config() if config is None else copy(config)
    for name in options:
        _check(name)
    defaults = {name: value for name, value in STREAM_DEFAULTS.items() if name not in vars(made)}
    for name, value in (defaults | options).items():
        setattr(made, name, value)
    return made


def _check(name: str) -> None:
    if name in MANAGED:
        raise TypeError(
            f"{name!r} is an option of hypercorn's process manager, which serve() and run() do not use; "
            "for several processes or a reloader start the app with hypercorn: hypercorn -k trio module:app"
        )
    if name not in OPTIONS:
        close = difflib.get_close_matches(name, OPTIONS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"hypercorn has no option {name!r}{hint}")
