"""The dashboard: the arithmetic with known numbers, one sampler for all, and viewers that come, go and come back."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import attrs
import psutil
import pytest
import trio
from trio.testing import MockClock

from examples.dashboard import create_app
from examples.dashboard.machine import Reading, compare, read_machine
from examples.dashboard.sampler import SAMPLES_KEPT
from trio_sse.testing import TestClient, TestStream

MIB = 1024 * 1024
START = Reading(
    at=100.0,
    wall_time=1_000_000.0,
    cpu_busy=50.0,
    cpu_total=400.0,
    load=0.5,
    memory_used=100 * MIB,
    memory_total=400 * MIB,
    received=1_000,
    sent=5_000,
)


@attrs.define
class FakeMachine:
    """A machine whose processors are busy a quarter of the time, and that receives 300 and sends 50 bytes a second."""

    readings: int = 0

    def read(self) -> Reading:
        self.readings += 1
        now = trio.current_time()
        return attrs.evolve(START, at=now, cpu_busy=now, cpu_total=4 * now, received=int(300 * now), sent=int(50 * now))


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
async def client(machine: FakeMachine) -> AsyncIterator[TestClient]:
    async with TestClient(attrs.evolve(create_app(machine.read), send_timeout=math.inf)) as client:
        yield client


async def numbers(stream: TestStream, count: int) -> list[int]:
    """The numbers of the next samples, whatever else comes between."""
    found: list[int] = []
    while len(found) < count:
        event = await stream.event()
        if event.event == "sample":
            found.append(json.loads(event.data)["number"])
    return found


# -- the arithmetic


def test_rates_are_differences_by_the_time_that_has_really_passed() -> None:
    later = attrs.evolve(START, at=102.5, cpu_busy=53.0, cpu_total=410.0, received=2_000, sent=5_005)
    sample = compare(7, START, later)
    assert (sample.received, sample.sent) == (400.0, 2.0)
    assert sample.cpu == 30.0  # of the processors' own time: 3 s of 10 s, which is four of them for 2.5 s
    assert sample.number == 7


def test_what_is_no_rate_is_taken_from_the_later_reading() -> None:
    sample = compare(1, START, attrs.evolve(START, at=101.0, wall_time=1_000_001.0004, load=1.234, memory_used=5))
    assert (sample.time, sample.load, sample.memory_used, sample.memory_total) == (1_000_001.0, 1.23, 5, 400 * MIB)


@pytest.mark.parametrize("name", ["received", "sent", "cpu_busy"])
def test_a_counter_that_went_backwards_is_no_activity(name: str) -> None:
    later = attrs.evolve(START, at=101.0, cpu_total=404.0, **{name: 0})
    sample = compare(1, START, later)
    assert (sample.cpu, sample.received, sample.sent) == (0.0, 0.0, 0.0)


def test_two_readings_of_one_moment_are_no_activity() -> None:
    later = attrs.evolve(START, received=9_999, cpu_busy=51.0)
    assert (compare(1, START, later).received, compare(1, START, later).cpu) == (0.0, 0.0)


def test_processors_are_never_busier_than_all_the_time() -> None:
    assert compare(1, START, attrs.evolve(START, cpu_busy=55.0, cpu_total=404.0)).cpu == 100.0


# -- this machine


class LinuxTimes(NamedTuple):
    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    guest: float
    guest_nice: float


def interface(received: int, sent: int) -> SimpleNamespace:
    return SimpleNamespace(bytes_recv=received, bytes_sent=sent)


async def test_counters_are_psutils(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes: dict[str, Any] = {
        "cpu_times": lambda: LinuxTimes(10.0, 2.0, 5.0, 80.0, 3.0, 4.0, 1.0),
        "virtual_memory": lambda: SimpleNamespace(total=1000, available=600),
        "net_io_counters": lambda pernic: {"lo": interface(1, 2), "eth0": interface(30, 40)},
        "getloadavg": lambda: (3.0, 2.0, 1.0),
        "cpu_count": lambda: 2,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(psutil, name, fake)
    reading = read_machine()
    assert (reading.cpu_busy, reading.cpu_total) == (17.0, 100.0)  # guests are in user and nice already
    assert (reading.memory_used, reading.memory_total) == (400, 1000)
    assert (reading.received, reading.sent) == (31, 42)
    assert reading.load == 1.5


async def test_this_machines_counters_fit_together() -> None:
    first, second = read_machine(), read_machine()
    assert 0 < first.cpu_busy < first.cpu_total
    assert 0 < first.memory_used < first.memory_total
    assert second.at >= first.at
    assert (second.received, second.sent) >= (first.received, first.sent)


# -- the stream


async def test_the_page_is_html_and_needs_nothing_from_elsewhere(client: TestClient, autojump_clock: MockClock) -> None:
    reply = await client.get("/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'new EventSource("metrics")' in reply.body
    assert b"//" not in reply.body.replace(b"// ", b"")  # no address: nothing is loaded


async def test_a_sample_comes_every_second(client: TestClient, autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with client.stream("/metrics") as stream:
        position, *events = await stream.events(4)
        assert trio.current_time() - began == pytest.approx(3.0)
    assert position.event == "stream-position"
    assert [event.event for event in events] == ["sample"] * 3
    sample = json.loads(str(events[-1].data))
    assert sample["number"] == 3
    assert (sample["cpu"], sample["received"], sample["sent"]) == (25.0, 300.0, 50.0)
    assert sample.keys() == {"number", "time", "cpu", "load", "memory_used", "memory_total", "received", "sent"}


async def test_the_first_line_asks_for_a_quick_reconnect(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream("/metrics") as stream:
        await stream.event()
        assert stream.raw.startswith(b"retry: 1000\n")


async def test_all_viewers_share_one_sampler(
    client: TestClient, autojump_clock: MockClock, machine: FakeMachine
) -> None:
    async with client.stream("/metrics") as one, client.stream("/metrics") as other:
        assert await one.events(6) == await other.events(6)
    assert machine.readings == 6


async def test_nobody_samples_before_the_first_viewer(
    client: TestClient, autojump_clock: MockClock, machine: FakeMachine
) -> None:
    await trio.sleep(60)
    await client.get("/")
    assert machine.readings == 0


async def test_the_sampler_outlives_the_viewer_that_started_it(
    client: TestClient, autojump_clock: MockClock, machine: FakeMachine
) -> None:
    async with client.stream("/metrics") as first, client.stream("/metrics") as second:
        await first.events(2)
        first.disconnect()
        await first.ended()
        assert await numbers(second, 4) == [1, 2, 3, 4]


async def test_a_new_viewer_gets_the_whole_plot_in_one_write(client: TestClient, autojump_clock: MockClock) -> None:
    async with client.stream("/metrics"):
        await trio.sleep(SAMPLES_KEPT + 30.5)
    async with client.stream("/metrics") as stream:
        shown = await numbers(stream, SAMPLES_KEPT)
        assert len(stream.writes) == 4  # the stream's first frame, its position, and two batches
    assert shown == list(range(31, 31 + SAMPLES_KEPT))


async def test_a_viewer_who_comes_back_goes_on_after_what_it_has_seen(
    client: TestClient, autojump_clock: MockClock
) -> None:
    async with client.stream("/metrics") as stream:
        assert await numbers(stream, 3) == [1, 2, 3]
    await trio.sleep(4.5)
    async with client.stream("/metrics", headers={"last-event-id": stream.last_event_id}) as again:
        assert await numbers(again, 5) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("last_event_id", ["7", "-1", "seven", "²"])
async def test_an_id_that_is_not_one_of_ours_starts_afresh(
    client: TestClient, last_event_id: str, autojump_clock: MockClock
) -> None:
    async with client.stream("/metrics") as stream:
        await numbers(stream, 3)
    headers = {"last-event-id": last_event_id.encode().decode("latin-1")}
    async with client.stream("/metrics", headers=headers) as stream:
        assert (await stream.events(2))[1].event == "gap"
        assert await numbers(stream, 3) == [1, 2, 3]


async def test_a_viewer_who_does_not_read_skips_what_is_no_longer_shown(
    client: TestClient, autojump_clock: MockClock
) -> None:
    async with client.stream("/metrics") as stream:
        await stream.events(2)
        stream.pause()
        await trio.sleep(2 * SAMPLES_KEPT + 0.5)
        stream.resume()
        shown = await numbers(stream, 1 + SAMPLES_KEPT)
    assert shown[0] == 2  # it was on its way already
    assert shown[1:] == list(range(SAMPLES_KEPT + 2, 2 * SAMPLES_KEPT + 2))


async def test_a_viewer_who_leaves_is_noted_at_once(
    client: TestClient, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "examples.dashboard")
    async with client.stream("/metrics") as stream:
        await stream.event()
        left_at = trio.current_time()
    assert caplog.messages == ["viewer left: client_gone"]
    assert trio.current_time() == left_at


async def test_a_sampler_that_fails_stops_the_app(autojump_clock: MockClock) -> None:
    def broken() -> Reading:
        raise OSError("no /proc")

    client = TestClient(create_app(broken))
    with pytest.raises(OSError, match="no /proc"):
        async with client, client.stream("/metrics"):
            await trio.sleep(10)


async def test_an_app_can_be_started_again(machine: FakeMachine, autojump_clock: MockClock) -> None:
    app = create_app(machine.read)
    for _ in range(2):
        async with TestClient(app) as client, client.stream("/metrics") as stream:
            with trio.fail_after(60):
                assert await numbers(stream, 2) == [1, 2]
