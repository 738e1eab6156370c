"""Metrics for Prometheus: names, labels, formats, and what is told beside them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from trio.testing import MockClock

from trio_sse import SSE, App, Forbidden, Limits
from trio_sse.prometheus import metrics
from trio_sse.testing import TestClient, TestResponse

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def waiting() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    await trio.sleep_forever()


async def fails() -> AsyncIterator[Any]:
    yield {"data": "hello"}
    raise LookupError("broken")


def app_of(**settings: Any) -> App:
    return App(**settings).add(
        SSE("/rooms/:room").heartbeat(None).handle(waiting),
        SSE("/fails").heartbeat(None).handle(fails),
        metrics("/metrics"),
    )


def samples_of(reply: TestResponse) -> Samples:
    parse = parse_openmetrics if reply.headers["content-type"].startswith("application/openmetrics") else parse_text
    assert reply.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(reply.text)
        for sample in family.samples
    }


def of_ours(samples: Samples) -> Samples:
    return {key: value for key, value in samples.items() if key[0].startswith("trio_sse_")}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


ROOMS = "SSE /rooms/:room"


async def busy(client: TestClient) -> None:
    """One stream that has ended, one that has failed, and one that is turned away while another one is open."""
    async with client.stream("/rooms/red") as stream:
        await stream.event()
    async with client.stream("/fails") as stream:
        await stream.ended()
        stream.claim_error()
    async with client.stream("/rooms/blue") as stream:
        await stream.event()
        await client.get("/rooms/green")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        ";;;",
        "text/plain;version=abc",
        "text/plain;version=1.x",
        "text/plain;version=",
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=1.0.0;escaping=abc",
        "application/openmetrics-text;version=\xb2",
    ],
)
async def test_an_accept_header_that_cannot_be_read_is_not_an_error_of_ours(accept: str) -> None:
    assert (await TestClient(app_of()).get("/metrics", headers={"accept": accept})).status == 200


@pytest.mark.parametrize("accept", [None, "*/*", OPENMETRICS, TEXT])
async def test_the_metrics_of_streams(accept: str | None, autojump_clock: MockClock) -> None:
    client = TestClient(app_of(limits=Limits(streams=1)))
    await busy(client)
    async with client.stream("/rooms/blue") as stream:
        await stream.event()
        reply = await client.get("/metrics", headers={} if accept is None else {"accept": accept})
    hello = float(len(b":\ndata: hello\n\n"))
    error = b'event: stream-error\ndata: {"title":"Internal Server Error","status":500}\n\n'
    samples = of_ours(samples_of(reply))
    failed_bytes = samples.pop(key("trio_sse_sent_bytes_total", route="SSE /fails"))
    assert hello <= failed_bytes <= hello + len(error)
    assert samples == {
        key("trio_sse_streams_open", route=ROOMS): 1,
        key("trio_sse_streams_open", route="SSE /fails"): 0,
        key("trio_sse_streams_opened_total", route=ROOMS): 3,
        key("trio_sse_streams_opened_total", route="SSE /fails"): 1,
        key("trio_sse_streams_ended_total", route=ROOMS, reason="client_gone"): 2,
        key("trio_sse_streams_ended_total", route="SSE /fails", reason="failed"): 1,
        key("trio_sse_sent_events_total", route=ROOMS): 3,
        key("trio_sse_sent_events_total", route="SSE /fails"): 1,
        key("trio_sse_sent_bytes_total", route=ROOMS): 3 * hello,
        key("trio_sse_requests_refused_total", reason="streams"): 1,
    }


async def test_an_app_that_has_done_nothing_has_no_samples_and_says_what_there_may_be(
    autojump_clock: MockClock,
) -> None:
    reply = await TestClient(app_of()).get("/metrics")
    assert of_ours(samples_of(reply)) == {}
    for line in (
        "# TYPE trio_sse_streams_open gauge",
        "# TYPE trio_sse_streams_opened_total counter",
        "# TYPE trio_sse_streams_ended_total counter",
        "# TYPE trio_sse_sent_events_total counter",
        "# TYPE trio_sse_sent_bytes_total counter",
        "# TYPE trio_sse_requests_refused_total counter",
        "# HELP trio_sse_streams_open Streams that are open.",
    ):
        assert line in reply.text.splitlines()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/event-stream", TEXT),
    ],
)
async def test_the_format_is_the_one_that_is_asked_for(
    accept: str | None, media_type: str, autojump_clock: MockClock
) -> None:
    reply = await TestClient(app_of()).get("/metrics", headers={} if accept is None else {"accept": accept})
    assert reply.headers["content-type"] == media_type
    assert reply.headers["cache-control"] == "no-store"
    assert reply.text.endswith("# EOF\n") == ("openmetrics" in media_type)


async def test_labels_hold_whatever_they_are_given(autojump_clock: MockClock) -> None:
    why = 'Full: "quoted", \\ and\nnew lines, naïve 🙂.'

    def full() -> None:
        raise Refused(why)

    app = App().add(SSE("/").use(full).handle(waiting), metrics("/metrics"))
    client = TestClient(app)
    await client.get("/")
    assert of_ours(samples_of(await client.get("/metrics"))) == {
        key("trio_sse_requests_refused_total", reason="app"): 1,
    }


class Refused(Forbidden):
    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry=True)


async def test_the_metrics_of_the_process_are_there_too(autojump_clock: MockClock) -> None:
    samples = samples_of(await TestClient(app_of()).get("/metrics"))
    assert any(name == "python_info" for name, _ in samples)
    if sys.platform == "linux":
        assert samples[key("process_open_fds")] > 0


async def test_another_registry_may_stand_in_for_the_process(autojump_clock: MockClock) -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders that have been made.", registry=registry).inc(5)
    app = App().add(SSE("/").heartbeat(None).handle(waiting), metrics("/metrics", registry=registry))
    async with TestClient(app).stream("/"):
        samples = samples_of(await TestClient(app).get("/metrics"))
    assert samples[key("orders_total")] == 5
    assert samples[key("trio_sse_streams_open", route="SSE /")] == 1
    assert not any(name.startswith(("python_", "process_")) for name, _ in samples)


async def test_two_apps_in_a_process_do_not_meet(autojump_clock: MockClock) -> None:
    first, second = TestClient(app_of()), TestClient(app_of())
    async with first.stream("/rooms/red"):
        assert of_ours(samples_of(await first.get("/metrics")))
        assert of_ours(samples_of(await second.get("/metrics"))) == {}


async def test_they_are_told_to_the_last(autojump_clock: MockClock) -> None:
    client = TestClient(app_of())
    client.drain(10)
    await client.get("/rooms/red")
    samples = of_ours(samples_of(await client.get("/metrics")))
    assert samples == {key("trio_sse_requests_refused_total", reason="shutdown"): 1}


async def test_a_step_keeps_others_out(autojump_clock: MockClock) -> None:
    def nobody() -> None:
        raise Forbidden

    assert (await TestClient(App().add(metrics("/metrics").use(nobody))).get("/metrics")).status == 403


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "prometheus_client":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "trio_sse.prometheus")
    with pytest.raises(ModuleNotFoundError) as raised:
        importlib.import_module("trio_sse.prometheus")
    assert str(raised.value) == (
        "trio_sse.prometheus needs prometheus-client, which is not installed: pip install trio-sse[prometheus]"
    )
    assert raised.value.name == "prometheus_client"
