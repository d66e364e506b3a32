"""What Prometheus is told (its text format, or OpenMetrics for who asks for that), by prometheus_client.

Traffic, probes and queues are of all instances and read from storage, so that whichever instance answers says the same: counters are of
the day (UTC) and begin anew at midnight, which Prometheus takes for a counter's reset, and lag a minute behind. What begins with
``process_`` and ``python_`` is of the process that answers: ``lydian_build_info`` names it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import structlog

from shared_code.clock import Clock
from shared_code.errors import LydianError

from . import histogram
from .histogram import Buckets
from .queues import QueueState
from .records import Record
from .traffic_rows import Kind, Traffic

if TYPE_CHECKING:
    from prometheus_client.metrics_core import HistogramMetricFamily, Metric

log = structlog.get_logger("lydian.monitoring")

CACHED_FOR = timedelta(seconds=10)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts are read. One that fails is left out, and told."""

    traffic: Callable[[], Awaitable[Traffic]]
    probes: Callable[[], Awaitable[Sequence[Record]]]
    queues: Callable[[], Awaitable[Sequence[QueueState]]]
    instances: Callable[[], Awaitable[int | None]]


@dataclass(slots=True)
class _Seen:
    traffic: Traffic = field(default_factory=dict)
    probes: Sequence[Record] = ()
    queues: Sequence[QueueState] = ()
    instances: int | None = None
    unread: list[str] = field(default_factory=list)


class Exposition:
    def __init__(self, sources: Sources, clock: Clock, build: Mapping[str, str]) -> None:
        """``build``: labels of ``lydian_build_info``."""
        self._sources, self._clock, self._build = sources, clock, dict(build)
        self._known: tuple[float, _Seen] | None = None
        self._looking = asyncio.Lock()

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, for a request's ``Accept``. What it reads of storage is at most ten seconds old."""
        async with self._looking:
            now = self._clock.now().timestamp()
            if self._known is None or not 0 <= now - self._known[0] < CACHED_FOR.total_seconds():
                self._known = (now, await self._look())
        return await asyncio.to_thread(self._text, self._known[1], accept)

    async def _look(self) -> _Seen:
        seen = _Seen()

        async def read(name: str, source: Callable[[], Awaitable[T]], otherwise: T) -> T:
            try:
                return await source()
            except LydianError as error:
                log.warning("metrics_unread", part=name, error=error.message)
            except Exception:  # one part must not hide the others
                log.exception("metrics_unread", part=name)
            seen.unread.append(name)
            return otherwise

        sources = self._sources
        seen.traffic, seen.probes, seen.queues, seen.instances = await asyncio.gather(
            read("traffic", sources.traffic, seen.traffic),
            read("probes", sources.probes, seen.probes),
            read("queues", sources.queues, seen.queues),
            read("instances", sources.instances, seen.instances),
        )
        return seen

    def _text(self, seen: _Seen, accept: str) -> tuple[bytes, str]:
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, exposition

        clock, build = self._clock, self._build

        class Collector:
            def collect(self) -> Iterator["Metric"]:
                yield from _own(seen, build)
                yield from _of_traffic(seen.traffic)
                yield from _of_probes([record for record in seen.probes if record.known(clock.now())])
                yield from _of_queues(seen.queues)

        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector())
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=registry)
        encode, content_type = exposition.choose_encoder(accept)
        return encode(registry), content_type


def _own(seen: _Seen, build: Mapping[str, str]) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("lydian_build", "The process that answers.", dict(build))
    unread = GaugeMetricFamily("lydian_scrape_unread", "Parts that could not be read for this answer.", labels=["part"])
    for name in ("traffic", "probes", "queues", "instances"):
        unread.add_metric([name], int(name in seen.unread))
    yield unread
    if seen.instances is not None:
        yield GaugeMetricFamily("lydian_instances", "Processes heard of in the last three minutes.", seen.instances)


def _of_traffic(traffic: Traffic) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

    counts: dict[tuple[str, str, str, Kind], int] = {}
    latencies: dict[tuple[Kind, str], tuple[Buckets, int]] = {}
    for key, series in traffic.items():
        label = (key.function, key.method, f"{key.status}xx", key.kind)
        counts[label] = counts.get(label, 0) + series.count
        buckets, micros = latencies.get((key.kind, key.function), ({}, 0))
        histogram.add(buckets, series.latency)
        latencies[key.kind, key.function] = (buckets, micros + series.micros)
    requests = CounterMetricFamily(
        "lydian_http_requests", "Requests of all instances since midnight UTC.", labels=["function", "method", "status", "kind"]
    )
    for label, count in sorted(counts.items()):
        requests.add_metric(label, count)
    yield requests
    helps: dict[Kind, tuple[str, str]] = {
        "plain": ("lydian_http_request_duration_seconds", "Ordinary requests since midnight UTC."),
        "stream": ("lydian_http_stream_first_byte_seconds", "Streams and transfers until their first byte, since midnight UTC."),
        "cold": ("lydian_http_cold_request_duration_seconds", "A process's first requests, since midnight UTC."),
    }
    for kind, (name, text) in helps.items():
        family = HistogramMetricFamily(name, text, labels=["function"])
        for (of, function), (buckets, micros) in sorted(latencies.items()):
            if of == kind:
                _add(family, function, buckets, micros)
        yield family


def _add(family: "HistogramMetricFamily", function: str, buckets: Buckets, micros: int) -> None:
    bounds = [(f"{bound:g}", count) for bound, count in histogram.cumulative(buckets)]
    family.add_metric([function], buckets=[*bounds, ("+Inf", sum(buckets.values()))], sum_value=micros / 1e6)


def _of_probes(records: Sequence[Record]) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    up = GaugeMetricFamily("lydian_probe_up", "1: the last probe found it well or degraded.", labels=["check", "kind"])
    degraded = GaugeMetricFamily("lydian_probe_degraded", "1: it works, but not as it should.", labels=["check", "kind"])
    latency = GaugeMetricFamily("lydian_probe_latency_seconds", "How long the last probe took.", labels=["check", "kind"])
    for record in records:
        label = [record.check, record.kind]
        up.add_metric(label, int(record.status != "down"))
        degraded.add_metric(label, int(record.status == "degraded"))
        latency.add_metric(label, record.latency_ms / 1000)
    yield from (up, degraded, latency)


def _of_queues(states: Sequence[QueueState]) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    length = GaugeMetricFamily("lydian_queue_messages", "About how many messages wait or are being handled.", labels=["queue"])
    poison = GaugeMetricFamily("lydian_queue_poison_messages", "About how many were given up on.", labels=["queue"])
    for state in states:
        length.add_metric([state.name], state.length)
        poison.add_metric([state.name], state.poison_length)
    yield from (length, poison)
