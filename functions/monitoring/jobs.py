"""Monitoring's triggers. Each part has a module of its own beside this one."""

import azure.functions as func

from shared_code.container import Container

from . import statistics_jobs, traffic_jobs, uptime_jobs


def register(app: func.FunctionApp, container: Container) -> None:
    statistics_jobs.register(app, container)
    uptime_jobs.register(app, container)
    traffic_jobs.register(app, container)
