"""Composes: settings → services → one FunctionApp. Nothing else."""

from shared_code import startup  # before all others: it makes their import cheaper

# isort: split
from functions.composition import compose
from shared_code.container import Container
from shared_code.settings import get_settings
from shared_code.telemetry import setup as telemetry
from shared_code.web import azure_http, logs

settings = get_settings()
container = Container(settings)
collected = telemetry.start(settings, container.instance_id)
logs.configure(settings, correlate=collected.correlate, emit=collected.emit)
app, web = compose(container, collected.tracing)
startup.finish()

__all__ = ["app", "azure_http", "web"]  # importing azure_http is what switches HTTP streaming on in the worker
