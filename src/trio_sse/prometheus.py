"""Metrics for Prometheus: a route that exports the statistics of the app's streams, for this process.

Owns the names of the metrics. It does not count: `App.statistics` does. Needs prometheus-client, which
`pip install trio-sse[prometheus]` installs; no other module of the package imports this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from ._http.headers import Headers
from ._http.response import Response
from ._routes.routes import Get
from .statistics import Statistics

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] != "prometheus_client":
        raise
    raise ModuleNotFoundError(
        "trio_sse.prometheus needs prometheus-client, which is not installed: pip install trio-sse[prometheus]",
        name="prometheus_client",
    ) from None

__all__ = ("metrics",)

Samples = Mapping[tuple[str, ...], float]


def metrics(path: str, *, registry: Collector = REGISTRY) -> Get:
    """A route that answers Prometheus with the app's metrics, in the format that its Accept header asks for.

    It also answers while the server shuts down or is full. Add a step with `.use` to restrict access.

    Args:
        path: The route's path, usually `/metrics`.
        registry: Its metrics are exported with the app's: those of the process, and those that you define.
    """

    def export(headers: Headers, statistics: Callable[[], Statistics]) -> Response:
        together = CollectorRegistry()
        together.register(registry)
        together.register(_Streams(statistics()))
        encode, media_type = _encoder_for(",".join(headers.get_all("accept")))
        return Response(encode(together), media_type=media_type, headers={"cache-control": "no-store"})

    return Get(path).during_shutdown().handle(export)


def _encoder_for(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """The encoder and its media type; those of the default format where the Accept header cannot be read."""
    choose: Any = choose_encoder  # the names of its parameters differ between releases
    try:
        found: tuple[Callable[[Collector], bytes], str] = choose(accept)
    except (TypeError, ValueError):  # `version=abc`: prometheus-client compares the parts of a version as numbers
        found = choose("")
    return found


@attrs.frozen(eq=False)
class _Streams(Collector):
    """Statistics as metrics."""

    statistics: Statistics

    def collect(self) -> Iterator[Metric]:
        routes = self.statistics.routes.items()
        yield _family(
            GaugeMetricFamily,
            "trio_sse_streams_open",
            "Streams that are open.",
            ("route",),
            {(name,): route.open for name, route in routes},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_streams_opened",
            "Streams that have been opened.",
            ("route",),
            {(name,): route.opened for name, route in routes},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_streams_ended",
            "Streams that have ended, by reason.",
            ("route", "reason"),
            {(name, reason): count for name, route in routes for reason, count in route.ended.items()},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_sent_events",
            "Events that have been sent.",
            ("route",),
            {(name,): route.events for name, route in routes},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_sent_bytes",
            "Bytes of event streams that have been sent, without headers.",
            ("route",),
            {(name,): route.bytes for name, route in routes},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_requests_refused",
            "Requests that have been refused, by reason.",
            ("reason",),
            {(reason,): count for reason, count in self.statistics.refused.items()},
        )


def _family(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    documentation: str,
    labels: tuple[str, ...],
    samples: Samples,
) -> Metric:
    family = kind(name, documentation, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family
