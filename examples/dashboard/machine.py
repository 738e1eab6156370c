"""The counters of this machine, and how two readings make a sample.

The calls of psutil are synchronous on purpose: each reads a file or two of /proc, which are in memory, and all of them
together take about a tenth of a millisecond. A thread would cost more than that.
"""

from __future__ import annotations

import time

import attrs
import psutil
import trio


@attrs.frozen
class Reading:
    """The machine's counters at one moment. They only grow; a sample is the difference of two readings.

    Attributes:
        at: When they were read, in seconds of Trio's clock, which is never adjusted.
        wall_time: The same moment in Unix time, to show to people.
        cpu_busy: Seconds that all CPUs together have worked, since the machine started.
        cpu_total: Seconds that have passed, for all CPUs together.
        load: Tasks that run or want to, averaged over a minute, for each CPU.
        memory_used: Bytes that are not available to a new program.
        memory_total: Bytes that the machine has.
        received: Bytes that all network interfaces have received; loopback is one of them.
        sent: Bytes that they have sent.
    """

    at: float
    wall_time: float
    cpu_busy: float
    cpu_total: float
    load: float
    memory_used: int
    memory_total: int
    received: int
    sent: int


@attrs.frozen
class Sample:
    """One point of the plot: what happened between two readings.

    Attributes:
        number: Counts the samples of a sampler from 1.
        time: Unix time in seconds.
        cpu: Per cent of all CPUs' time that they worked.
        load: Tasks that run or want to, for each CPU.
        memory_used: Bytes.
        memory_total: Bytes.
        received: Bytes per second.
        sent: Bytes per second.
    """

    number: int
    time: float
    cpu: float
    load: float
    memory_used: int
    memory_total: int
    received: float
    sent: float


def read_machine() -> Reading:
    """Read this machine's counters.

    `psutil.cpu_percent()` would be shorter, but it remembers the last call for the whole process: another caller would
    shorten our interval. Counters have no such state.
    """
    busy, total = _cpu_seconds()
    memory = psutil.virtual_memory()
    interfaces = psutil.net_io_counters(pernic=True).values()
    return Reading(
        at=trio.current_time(),
        wall_time=time.time(),
        cpu_busy=busy,
        cpu_total=total,
        load=psutil.getloadavg()[0] / (psutil.cpu_count() or 1),
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        received=sum(interface.bytes_recv for interface in interfaces),
        sent=sum(interface.bytes_sent for interface in interfaces),
    )


def compare(number: int, earlier: Reading, later: Reading) -> Sample:
    """Make a sample of two readings, by the time that has passed between them.

    Counters that went backwards (an interface was unplugged, a CPU switched off) count as no traffic and no work.
    """
    return Sample(
        number=number,
        time=round(later.wall_time, 3),
        cpu=round(100 * min(1.0, _rate(earlier.cpu_busy, later.cpu_busy, later.cpu_total - earlier.cpu_total)), 1),
        load=round(later.load, 2),
        memory_used=later.memory_used,
        memory_total=later.memory_total,
        received=round(_rate(earlier.received, later.received, later.at - earlier.at), 1),
        sent=round(_rate(earlier.sent, later.sent, later.at - earlier.at), 1),
    )


def _rate(earlier: float, later: float, seconds: float) -> float:
    return max(0.0, later - earlier) / seconds if seconds > 0 else 0.0


def _cpu_seconds() -> tuple[float, float]:
    """Busy and total CPU time. Linux counts the time of guests twice: as `guest`, and in `user` and `nice`."""
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total
