"""Service levels and resources over HTTP (SPEC §9)."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from functions.dependencies import ContainerDep
from shared_code.clock import rfc3339
from shared_code.monitoring import histogram
from shared_code.monitoring.instances import Instance
from shared_code.monitoring.slo import WINDOW, Level, Slo
from shared_code.web.endpoint import Endpoint

from .statistics import AdminCaller


class LevelResponse(BaseModel):
    """How requests fared. Percentiles are of ordinary requests: neither streams and transfers nor those of a starting process."""

    function: str | None = Field(description="null: all of them; `zz_fallback`: what no route answers")
    route: str | None = Field(description="the function's, e.g. `GET /api/files/{file_id}`; null where another app serves it")
    requests: int
    errors: int = Field(description="answers of 5xx")
    error_rate: float = Field(description="0 to 1")
    streams: int = Field(description="requests that lasted as long as their bytes did, either way")
    cold_starts: int = Field(description="requests that came before the process had answered any")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    stream_first_byte_p95_ms: float | None
    cold_p50_ms: float | None

    @classmethod
    def of(cls, level: Level, routes: Mapping[str | None, str]) -> "LevelResponse":
        return cls(
            function=level.function,
            route=routes.get(level.function),
            requests=level.requests,
            errors=level.errors,
            error_rate=level.error_rate,
            streams=level.streams,
            cold_starts=level.cold_starts,
            p50_ms=_ms(level.p50),
            p95_ms=_ms(level.p95),
            p99_ms=_ms(level.p99),
            stream_first_byte_p95_ms=_ms(level.first_byte_p95),
            cold_p50_ms=_ms(level.cold_p50),
        )


class DayResponse(BaseModel):
    day: str = Field(description="UTC")
    total: LevelResponse
    functions: list[LevelResponse] = Field(description="those with the most requests first")


class BudgetResponse(BaseModel):
    window_days: int = WINDOW
    requests: int
    errors: int
    allowed_errors: float = Field(description="how many of those requests may fail")
    left: float | None = Field(description="the share of the budget that is left; negative when it is overdrawn, null without requests")


class SloResponse(BaseModel):
    objective: float = Field(description="per cent of requests that must not fail in the window")
    as_of: str
    percentile_error: float = Field(
        default=round(histogram.ERROR, 4), description="how far a percentile may be from the true one, as a share of it"
    )
    budget: BudgetResponse
    burn_rates: dict[str, float | None] = Field(
        description="by window (`1h`, `6h`, `30d`): at 1 the budget lasts the 30 days; null without requests, or where nothing may fail"
    )
    days: list[DayResponse] = Field(description="newest first; days without requests are left out")

    @classmethod
    def of(cls, slo: Slo, routes: Mapping[str | None, str]) -> "SloResponse":
        budget = slo.budget
        return cls(
            objective=float(slo.objective),
            as_of=rfc3339(slo.as_of),
            budget=BudgetResponse(requests=budget.requests, errors=budget.errors, allowed_errors=budget.allowed, left=budget.left),
            burn_rates=dict(slo.burn),
            days=[
                DayResponse(
                    day=day.day,
                    total=LevelResponse.of(day.total, routes),
                    functions=[LevelResponse.of(each, routes) for each in day.functions],
                )
                for day in slo.days
            ],
        )


class ResourcesResponse(BaseModel):
    """Sizes in bytes."""

    cpu_percent: float = Field(description="of one core, by this process, since the look before")
    machine_cpu_percent: float = Field(description="of all cores")
    cpu_count: int
    memory_bytes: int
    machine_memory_bytes: int
    machine_memory_available_bytes: int
    disk_bytes: int = Field(description="where temporary files go")
    disk_free_bytes: int
    threads: int
    open_files: int = Field(description="descriptors, sockets among them")
    uptime_seconds: float = Field(description="of the process")


class InstanceResponse(BaseModel):
    """One process of one app."""

    instance_id: str
    host: str
    version: str
    services: list[str]
    started_at: str
    last_seen: str
    resources: ResourcesResponse | None = Field(description="as of `last_seen`")

    @classmethod
    def of(cls, instance: Instance) -> "InstanceResponse":
        return cls(
            instance_id=instance.id,
            host=instance.host,
            version=instance.version,
            services=list(instance.services),
            started_at=rfc3339(instance.started_at),
            last_seen=rfc3339(instance.last_seen),
            resources=ResourcesResponse.model_validate(instance.resources.values()) if instance.resources else None,
        )


class ResourcesAnswer(ResourcesResponse):
    """Of the process that answers, now; and every process that was heard of in the last three minutes."""

    instance_id: str
    instances: list[InstanceResponse] = Field(description="of all apps that share the storage, the oldest first, as each last reported")


def add_routes(router: APIRouter) -> None:
    router.get("/api/monitoring/slo", name="monitoring_slo")(slo)
    router.get("/api/monitoring/resources", name="monitoring_resources")(resources)


async def slo(
    request: Request,
    caller: AdminCaller,
    container: ContainerDep,
    days: Annotated[int, Query(ge=1, le=WINDOW, description="how many days to show, today's included")] = 7,
) -> SloResponse:
    """Service levels from real traffic: what failed and how fast the rest was by function and day, and the error budget with the
    rates at which it burns. A minute's requests are counted seconds after its end; the answer is at most half a minute old."""
    served = [route for route in request.app.routes if isinstance(route, Endpoint)]
    # Each has one method of its own; HEAD comes with GET.
    routes: dict[str | None, str] = {each.name: f"{min((each.methods or {'GET'}) - {'HEAD'})} {each.path}" for each in served}
    return SloResponse.of(await container.slo.read(days), routes)


async def resources(caller: AdminCaller, container: ContainerDep) -> ResourcesAnswer:
    """What the process that answers uses, and every live process with its version, services, start and resources."""
    own = await container.instances.register()
    assert own.resources is not None
    alive = await container.instances.alive()
    shown = [InstanceResponse.of(each) for each in alive]
    return ResourcesAnswer.model_validate({**own.resources.values(), "instance_id": own.id, "instances": shown})


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
