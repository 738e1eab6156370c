"""Metrics for Prometheus: a route that tells what the app's streams have done, in this process.

Owns the names of the metrics. Needs prometheus-client, which `pip install trio-sse[prometheus]` brings; nothing else of
the package imports this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

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

    It answers also while the server shuts down or has no room. `.use` a step on it where not everybody may read it.

    Args:
        path: Where: `/metrics`, usually.
        registry: Whose metrics are told beside the app's own: those of the process, and those that you have made.
    """

    def tell(headers: Headers, statistics: Callable[[], Statistics]) -> Response:
        together = CollectorRegistry()
        together.register(registry)
        together.register(_Streams(statistics()))
        encode, media_type = choose_encoder(",".join(headers.get_all("accept")))
        return Response(encode(together), media_type=media_type, headers={"cache-control": "no-store"})

    return Get(path).during_shutdown().handle(tell)


@attrs.frozen(eq=False)
class _Streams(Collector):
    """Statistics as metrics."""

    read: Statistics

    def collect(self) -> Iterator[Metric]:
        routes = self.read.routes.items()
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
            "Streams that have ended, by what has ended them.",
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
            "Bytes of event streams that have been sent, headers not counted.",
            ("route",),
            {(name,): route.bytes for name, route in routes},
        )
        yield _family(
            CounterMetricFamily,
            "trio_sse_requests_refused",
            "Requests that have been turned away, by the detail that they were told.",
            ("detail",),
            {(detail,): count for detail, count in self.read.refused.items()},
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
