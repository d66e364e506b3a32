"""Composes: settings → services → one FunctionApp. Nothing else."""

import importlib

import azure.functions as func

from functions.authenticator import TokenAuthenticator
from functions.common import http as common_http
from functions.common import jobs as common_jobs
from shared_code.container import Container
from shared_code.settings import get_settings
from shared_code.web import app as web_app
from shared_code.web import azure_http, bridge, logs

BUILT = ("auth", "files")

settings = get_settings()
logs.configure(settings)
container = Container(settings)
enabled = [service for service in BUILT if service in settings.services]

routers = [common_http.router, *(importlib.import_module(f"functions.{service}.http").router for service in enabled)]
web = web_app.build(settings, routers, on_first_request=container.preload)
web.state.container = container
web.state.authenticator = TokenAuthenticator(container)
web.state.idempotency = lambda: container.idempotency  # storage is opened by the first request that needs it

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
bridge.register(app, web, web.router.routes)
common_jobs.register(app, container)
for service in enabled:
    importlib.import_module(f"functions.{service}.jobs").register(app, container)

__all__ = ["app", "azure_http"]  # importing azure_http is what switches HTTP streaming on in the worker
