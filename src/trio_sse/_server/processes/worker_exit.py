"""The end of a worker: a sentence for the log, and an exit status for the server.

Owns the meaning of a process's status. It must not know processes or Trio.
"""

from __future__ import annotations

import signal

import attrs

__all__ = ("WorkerExit",)


@attrs.frozen
class WorkerExit:
    """How a worker has ended.

    Attributes:
        text: What happened, for the log.
        code: The exit status for the server: 128 plus the signal's number if a signal ended the worker.
        was_ready: Whether it has accepted connections.
        was_terminated_early: Whether SIGTERM ended it before it accepted any.
    """

    text: str
    code: int
    was_ready: bool = False
    was_terminated_early: bool = False

    @property
    def was_in_order(self) -> bool:
        """Whether it has served, and ended with status 0, because it drained or reached `max_requests`."""
        return self.was_ready and not self.code

    @classmethod
    def of(cls, pid: int, status: int, *, was_ready: bool) -> WorkerExit:
        """The end of a worker by the status of its process; a negative status is a signal.

        A worker handles SIGTERM once the app has been imported. Before that, SIGTERM ends it at once, for example when
        a service manager signals all processes of a group. This is not a mistake in the app, and counts as status 0.
        """
        terminated_early = status == -signal.SIGTERM and not was_ready
        what = "has ended" if status == 0 else f"has ended with status {status}"
        if status < 0:
            what = f"was killed by {_name_of(-status)}"
        when = "" if was_ready else " before it was ready"
        code = 0 if terminated_early else 128 - status if status < 0 else status
        return cls(f"worker {pid} {what}{when}", code, was_ready, terminated_early)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
