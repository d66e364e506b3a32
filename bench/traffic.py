"""What it costs to gather traffic, and to trace: ``.venv/bin/python bench/traffic.py``.

One trivial route under the middleware of the real app, called in this process: bare, with traffic gathered as every app does, and with
OpenTelemetry as an OTLP collector would have it (spans are made and batched, and then dropped). Rounds alternate; CPU time, not the wall's.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from support import banner, paired, table, verdict  # before what is ours: it says where that is

# isort: split
from bridge_app import function_app  # the app of the bridge's benchmark

from shared_code.clock import SystemClock
from shared_code.monitoring.traffic import Recorder
from shared_code.settings import load
from shared_code.storage.memory import MemoryStorage
from shared_code.telemetry.tracing import OpenTelemetry
from shared_code.web import app as web_app

LIMIT = 20.0
"""Microseconds of CPU that gathering may cost a request."""


SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/api/hello",
    "raw_path": b"/api/hello",
    "root_path": "",
    "query_string": b"",
    "client": ("127.0.0.1", 1),
    "server": ("lydian", 80),
}


class Dropped(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def apps() -> dict[str, Any]:
    settings, storage = load({"ENVIRONMENT": "test", "LOG_FORMAT": "console"}), MemoryStorage()
    recorder = Recorder(lambda: storage.tables, SystemClock(), "bench")
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(Dropped()))
    tracing = OpenTelemetry(spans.get_tracer("bench"), MeterProvider().get_meter("bench"), "salt")
    routers = [function_app.router]
    return {
        "bare": web_app.build(settings, routers),
        "traffic": web_app.build(settings, routers, observe=recorder.observe),
        "traffic and traces": web_app.build(settings, routers, observe=recorder.observe, tracing=tracing),
    }


async def requests(app: Any, count: int) -> float:
    """Microseconds of CPU for each."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        """The client takes it."""

    began = time.process_time()
    for _ in range(count):
        await app({**SCOPE, "headers": []}, receive, send)
    return (time.process_time() - began) / count * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    banner("a trivial route, in process")
    found = apps()
    for app in found.values():
        await requests(app, options.requests)
    taken: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(options.rounds):
        for name, app in found.items():
            taken[name].append(await requests(app, options.requests))
    bare = taken["bare"]
    more = {name: statistics.median(one - other for one, other in zip(each, bare, strict=True)) for name, each in taken.items()}
    rows = [[name, f"{statistics.median(each):.1f}", f"{more[name]:+.1f}", f"{paired(each, bare):.3f}"] for name, each in taken.items()]
    table(["", "CPU µs", "more", "÷ bare"], rows)
    cost = more["traffic"]
    print(f"Gathering costs a request {cost:.1f} µs of CPU (goal {LIMIT:.0f}{'' if cost <= LIMIT else ', MISSED'})")
    verdict("traffic", paired(bare, taken["traffic"]), 0.8)


asyncio.run(main())
