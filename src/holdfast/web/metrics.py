"""What the server did, counted in plain integers and shown to Prometheus on demand.

A request touches no lock and no label lookup; the families are built when `/metrics` is read.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from holdfast.core.upkeep.duties import Figure
from holdfast.web.dialect import Dialect, Route

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Endpoint:
    """One path of one dialect: its routes by method, and what was counted there."""

    __slots__ = ("_literal", "allow", "dialect", "routes", "tail", "tallies", "template")

    def __init__(self, dialect: Dialect, template: str) -> None:
        self.dialect = dialect
        self.template = template
        self.routes: dict[str, Route] = {}
        self.allow = ""
        self.tail = template.rpartition("{")[2].removesuffix(":path}") if template.endswith(":path}") else None
        self._literal = template.partition("{")[0].encode()
        self.tallies: dict[str, Tally] = {}

    def settle(self) -> None:
        """All routes are there: derive HEAD and the value of `Allow`."""
        if "GET" in self.routes:
            self.routes.setdefault("HEAD", self.routes["GET"])
        self.allow = ", ".join(sorted({*self.routes, "OPTIONS"}))

    def takes_slashes(self, raw: bytes) -> bool:
        """Whether an escaped slash in this raw path belongs to the field that takes the rest."""
        return self.tail is not None and raw.startswith(self._literal)


class Tally:
    """What was counted for one method of an endpoint."""

    __slots__ = ("buckets", "received", "seconds", "sent", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.received = 0
        self.sent = 0


class Traffic:
    """The counts of all endpoints; a Prometheus collector."""

    def __init__(self, service: Dialect) -> None:
        self.in_flight = 0
        self.unrouted = Endpoint(service, "")
        self._seen: dict[int, Endpoint] = {}

    def count(self, endpoint: Endpoint, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Add one finished request."""
        tally = endpoint.tallies.get(method)
        if tally is None:
            known = method if method in endpoint.routes or method == "OPTIONS" else "other"
            tally = endpoint.tallies.setdefault(known, Tally())
            self._seen[id(endpoint)] = endpoint
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        tally.buckets[bisect_left(BUCKETS, seconds)] += 1
        tally.seconds += seconds
        tally.received += received
        tally.sent += sent

    def collect(self) -> Iterator[Metric]:
        """The families, as the registry asks for them."""
        where_labels = ("dialect", "route", "method")
        requests = CounterMetricFamily("holdfast_requests", "Requests answered", labels=(*where_labels, "status"))
        received = CounterMetricFamily("holdfast_received_bytes", "Body bytes received", labels=("dialect",))
        sent = CounterMetricFamily("holdfast_sent_bytes", "Body bytes sent", labels=("dialect",))
        seconds = HistogramMetricFamily("holdfast_request_seconds", "Time to answer", labels=where_labels)
        volumes: dict[str, tuple[int, int]] = {}
        for endpoint in self._seen.values():
            dialect = endpoint.dialect.name
            for method, tally in endpoint.tallies.items():
                where = (dialect, endpoint.template, method)
                for status, count in tally.statuses.items():
                    requests.add_metric((*where, str(status)), count)
                seconds.add_metric(where, _cumulative(tally.buckets), tally.seconds)
                was = volumes.get(dialect, (0, 0))
                volumes[dialect] = (was[0] + tally.received, was[1] + tally.sent)
        for dialect, (taken, given) in volumes.items():
            received.add_metric((dialect,), taken)
            sent.add_metric((dialect,), given)
        yield from (requests, seconds, received, sent)
        yield GaugeMetricFamily("holdfast_requests_in_flight", "Requests under way", value=self.in_flight)


class FigureCollector:
    """Numbers that others count, as a Prometheus collector. `source` is asked whenever the registry is read."""

    def __init__(self, source: Callable[[], Iterable[Figure]]) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """A family for each figure."""
        for figure in self._source():
            kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            family = kind(figure.name, figure.help, labels=(figure.label,) if figure.label else ())
            for label, value in figure.values.items():
                family.add_metric((label,) if figure.label else (), value)
            yield family


def exposition(registry: CollectorRegistry) -> bytes:
    """The registry in Prometheus' text format."""
    return generate_latest(registry)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    rows: list[tuple[str, float]] = []
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
        total += count
        rows.append((bound, total))
    return rows
