"""Settings → services → one FunctionApp, for ``function_app.py`` and for tests."""

import importlib
from typing import Protocol

import azure.functions as func
from fastapi import FastAPI

from functions.authenticator import TokenAuthenticator
from functions.common import http as common_http
from functions.common import jobs as common_jobs
from functions.dependencies import client_address
from shared_code.container import Container
from shared_code.web import app as web_app
from shared_code.web import bridge
from shared_code.web.context import Tracing
from shared_code.web.traced_jobs import JobTracing, TracedApp


class AllTracing(Tracing, JobTracing, Protocol):
    """Of requests and of jobs."""


def compose(container: Container, tracing: AllTracing | None = None) -> tuple[func.FunctionApp, FastAPI]:
    """The functions of the services that the settings name, and the FastAPI app behind the HTTP ones.

    Nothing of a service that is not named is imported.
    """
    container.check_settings()
    enabled = ["mail", *container.settings.services]  # every app sends mail
    routers = [common_http.router, *(importlib.import_module(f"functions.{service}.http").router for service in enabled)]
    web = web_app.build(container.settings, routers, on_first_request=container.preload, observe=container.traffic.observe, tracing=tracing)
    web.state.container = container
    web.state.authenticator = TokenAuthenticator(container)
    web.state.client_address = client_address
    web.state.idempotency = lambda: container.idempotency  # storage is opened by the first request that needs it

    level = func.AuthLevel.ANONYMOUS
    app = func.FunctionApp(http_auth_level=level) if tracing is None else TracedApp(tracing, http_auth_level=level)
    bridge.register(app, web, web.router.routes, with_context=tracing is not None)
    common_jobs.register(app, container)
    for service in enabled:
        importlib.import_module(f"functions.{service}.jobs").register(app, container)
    return app, web
