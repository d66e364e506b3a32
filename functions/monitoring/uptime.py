"""What the probes found, over HTTP (SPEC §9)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep
from shared_code.clock import rfc3339
from shared_code.monitoring.board import SPANS, Uptime, Window
from shared_code.monitoring.checks import Kind
from shared_code.monitoring.records import Incident, Record
from shared_code.web.callers import Caller, CallerDependency

MonitoringCaller = Annotated[Caller, Depends(CallerDependency("monitoring"))]

State = Literal["ok", "degraded", "down", "no_data"]


class ProbeResponse(BaseModel):
    status: State = Field(description="by the last probe; `no_data` when nobody has looked for three minutes")
    probed_at: str | None
    latency_ms: float | None
    detail: str | None
    down_since: str | None = Field(description="since when an incident has been open")

    @classmethod
    def of(cls, record: Record, known: bool) -> "ProbeResponse":
        return cls(
            status=record.status if known else "no_data",
            probed_at=rfc3339(record.last_at) if record.last_at else None,
            latency_ms=record.latency_ms if record.last_at else None,
            detail=record.detail,
            down_since=rfc3339(record.incident.started_at) if record.incident else None,
        )


class HealthResponse(BaseModel):
    """Of every app that shares this storage."""

    status: Literal["ok", "degraded", "down", "no_data"] = Field(description="the worst of the services")
    services: dict[str, ProbeResponse] = Field(description="a service is as well as what it needs; one that is not configured is left out")
    dependencies: dict[str, ProbeResponse]


class IncidentResponse(BaseModel):
    check: str
    kind: Kind
    started_at: str
    ended_at: str | None = Field(description="null while it goes on")
    detail: str

    @classmethod
    def of(cls, incident: Incident) -> "IncidentResponse":
        return cls(
            check=incident.check,
            kind=incident.kind,
            started_at=rfc3339(incident.started_at),
            ended_at=rfc3339(incident.ended_at) if incident.ended_at else None,
            detail=incident.detail,
        )


class SeriesPoint(BaseModel):
    at: str
    up: int = Field(description="samples that were ok or degraded; one a minute")
    down: int
    no_data: int = Field(description="minutes that nobody sampled")
    latency_ms: float | None = Field(description="mean of the samples that were answered")


class CheckUptime(BaseModel):
    check: str
    kind: Kind
    uptime_percent: float | None = Field(description="of the samples; degraded counts as up. Null without samples")
    samples: int
    no_data_minutes: int
    incidents: list[IncidentResponse] = Field(description="its own of those below")
    series: list[SeriesPoint]

    @classmethod
    def of(cls, uptime: Uptime, incidents: Sequence[Incident]) -> "CheckUptime":
        return cls(
            check=uptime.record.check,
            kind=uptime.record.kind,
            uptime_percent=uptime.total.uptime,
            samples=uptime.total.samples,
            no_data_minutes=uptime.missed,
            incidents=[IncidentResponse.of(each) for each in incidents if each.check == uptime.record.check],
            series=[
                SeriesPoint(
                    at=rfc3339(point.at), up=point.cell.up, down=point.cell.down, no_data=point.missed, latency_ms=point.cell.latency_ms
                )
                for point in uptime.points
            ],
        )


class UptimeResponse(BaseModel):
    window: Window
    step_seconds: int
    checks: list[CheckUptime]
    incidents: list[IncidentResponse] = Field(description="those of the window, newest first, at most 200")


def add_routes(router: APIRouter) -> None:
    router.get("/api/monitoring/health", name="monitoring_get_health")(health)
    router.get("/api/monitoring/uptime", name="monitoring_get_uptime")(uptime)


async def health(caller: MonitoringCaller, container: ContainerDep) -> HealthResponse:
    """Every service and every dependency with its last probe, whichever app made it."""
    records, now = await container.probe_board.records(), container.clock.now()
    shown = {record.check: ProbeResponse.of(record, record.known(now)) for record in records}
    services = {record.check: shown[record.check] for record in records if record.kind == "service"}
    dependencies = {record.check: shown[record.check] for record in records if record.kind == "dependency"}
    return HealthResponse(status=_worst(list(services.values())), services=services, dependencies=dependencies)


async def uptime(
    caller: MonitoringCaller,
    container: ContainerDep,
    window: Annotated[Window, Query(description="a point of the series stands for 15 minutes, 2 hours, 8 hours or a day")] = "24h",
) -> UptimeResponse:
    """Uptime of every check and its incidents. Two failures in a row open an incident, two successes close it; a minute in which nobody
    looked is no data, never up."""
    board, span = container.probe_board, SPANS[window]
    incidents = await board.incidents(container.clock.now() - span.length)
    checks = [CheckUptime.of(board.uptime(record, window), incidents) for record in await board.records()]
    return UptimeResponse(
        window=window,
        step_seconds=int(span.step.total_seconds()),
        checks=checks,
        incidents=[IncidentResponse.of(incident) for incident in incidents],
    )


def _worst(services: Sequence[ProbeResponse]) -> State:
    ranks: tuple[State, ...] = ("down", "no_data", "degraded", "ok")
    found = {service.status for service in services}
    return next((rank for rank in ranks if rank in found), "no_data")
