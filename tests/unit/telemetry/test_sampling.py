"""Whose word counts when a trace is kept: ours, under the caller's id."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from shared_code import telemetry
from shared_code.telemetry.sampling import OwnDecision
from shared_code.telemetry.tracing import OpenTelemetry

SPAN = "00f067aa0ba902b7"
LOW, HIGH = f"{1:032x}", "f" * 32
"""Ids that any ratio takes, and that none takes."""

Kept = Callable[[Sampler, str, str], dict[str, list[ReadableSpan]]]


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Of 40 requests with such an id and flag, each with a call within it: what is kept of each, by request."""

    def ask(sampler: Sampler, trace: str, flag: str) -> dict[str, list[ReadableSpan]]:
        exporter, spans = InMemorySpanExporter(), TracerProvider(sampler=OwnDecision(sampler))
        spans.add_span_processor(SimpleSpanProcessor(exporter))
        tracing = OpenTelemetry(spans.get_tracer("t"), MeterProvider().get_meter("t"), "salt")
        telemetry.listen(tracing)
        for _ in range(40):
            headers = [(b"traceparent", f"00-{trace}-{SPAN}-{flag}".encode()), (b"tracestate", b"theirs=1")]
            with tracing.request(headers, {}), telemetry.dependency("table", "GET"):
                pass
        found: dict[str, list[ReadableSpan]] = {}
        for span in exporter.get_finished_spans():
            request = span if span.name == "request" else None
            assert span.parent is not None
            key = span.get_span_context().span_id if request else span.parent.span_id
            found.setdefault(f"{key:x}", []).append(span)
        return found

    yield ask
    telemetry.listen(None)


@pytest.mark.parametrize("flag", ["00", "01"])
@pytest.mark.parametrize(
    ("sampler", "requests"), [(ALWAYS_ON, 40), (DEFAULT_ON, 40), (ALWAYS_OFF, 0), (DEFAULT_OFF, 0)], ids=["on", "default", "off", "p-off"]
)
def test_a_callers_flag_counts_for_nothing(kept: Kept, sampler: Sampler, requests: int, flag: str) -> None:
    found = kept(sampler, HIGH, flag)
    assert len(found) == requests
    for spans in found.values():
        assert sorted(span.name for span in spans) == ["request", "table GET"], "whole traces, under the caller's id"
        assert {f"{span.get_span_context().trace_id:032x}" for span in spans} == {HIGH}
        assert {span.get_span_context().trace_state.get("theirs") for span in spans} == {"1"}


@pytest.mark.parametrize("sampler", [TraceIdRatioBased(0.5), ParentBasedTraceIdRatio(0.5)], ids=["ratio", "parent-based"])
@pytest.mark.parametrize("trace", [LOW, HIGH])
def test_nor_does_an_id_that_they_chose(kept: Kept, sampler: Sampler, trace: str) -> None:
    found = kept(sampler, trace, "01")
    assert 0 < len(found) < 40  # one in 2**39 runs is not so
    assert {len(spans) for spans in found.values()} == {2}


def test_what_begins_here_is_decided_as_it_was() -> None:
    sampler = OwnDecision(TraceIdRatioBased(0.5))
    assert sampler.should_sample(None, int(LOW, 16), "job").decision.is_sampled()
    assert not sampler.should_sample(None, int(HIGH, 16), "job").decision.is_sampled()
    assert "0.5" in sampler.get_description()
