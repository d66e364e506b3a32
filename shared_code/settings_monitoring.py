"""The settings of monitoring; a part of ``Settings``."""

from dataclasses import dataclass
from decimal import Decimal

from . import setting_types as to
from .setting_types import setting


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    applicationinsights_connection_string: str = setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING", "", "traces, metrics and logs go to this Application Insights"
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "", "traces and metrics go to this OTLP/HTTP collector, e.g. `http://localhost:4318`", to.base_url
    )
    slo_objective: Decimal = setting("SLO_OBJECTIVE", "99.9", "per cent of requests that must not fail (5xx) in 30 days", to.percent)
    alert_emails: tuple[str, ...] = setting("ALERT_EMAILS", "", "comma list: who gets alerts by mail", to.names)
    alert_webhook_url: str = setting(
        "ALERT_WEBHOOK_URL", "", "where alerts are posted as JSON that Slack understands", to.base_url, secret=True
    )
    alert_error_percent: Decimal = setting(
        "ALERT_ERROR_PERCENT", "5", "per cent of ten minutes' requests that fail (5xx) before there is an alert", to.percent
    )
    alert_p95_ms: int = setting("ALERT_P95_MS", "3000", "milliseconds for 95 of 100 requests before there is an alert", to.integer)
