"""Where telemetry goes: Application Insights, else an OTLP/HTTP collector, else nowhere.

The SDK reads its own standard variables beside our settings (``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``,
``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_BSP_…``). Its threads send by time: there is no shutdown hook. What a
process has not sent when it ends, five seconds of spans and a minute of metrics at most, is lost.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared_code import __version__, telemetry
from shared_code.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.util.types import AttributeValue
    from structlog.typing import Processor

    from .tracing import OpenTelemetry

DURATION = "http.server.request.duration"
LIBRARIES = (
    *("aiohttp-client", "aiohttp-server", "azure_sdk", "django", "fastapi", "flask"),
    *("httpx", "httpx2", "psycopg2", "requests", "urllib", "urllib3"),
)
"""What the distribution would trace by itself: all that we trace, a second time, and with whole URLs."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """``correlate`` and ``emit`` are processors for structlog; where ``emit`` is one, log lines go out by it and by nothing else, since
    the host sends to Application Insights what we print. All are None where no setting asks for telemetry."""

    tracing: "OpenTelemetry | None" = None
    correlate: "Processor | None" = None
    emit: "Processor | None" = None


def start(settings: Settings, instance_id: str) -> Telemetry:
    """Begin to collect, for the life of the process. Where no setting asks for it nothing is imported."""
    if not (settings.applicationinsights_connection_string or settings.otlp_endpoint):
        return Telemetry()
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.trace import TracerProvider

    from .sampling import OwnDecision
    from .tracing import OpenTelemetry, correlation

    emit: Processor | None = None
    if settings.applicationinsights_connection_string:
        from .logs import Emitter

        _application_insights(settings, instance_id)
        emit = Emitter()
    else:
        _otlp(settings, instance_id)
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):  # none, where the standard variables switch traces off
        provider.sampler = OwnDecision(provider.sampler)
    tracing = OpenTelemetry(trace.get_tracer("lydian", __version__), metrics.get_meter("lydian", __version__), settings.issuer)
    telemetry.listen(tracing)
    return Telemetry(tracing, correlation, emit)


def _resource(settings: Settings, instance_id: str) -> "Resource":
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own: dict[str, AttributeValue] = {"service.version": __version__, "service.instance.id": instance_id}
    if not (settings.applicationinsights_connection_string and settings.environment == "production"):
        # There the distribution finds the function app's name, by which the host's own telemetry goes too.
        own["service.name"] = "lydian" if not settings.standalone else f"lydian-{'-'.join(settings.services)}"
    return Resource(own).merge(OTELResourceDetector().detect())  # what the standard variables say wins


def _otlp(settings: Settings, instance_id: str) -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource, base = _resource(settings, instance_id), settings.otlp_endpoint
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{base}/v1/metrics"))
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))


def _application_insights(settings: Settings, instance_id: str) -> None:
    """By Microsoft's distribution, which authenticates as ``APPLICATIONINSIGHTS_AUTHENTICATION_STRING`` says. Of traces it keeps five
    a second unless ``OTEL_TRACES_SAMPLER`` says otherwise; metrics are whole."""
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry.sdk.metrics.view import View

    # Under its own name the exporter takes it for what the host counts as well, and drops the attributes that alerts ask for.
    views = [View(instrument_name=DURATION, name=f"lydian.{DURATION}")]
    configure_azure_monitor(
        connection_string=settings.applicationinsights_connection_string,
        resource=_resource(settings, instance_id),
        logger_name="lydian.telemetry",  # not the root: what libraries log goes to the host already
        instrumentation_options={library: {"enabled": False} for library in LIBRARIES},
        views=views,
        enable_live_metrics=False,
        enable_performance_counters=False,
        disable_offline_storage=True,  # it would write what was not sent to the disk of an instance that goes
    )
