"""The master of several worker processes: it listens, starts them, and ends them on a signal.

Owns the phases of the master. It must not know how an app is loaded.

A pair of sockets connects the master with each worker. The worker writes `READY` when it accepts connections; the
master writes `CANCEL` when a worker has to cancel its requests. A worker drains when the master's end is closed, for
any reason, and on SIGTERM. SIGTERM may arrive several times, because a service manager signals every process, and the
master signals each of its workers.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import trio

from ..._ground.time_limits import CLEANUP_TIMEOUT
from ..config import StreamConfig
from ..errors import SetupError
from ..listeners import Listeners
from .channel import record_early_signals
from .launcher import Launcher
from .pool import EXIT_SECONDS, WorkerPool
from .reloader import Reloader, watch

__all__ = ("supervise",)

logger = logging.getLogger("trio_sse.server")


def supervise(config: StreamConfig, command: Sequence[str], workers: int, watched: Sequence[Path]) -> int:
    """Serve by several processes until SIGINT or SIGTERM: the first drains them, a second cancels open requests.

    Call it as the last thing that a process does: both signals are ignored afterwards.

    Args:
        config: Where to listen, and how long workers may take to end.
        command: The command line of a worker, without its binds.
        workers: The number of workers.
        watched: The folders whose Python files are watched: when one changes, all workers are replaced.

    Returns:
        The exit status: 0, or the first of a worker that has not ended in order, or could not start.

    Raises:
        SetupError: What is asked for is not possible, or an address or a certificate cannot be used.
    """
    if sys.platform == "win32":
        raise SetupError("several processes and a reloader need Unix: workers inherit the listening sockets")
    if config.quic_bind:
        raise SetupError("QUIC cannot be shared: each datagram would reach any of the processes; leave out --quic-bind")
    changes = watch(watched) if watched else None
    _log_as_hypercorn_does(config)
    config.create_ssl_context()  # the workers make their own: this one reports a mistake once
    with Listeners.open(config) as listeners, record_early_signals(signal.SIGINT, signal.SIGTERM) as early:
        make_pool = partial(WorkerPool, workers, Launcher(command, listeners).start, _exit_timeout(config))
        pool = make_pool() if changes is None else Reloader(make_pool, changes)
        return trio.run(_run, pool, listeners, early)


async def _run(pool: WorkerPool | Reloader, listeners: Listeners, early: set[int]) -> int:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_handle_signals, signals, early, pool, listeners)
            status = await pool.run()
            nursery.cancel_scope.cancel(reason="all workers have ended")
    return status


async def _handle_signals(
    signals: AsyncIterator[int], early: set[int], pool: WorkerPool | Reloader, listeners: Listeners
) -> None:
    if not early:
        await anext(signals)
    logger.info("shutting down; a second signal cancels open requests")
    pool.drain()
    listeners.close()
    await anext(signals)
    pool.cancel()


def _exit_timeout(config: StreamConfig) -> float:
    """Seconds that a worker may take to drain: the sum of its time limits, and a margin."""
    return config.graceful_timeout + CLEANUP_TIMEOUT + config.shutdown_timeout + EXIT_SECONDS


def _log_as_hypercorn_does(config: StreamConfig) -> None:
    """Write the master's lines where hypercorn writes those of the workers, unless logging is configured otherwise."""
    errors = config.log.error_logger
    if errors is not None and not logger.hasHandlers():
        logger.handlers[:] = errors.handlers
        logger.setLevel(errors.level)
