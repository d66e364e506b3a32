"""Spans: whose they continue, what is in them, and that nobody pays for what nobody wants."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from functions.composition import compose
from shared_code import telemetry
from shared_code.clock import ManualClock
from shared_code.storage.memory import MemoryStorage
from shared_code.telemetry import setup
from shared_code.telemetry.tracing import OpenTelemetry, correlation
from shared_code.web import bridge
from shared_code.web.azure_http import WebApp
from tests.unit.apps import TestContainer, bearer, register, settings_of

CALLER, HOST = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"
SPAN = "00f067aa0ba902b7"


class Traced:
    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        spans = TracerProvider()
        spans.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = OpenTelemetry(spans.get_tracer("t"), MeterProvider([self.reader]).get_meter("t"), "salt")
        clock = ManualClock()
        self.container = TestContainer(settings_of(SERVICES="auth,files"), storage=MemoryStorage(clock), clock=clock)
        self.functions, self.web = compose(self.container, self.tracing)

    def client(self, host: str = "") -> httpx.AsyncClient:
        """Requests as the worker hands them over; ``host`` is the trace parent that Azure's host names."""
        handle = bridge.with_host_trace(bridge.make_handler(self.web))
        context: Any = SimpleNamespace(invocation_id="invocation-1", trace_context=SimpleNamespace(trace_parent=host, trace_state=""))
        extension = WebApp()
        extension.route(lambda request: handle(request, context))  # type: ignore[arg-type]  # an awaitable, as the worker's is
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=extension.get_app()), base_url="http://lydian.test")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def traced() -> Iterator[Traced]:
    found = Traced()
    telemetry.listen(found.tracing)
    yield found
    telemetry.listen(None)


def trace_of(span: ReadableSpan) -> str:
    return format(span.get_span_context().trace_id, "032x")


async def test_a_callers_trace_goes_on(traced: Traced) -> None:
    async with traced.client() as client:
        await client.get("/health?secret=hidden", headers={"traceparent": f"00-{CALLER}-{SPAN}-01", "X-Request-ID": "r1"})
    (span,) = traced.spans
    assert (span.name, span.kind, trace_of(span)) == ("common_health", SpanKind.SERVER, CALLER)
    assert span.attributes == {
        "faas.invocation_id": "invocation-1",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/health",
        "lydian.request_id": "r1",
        "faas.name": "common_health",
    }


async def test_the_hosts_trace_comes_first_and_the_callers_is_linked(traced: Traced) -> None:
    async with traced.client(f"00-{HOST}-{SPAN}-01") as client:
        await client.get("/health", headers={"traceparent": f"00-{CALLER}-{SPAN}-01"})
        await client.get("/health", headers={"traceparent": f"00-{HOST}-{SPAN}-01"})
    linked, continued = traced.spans
    assert (trace_of(linked), linked.kind) == (HOST, SpanKind.INTERNAL)
    assert [format(link.context.trace_id, "032x") for link in linked.links] == [CALLER]
    assert (trace_of(continued), list(continued.links)) == (HOST, [])


@pytest.mark.parametrize("host", ["", "no trace", f"00-{'0' * 32}-{'0' * 16}-00"])
async def test_what_names_no_trace_begins_one(traced: Traced, host: str) -> None:
    async with traced.client(host) as client:
        await client.get("/health", headers={"traceparent": "nonsense"})
    (span,) = traced.spans
    assert span.parent is None


async def test_a_user_is_a_pseudonym_and_the_same_one_each_time(traced: Traced) -> None:
    async with traced.client() as client:
        account = await register(client)
        for _ in range(2):
            await client.get("/api/auth/me", headers=bearer(account["access_token"]))
    names = {span.attributes["enduser.pseudo.id"] for span in traced.spans if span.name == "auth_get_me" and span.attributes}
    assert names == {traced.tracing.pseudonym(account["user"]["id"])}
    assert account["user"]["id"] not in str([span.attributes for span in traced.spans])


async def test_methods_and_paths_that_nobody_knows_are_one(traced: Traced) -> None:
    async with traced.client() as client:
        for number in range(50):
            await client.request(f"M{number}", f"/nothing/{number}")
    assert {span.name for span in traced.spans} == {"_OTHER unknown"}
    data: Any = traced.reader.get_metrics_data()
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert len(metric.data.data_points) == 1
    assert (metric.name, metric.unit) == ("http.server.request.duration", "s")


async def test_a_failure_is_one_in_trace_and_log_and_says_nothing_of_itself(traced: Traced) -> None:
    @traced.web.get("/test/broken", name="test_broken")
    async def broken() -> None:
        with telemetry.dependency("stripe", "POST"):
            raise RuntimeError("the secret words")

    with structlog.testing.capture_logs() as logs:
        async with traced.client() as client:
            assert (await client.get("/test/broken")).status_code == 500
    call, root = traced.spans
    assert call.status.status_code is root.status.status_code is StatusCode.ERROR
    assert call.attributes is not None
    assert call.attributes["error.type"] == "RuntimeError"
    assert call.parent is not None
    assert call.parent.span_id == root.get_span_context().span_id
    assert "secret" not in call.to_json() + root.to_json()
    (line,) = [line for line in logs if line["event"] == "unhandled_error"]
    assert line["trace_id"] == trace_of(root)


async def test_what_is_done_by_the_clock_makes_no_trace(traced: Traced) -> None:
    with telemetry.dependency("table", "GET") as span:
        span.set({"a": 1})
    assert traced.spans == []
    with traced.tracing.job("monitoring_statistics", "timer"), telemetry.dependency("table", "GET"):
        pass
    assert [span.name for span in traced.spans] == ["table GET", "monitoring_statistics"]


async def test_log_lines_name_their_trace(traced: Traced) -> None:
    assert correlation(None, "info", {"event": "outside"}) == {"event": "outside"}
    with traced.tracing.request([], {}):
        found = correlation(None, "info", {"event": "inside"})
    assert found["trace_id"] == trace_of(traced.spans[0])


def test_without_a_listener_there_is_nothing() -> None:
    first, second = telemetry.dependency("table", "GET"), telemetry.dependency("blob", "PUT", {"a": 1})
    assert first is second
    with first as span:
        span.set({"b": 2})

    def failing() -> None:
        with second:
            raise KeyError

    with pytest.raises(KeyError):
        failing()


def test_no_setting_no_telemetry() -> None:
    assert setup.start(settings_of(), "i") == setup.Telemetry()


def test_every_http_function_takes_the_hosts_context_when_somebody_listens(traced: Traced) -> None:
    import inspect

    http = [each for each in traced.functions.get_functions() if each.is_http_function()]
    assert http
    assert all(set(inspect.signature(each.get_user_function()).parameters) == {"req", "context"} for each in http)


def job(traced: Traced, name: str) -> Any:
    (found,) = [each for each in traced.functions.get_functions() if each.get_function_name() == name]
    return found.get_user_function()


async def test_a_timers_run_is_one_trace(traced: Traced) -> None:
    import inspect

    run = job(traced, "common_purge")
    assert list(inspect.signature(run).parameters) == ["timer"]
    assert inspect.iscoroutinefunction(run)
    await run(timer=None)
    (root,) = [span for span in traced.spans if span.parent is None]
    assert (root.name, root.attributes) == ("common_purge", {"faas.name": "common_purge", "faas.trigger": "timer"})


async def test_a_job_that_fails_says_so_and_still_fails(traced: Traced) -> None:
    run = job(traced, "common_purge")
    del traced.container.clock
    with pytest.raises(AttributeError, match="clock"):
        await run(timer=None)
    (root,) = [span for span in traced.spans if span.parent is None]
    assert root.status.status_code is StatusCode.ERROR
    assert root.attributes is not None
    assert root.attributes["error.type"] == "AttributeError"


def test_log_lines_become_records() -> None:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    from shared_code.telemetry.logs import Emitter

    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    emit = Emitter(provider)
    event = {"event": "request", "level": "warning", "timestamp": "now", "trace_id": "t", "status": 200, "user_id": None, "more": {"a": 1}}
    with pytest.raises(structlog.DropEvent):
        emit(None, "warning", event)
    (found,) = exporter.get_finished_logs()
    record = found.log_record
    assert (record.body, record.severity_text) == ("request", "WARNING")
    assert dict(record.attributes or {}) == {"status": 200, "more": "{'a': 1}"}
