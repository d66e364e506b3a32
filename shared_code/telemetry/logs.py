"""Log lines as OpenTelemetry's log records."""

from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}


class Emitter:
    """The last of structlog's processors: the event is the body, what it carries the attributes. Nothing is printed."""

    def __init__(self, provider: LoggerProvider | None = None) -> None:
        """``provider``: other than the process's own, for tests."""
        self._logger = get_logger("lydian", logger_provider=provider)

    def __call__(self, _: Any, method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.pop("level", method))
        for name in ("timestamp", "trace_id", "span_id"):
            event.pop(name, None)  # the record has them
        body = str(event.pop("event", ""))
        attributes = {name: value if isinstance(value, str | bool | int | float) else str(value) for name, value in event.items()
                      if value is not None}  # fmt: skip
        severity = _SEVERITIES.get(level, SeverityNumber.INFO)
        self._logger.emit(LogRecord(severity_number=severity, severity_text=level.upper(), body=body, attributes=attributes))
        raise structlog.DropEvent
