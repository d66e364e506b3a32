"""Prometheus (SPEC §9)."""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from functions.dependencies import ContainerDep

from .statistics import AdminCaller


def add_routes(router: APIRouter) -> None:
    description = "Prometheus's text format, or OpenMetrics for an `Accept` that asks for it"
    described: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": description}
    }
    router.get("/metrics", name="monitoring_metrics", response_class=Response, responses=described)(metrics)


async def metrics(caller: AdminCaller, container: ContainerDep, accept: Annotated[str, Header()] = "") -> Response:
    """Metrics for Prometheus. Requests, probes and queues are of all instances, whichever answers: counters are of the day (UTC) and
    begin anew at midnight. `process_…` and `python_…` are of the process that answers. An API key needs the scope `monitoring`."""
    body, content_type = await container.exposition.render(accept)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
