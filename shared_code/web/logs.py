"""Structured logs: one JSON object a line (or readable lines for a person), request id included."""

import logging
import sys

import structlog
from structlog.typing import Processor

from shared_code.settings import Settings


def configure(settings: Settings, *, correlate: Processor | None = None, emit: Processor | None = None) -> None:
    """Set up structlog once for the process; libraries' warnings take the same way out.

    ``correlate`` adds to each line to which trace it belongs. ``emit`` takes the lines in place of the standard output.
    """
    level = getattr(logging, settings.log_level.upper())
    console = settings.log_format == "console"
    # Not structlog's own choice, which prints local variables: passwords and tokens among them.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    if emit is not None:
        last: list[Processor] = [structlog.processors.format_exc_info, emit]
    elif console:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    else:
        last = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([correlate] if correlate is not None else []),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    # The SDKs log every request with its URL, which may hold a signature, and every refusal, which we answer.
    for name in ("azure", "azure.core.pipeline.policies.http_logging_policy", "aiohttp", "httpx", "httpx2", "openai", "pyvips", "stripe"):
        logging.getLogger(name).setLevel(logging.WARNING)
